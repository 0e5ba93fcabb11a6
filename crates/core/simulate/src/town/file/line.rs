//! InfluxDB's lines: a measurement named after the register, one field a line.

use std::fmt::Write as _;

use meter::Decimal;

use crate::town::parcel::{Measured, Parcel, STREAMS};

pub(super) fn file(parcels: &[Parcel]) -> Vec<u8> {
    let mut out = String::new();
    for parcel in parcels {
        for Measured { stream, start, digits, .. } in &parcel.values {
            let stream = &STREAMS[*stream as usize];
            let kind = stream.kind.expect("ours say it").word();
            let value = Decimal::new(*digits, stream.scale as u8);
            let (point, register, unit, at_ns) = (&parcel.point, stream.register, stream.unit, start.0 * 1_000);
            writeln!(out, "{register},kind={kind},point={point},unit={unit} value={value} {at_ns}")
                .expect("a string takes it");
        }
    }
    out.into_bytes()
}
