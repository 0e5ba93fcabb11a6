//! One reading a row.

use meter::{Decimal, Timestamp};
use parse::export::{Line, write_header};

use crate::town::parcel::{Measured, Parcel, STREAMS};

pub(super) fn file(parcels: &[Parcel]) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(&mut out).expect("memory takes it");
    for parcel in parcels {
        for measured in &parcel.values {
            row(parcel, measured).write(&mut out).expect("memory takes it");
        }
    }
    out
}

fn row<'a>(parcel: &'a Parcel, measured: &Measured) -> Line<'a> {
    let stream = &STREAMS[measured.stream as usize];
    let end: Timestamp = measured.start.plus(stream.span);
    Line {
        point: &parcel.point,
        device: &parcel.device,
        register: stream.register,
        start: measured.start,
        end,
        value: Decimal::new(measured.digits, stream.scale as u8),
        unit: stream.unit,
        quality: "",
        reason: "",
    }
}
