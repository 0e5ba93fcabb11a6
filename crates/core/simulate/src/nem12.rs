//! A home's days as a NEM12 file of half hours.

use std::fmt::Write as _;

use meter::{Decimal, Span, Timestamp};

use crate::message::device;
use crate::supply::Meter;
use crate::{Fleet, Use};

/// Which days, and when the file was made.
#[derive(Clone, Copy, Debug)]
pub struct Nem12Days {
    /// Days after 2020-01-01, in the NEM's own time (UTC+10).
    pub first: u32,
    /// How many days from there.
    pub count: u32,
    /// Days after 2020-01-01 too, at noon there: the update time of each day.
    pub made_on: u32,
}

/// 2019-12-31T14:00:00Z, midnight of 2020-01-01 in UTC+10.
const MIDNIGHT: Timestamp = Timestamp(1_577_800_800_000_000);
const HALF_HOUR: Span = Span::from_minutes(30);

/// The electricity of `homes`, register E1 in kWh, every value actual.
pub fn nem12(fleet: &Fleet, homes: std::ops::Range<u32>, days: Nem12Days) -> String {
    let made_on = date(days.made_on);
    let mut file = format!("100,NEM12,{made_on}1200,METERHOUSE,SIMULATED\n");
    for home in homes {
        let Some(supply) = fleet.supply(home, Use::Electricity) else { continue };
        let mut meter = Meter::new(supply);
        let serial = device(home);
        writeln!(file, "200,MHS{home:07},E1,001,E1,N1,{serial},KWH,30,").expect("a string takes it");
        for day in days.first..days.first + days.count {
            write!(file, "300,{}", date(day)).expect("a string takes it");
            let mut at = Timestamp(MIDNIGHT.0 + i64::from(day) * 48 * HALF_HOUR.0);
            let mut before = meter.read(at);
            for _ in 0..48 {
                at = at.plus(HALF_HOUR);
                let read = meter.read(at);
                write!(file, ",{}", Decimal::new(read - before, 3)).expect("a string takes it");
                before = read;
            }
            writeln!(file, ",A,,,{made_on}120000,").expect("a string takes it");
        }
    }
    file.push_str("900\n");
    file
}

/// `yyyymmdd` of a day after 2020-01-01.
fn date(day: u32) -> u32 {
    let month_start = |day: u32| Timestamp(crate::INSTALLED.0 + i64::from(day) * 48 * HALF_HOUR.0).month();
    let month = month_start(day);
    let before = (1..=31).find(|back| day < *back || month_start(day - back) != month).expect("months are shorter");
    month.cast_unsigned() * 100 + before
}
