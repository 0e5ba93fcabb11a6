//! Days of half-hours as the Australian market sends them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use meter::{Decimal, Span, Timestamp};

use crate::town::home::Medium;
use crate::town::parcel::{Parcel, STREAMS};
use crate::town::window::HALF_HOUR;

/// The market's time is UTC+10 all the year.
const AHEAD: Span = Span::from_minutes(10 * 60);
const SLOTS: usize = 48;
/// What a customer takes and gives, in the market's words.
pub(super) const MEDIA: [(Medium, &str); 2] = [(Medium::Electricity, "E1"), (Medium::FeedIn, "B1")];

/// Days that are not yet complete: where a device was exchanged, two parcels make one.
type Days = BTreeMap<(String, i64), [Option<i64>; SLOTS]>;

pub(super) fn file(parcels: &[Parcel], made_at: Timestamp) -> Vec<u8> {
    let stamp = format!("{}{:04}", date(made_at), minutes(made_at) / 60 * 100 + minutes(made_at) % 60);
    let mut out = format!("100,NEM12,{stamp},METERHOUSE,SIMULATED\n");
    let (mut days, mut block) = (MEDIA.map(|_| Days::new()), None);
    for parcel in parcels {
        for ((medium, suffix), days) in MEDIA.iter().zip(&mut days) {
            let values = parcel.values.iter().filter(|measured| measured.stream == medium.half_hours());
            for measured in values {
                let local = measured.start.plus(AHEAD).0;
                let (day, slot) = (local.div_euclid(SLOTS as i64 * HALF_HOUR.0), local / HALF_HOUR.0 % SLOTS as i64);
                let key = (parcel.point.clone(), day);
                let slots = days.entry(key.clone()).or_insert([None; SLOTS]);
                slots[slot as usize] = Some(measured.digits);
                if slots.iter().any(Option::is_none) {
                    continue;
                }
                let whole = days.remove(&key).expect("was just there");
                let now = (parcel.point.clone(), *suffix, parcel.device.clone());
                if block.as_ref() != Some(&now) {
                    let (point, device) = (&parcel.point, &parcel.device);
                    writeln!(out, "200,{point},{suffix},001,{suffix},N1,{device},KWH,30,").expect("a string takes it");
                    block = Some(now);
                }
                write_day(&mut out, measured.start, &whole, &format!("{stamp}00"), *medium);
            }
        }
    }
    out.push_str("900\n");
    out.into_bytes()
}

fn write_day(out: &mut String, within: Timestamp, values: &[Option<i64>; SLOTS], changed: &str, medium: Medium) {
    write!(out, "300,{}", date(within)).expect("a string takes it");
    let scale = STREAMS[medium.half_hours() as usize].scale as u8;
    for value in values.iter().flatten() {
        write!(out, ",{}", Decimal::new(*value, scale)).expect("a string takes it");
    }
    writeln!(out, ",A,,,{changed},").expect("a string takes it");
}

/// `yyyymmdd` there.
fn date(at: Timestamp) -> String {
    let text = at.plus(AHEAD).to_string();
    text[..10].replace('-', "")
}

/// Of the day there.
fn minutes(at: Timestamp) -> i64 {
    at.plus(AHEAD).0.rem_euclid(SLOTS as i64 * HALF_HOUR.0) / 60_000_000
}
