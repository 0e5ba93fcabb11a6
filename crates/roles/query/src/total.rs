//! A running total that never wraps: what `sum` and `avg` add up in.
//!
//! Promise: the total is exact whatever the order of the values, so an answer
//! does not depend on how files were split among threads; only the finished
//! number has to fit its type.

use datafusion::arrow::datatypes::i256;

/// The sum of some values and how many there were.
///
/// Almost every value goes into `low`; what it can no longer hold moves to
/// `high`. 2^255 is 10^76: 10^38 values of 38 digits, more than can be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    low: i128,
    high: i256,
    count: u64,
}

/// Beyond 76 digits; only sums over `DECIMAL(76, …)` can come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Total {
    #[inline]
    pub(crate) fn add(&mut self, value: i128) -> Result<(), Overflow> {
        match self.low.checked_add(value) {
            Some(low) => self.low = low,
            None => {
                self.carry(i256::from_i128(self.low))?;
                self.low = value;
            }
        }
        self.count += 1;
        Ok(())
    }

    pub(crate) fn add_wide(&mut self, value: i256) -> Result<(), Overflow> {
        self.carry(value)?;
        self.count += 1;
        Ok(())
    }

    /// Takes back a value that was added: a window has moved past it.
    pub(crate) fn retract_wide(&mut self, value: i256) -> Result<(), Overflow> {
        self.high = self.high.checked_sub(value).ok_or(Overflow)?;
        self.count = self.count.saturating_sub(1);
        Ok(())
    }

    pub(crate) fn merge(&mut self, sum: i256, count: u64) -> Result<(), Overflow> {
        self.carry(sum)?;
        self.count += count;
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// `None` where there were no values.
    pub(crate) fn sum(&self) -> Result<Option<i256>, Overflow> {
        if self.count == 0 {
            return Ok(None);
        }
        self.high.checked_add(i256::from_i128(self.low)).map(Some).ok_or(Overflow)
    }

    /// The mean with `more` further digits after the point, the last one
    /// rounded half away from zero, as people do.
    pub(crate) fn mean(&self, more: u8) -> Result<Option<i256>, Overflow> {
        let Some(sum) = self.sum()? else { return Ok(None) };
        let ten = i256::from_i128(10_i128.pow(u32::from(more)));
        let count = i256::from_i128(i128::from(self.count));
        let scaled = sum.checked_mul(ten).ok_or(Overflow)?;
        let (quotient, rest) = (scaled.checked_div(count), scaled.checked_rem(count));
        let (quotient, rest) = (quotient.ok_or(Overflow)?, rest.ok_or(Overflow)?);
        let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2)).ok_or(Overflow)?;
        if twice < count {
            return Ok(Some(quotient));
        }
        let step = if scaled.is_negative() { i256::MINUS_ONE } else { i256::ONE };
        quotient.checked_add(step).map(Some).ok_or(Overflow)
    }

    fn carry(&mut self, value: i256) -> Result<(), Overflow> {
        self.high = self.high.checked_add(value).ok_or(Overflow)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(values: &[i128]) -> Total {
        let mut total = Total::default();
        for value in values {
            total.add(*value).expect("far from 76 digits");
        }
        total
    }

    #[test]
    fn a_total_may_leave_the_range_and_come_back() {
        let values = [i128::MAX, i128::MAX, i128::MIN, i128::MIN, 7];
        assert_eq!(total(&values).sum(), Ok(Some(i256::from_i128(5))));
    }

    #[test]
    fn nothing_has_no_sum_and_no_mean() {
        assert_eq!(Total::default().sum(), Ok(None));
        assert_eq!(Total::default().mean(4), Ok(None));
    }

    #[test]
    fn a_mean_rounds_half_away_from_zero() {
        let mean = |values: &[i128], more| total(values).mean(more).expect("fits").and_then(i256::to_i128);
        assert_eq!(mean(&[1, 2], 0), Some(2));
        assert_eq!(mean(&[-1, -2], 0), Some(-2));
        assert_eq!(mean(&[1, 1, 2], 0), Some(1));
        assert_eq!(mean(&[1, 1, 2], 4), Some(13_333));
        assert_eq!(mean(&[-1, 1], 4), Some(0));
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_wide_integers_in_any_order(
            values in proptest::collection::vec(any::<i128>(), 0..40),
            split in 0_usize..40,
        ) {
            let expected = values.iter().fold(i256::ZERO, |sum, v| sum.wrapping_add(i256::from_i128(*v)));
            let expected = (!values.is_empty()).then_some(expected);
            prop_assert_eq!(total(&values).sum(), Ok(expected));
            let (left, right) = values.split_at(split.min(values.len()));
            let mut merged = total(right);
            let left = total(left);
            merged.merge(left.sum().expect("fits").unwrap_or(i256::ZERO), left.count()).expect("fits");
            prop_assert_eq!(merged.sum(), Ok(expected));
        }

        #[test]
        fn what_is_taken_back_was_never_there(
            kept in proptest::collection::vec(any::<i128>(), 1..20),
            gone in proptest::collection::vec(any::<i128>(), 0..20),
        ) {
            let mut all = total(&gone);
            kept.iter().for_each(|v| all.add(*v).expect("fits"));
            gone.iter().for_each(|v| all.retract_wide(i256::from_i128(*v)).expect("fits"));
            prop_assert_eq!(all.sum(), total(&kept).sum());
            prop_assert_eq!(all.count(), kept.len() as u64);
        }
    }
}
