//! What every question must be answered with, counted from the numbers themselves.
//!
//! Homes and registers go by their numbers, instants are seconds since 1970, days and
//! hours those of UTC, values are the last digits of a register.

use std::path::Path;

use anyhow::Context;

use super::Size;
use super::homes::{FROM, MINUTE, Minute};

const MINUTES_PER_HOUR: u32 = 60;
const MINUTES_PER_DAY: u32 = 24 * MINUTES_PER_HOUR;

/// Whose last day is asked for.
pub fn home(size: Size) -> u32 {
    42.min(size.homes - 1)
}

/// The minute at which the last day begins, which is the first of a shorter set.
pub fn last_day(size: Size) -> u32 {
    size.minutes.saturating_sub(MINUTES_PER_DAY)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    count: i64,
    sum: i64,
}

pub struct Truth {
    size: Size,
    rows: i64,
    /// Of one home: register, second, value.
    last_day: Vec<[i64; 3]>,
    /// By home: least and greatest of its counter.
    counters: Vec<Option<(i64, i64)>>,
    /// By home, register and day.
    days: Vec<Total>,
    /// By home and register.
    latest: Vec<Option<i64>>,
    /// By register and hour.
    hours: Vec<Total>,
}

impl Truth {
    pub fn new(size: Size) -> Truth {
        let channels = size.homes as usize * size.registers;
        Truth {
            size,
            rows: 0,
            last_day: Vec::new(),
            counters: vec![None; size.homes as usize],
            days: vec![Total::default(); channels * buckets(size, MINUTES_PER_DAY)],
            latest: vec![None; channels],
            hours: vec![Total::default(); size.registers * buckets(size, MINUTES_PER_HOUR)],
        }
    }

    /// Takes what one home sent at one minute; minutes come in order.
    pub fn note(&mut self, minute: &Minute) {
        let at = u32::try_from((minute.at.0 - FROM.0) / MINUTE.0).expect("a set is counted in minutes from its start");
        let (day, hour) = ((at / MINUTES_PER_DAY) as usize, (at / MINUTES_PER_HOUR) as usize);
        let home_at = minute.home as usize;
        for (register, &value) in minute.digits.iter().enumerate() {
            self.rows += 1;
            let channel = home_at * self.size.registers + register;
            self.days[channel * buckets(self.size, MINUTES_PER_DAY) + day].add(value);
            self.hours[register * buckets(self.size, MINUTES_PER_HOUR) + hour].add(value);
            self.latest[channel] = Some(value);
            if minute.home == home(self.size) && at >= last_day(self.size) {
                self.last_day.push([register as i64, minute.at.0 / 1_000_000, value]);
            }
        }
        let counter = minute.digits[0];
        let (least, greatest) = self.counters[home_at].unwrap_or((counter, counter));
        self.counters[home_at] = Some((least.min(counter), greatest.max(counter)));
    }

    pub fn rows(&self) -> i64 {
        self.rows
    }

    /// A file a question.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let registers = self.size.registers as i64;
        let (days, hours) = (buckets(self.size, MINUTES_PER_DAY) as i64, buckets(self.size, MINUTES_PER_HOUR) as i64);
        let last_day = self.last_day.iter().map(|row| row.to_vec()).collect();
        let counters = (0..).zip(&self.counters);
        let consumption = counters.filter_map(|(home, of)| of.map(|(least, greatest)| vec![home, greatest - least]));
        let latest = (0..).zip(&self.latest);
        let latest =
            latest.filter_map(|(channel, of)| of.map(|value| vec![channel / registers, channel % registers, value]));
        let daily = (0..).zip(&self.days).map(|(at, total)| {
            let channel = at / days;
            vec![channel / registers, channel % registers, begin(at % days, MINUTES_PER_DAY), total.count, total.sum]
        });
        let hourly = (0..).zip(&self.hours);
        let hourly =
            hourly.map(|(at, total)| vec![at / hours, begin(at % hours, MINUTES_PER_HOUR), total.count, total.sum]);
        let files: [(&str, &str, Vec<Vec<i64>>); 5] = [
            ("last_day", "register,at,value", last_day),
            ("consumption", "home,value", consumption.collect()),
            ("daily", "home,register,day,count,sum", daily.collect()),
            ("latest", "home,register,value", latest.collect()),
            ("hourly", "register,hour,count,sum", hourly.collect()),
        ];
        for (name, head, rows) in files {
            let path = folder.join(name).with_extension("csv");
            std::fs::write(&path, csv(head, &rows)).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

impl Total {
    fn add(&mut self, value: i64) {
        self.count += 1;
        self.sum += value;
    }
}

fn buckets(size: Size, width: u32) -> usize {
    size.minutes.div_ceil(width) as usize
}

/// The second at which a bucket begins.
fn begin(bucket: i64, width: u32) -> i64 {
    FROM.0 / 1_000_000 + bucket * i64::from(width) * 60
}

fn csv(head: &str, rows: &[Vec<i64>]) -> String {
    let mut text = format!("{head}\n");
    for row in rows {
        let row: Vec<String> = row.iter().map(i64::to_string).collect();
        text.push_str(&row.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use meter::Timestamp;

    use super::*;

    const SIZE: Size = Size { homes: 2, registers: 2, minutes: 1_500 };

    fn filled() -> Truth {
        let mut truth = Truth::new(SIZE);
        for at in 0..SIZE.minutes {
            for home in 0..SIZE.homes {
                let digits = vec![i64::from(home * 1_000 + at), -1];
                truth.note(&Minute { home, at: Timestamp(FROM.0 + i64::from(at) * MINUTE.0), digits });
            }
        }
        truth
    }

    #[test]
    fn no_measurement_is_left_out_of_a_total() {
        let truth = filled();
        for totals in [&truth.days, &truth.hours] {
            assert_eq!(totals.iter().map(|total| total.count).sum::<i64>(), truth.rows());
        }
        assert_eq!(truth.rows(), 2 * 2 * 1_500);
        assert_eq!(truth.days[0], Total { count: 1_440, sum: (0..1_440).sum() });
        assert_eq!(truth.days[1], Total { count: 60, sum: (1_440..1_500).sum() });
    }

    #[test]
    fn the_last_day_is_that_of_one_home() {
        let truth = filled();
        assert_eq!(truth.last_day.len(), 2 * 1_440);
        assert_eq!(truth.last_day[0], [0, FROM.0 / 1_000_000 + 60 * 60, 1_060]);
        assert_eq!(truth.counters, [Some((0, 1_499)), Some((1_000, 2_499))]);
        assert_eq!(truth.latest, [Some(1_499), Some(-1), Some(2_499), Some(-1)]);
    }
}
