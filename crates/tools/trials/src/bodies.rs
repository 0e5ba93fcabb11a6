//! What the senders of the real binary send: bodies in every form it takes.
//!
//! Promise: a body is a pure function of its number; each says something new,
//! many correct what an earlier one said, in this form or another, and one mark
//! in each tells in the lake whether it came in. None depends on when it arrives:
//! lines, which have no time of their own, are never corrected.

use std::fmt::Write as _;

use host::Seeded;
use journal::Door;
use meter::{Commodity, Decimal, Flow, Kind, Span, TenantId, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

use crate::script::Sent;

/// 2025-03-01T00:00:00Z: all readings lie in one month, so that files meet.
const BEGIN: Timestamp = Timestamp(1_740_787_200_000_000);
/// 2025-04-01T00:00:00Z: bodies are made from here on, a second apart.
const MADE: Timestamp = Timestamp(1_743_465_600_000_000);
/// The first day of NEM12, whose days begin at 14:00 UTC of the day before.
const FIRST_DAY: u32 = 20_250_302;
const DAYS: usize = 26;
const HALF_HOURS: usize = 48;
const SECOND: Span = Span(1_000_000);
const QUARTER: Span = Span::from_minutes(15);
/// Few points, so that bodies often speak of the same one.
const POINTS: usize = 8;
/// New readings in a body.
const NEW: i64 = 6;
/// Slots of a month; later bodies begin again and thereby correct.
const SLOTS: i64 = 2_880;
/// Marks are readings of this point, one for each body.
const MARKS: &str = "marks";
/// NEM12 has nothing shorter than a day: there a mark is a point.
const MARK_POINT: &str = "MARK";
/// Marks last a second, the coarsest that lines count, and touch each other, so
/// that none looks stored before.
const MARK: Span = SECOND;
const REGISTER: &str = "E1";
const CSV: &str = "csv/generic-long?commodity=electricity&flow=delivered";

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    Protobuf,
    Json,
    Lines,
    Csv,
    Nem12,
}

/// The number of the body that this one repeats, byte by byte: its own for six
/// of seven.
pub fn said_by(number: usize, salt: u64) -> usize {
    let mut seed = Seeded::new(salt ^ (number as u64) << 20);
    if number == 0 || !seed.one_in(7) {
        return number;
    }
    let back = usize::try_from(seed.below(number.min(20) as u64)).expect("below 20");
    said_by(number - 1 - back, salt)
}

/// How the body of this number is written.
pub fn form(number: usize, salt: u64) -> Form {
    let mut seed = Seeded::new(salt.wrapping_mul(3) ^ (said_by(number, salt) as u64) << 10);
    match seed.below(12) {
        0..3 => Form::Protobuf,
        3..6 => Form::Json,
        6..8 => Form::Lines,
        8..10 => Form::Csv,
        _ => Form::Nem12,
    }
}

/// The number of the body whose mark this reading is.
pub fn marked(point: &str, start: Timestamp) -> Option<usize> {
    if point == MARKS {
        return usize::try_from((start.0 - BEGIN.0) / MARK.0).ok();
    }
    point.strip_prefix(MARK_POINT)?.parse().ok()
}

/// The body of this number; other salts make other bodies.
pub fn body(number: usize, salt: u64) -> Sent {
    let said = Said::of(said_by(number, salt), salt);
    let (format, bytes) = match form(number, salt) {
        Form::Protobuf => ("protobuf", said.protobuf()),
        Form::Json => ("json", said.json().into_bytes()),
        Form::Lines => said.lines(),
        Form::Csv => (CSV, said.csv().into_bytes()),
        Form::Nem12 => ("nem12", said.nem12().into_bytes()),
    };
    let door = if matches!(format, CSV | "nem12") { Door::File } else { Door::Http };
    Sent { tenant: TenantId(1), door, format, object: "", bytes: bytes.into(), archived: false }
}

/// What a body says, in whichever form.
struct Said {
    number: usize,
    seed: Seeded,
    point: String,
    created: Timestamp,
    /// Quarters of an hour of the month, and hundredths of a kilowatt-hour.
    readings: Vec<(i64, i64)>,
}

impl Said {
    fn of(number: usize, salt: u64) -> Said {
        let mut seed = Seeded::new(salt.wrapping_add(number as u64));
        let readings = readings(number, &mut seed);
        // A third of the bodies say that they are older than those before them.
        let age = if seed.one_in(3) { seed.below(30).cast_signed() } else { 0 };
        let created = Timestamp(MADE.0 + (number as i64 - age) * SECOND.0);
        Said { number, seed, point: format!("P{}", number % POINTS), created, readings }
    }

    fn mark_at(&self) -> Timestamp {
        Timestamp(BEGIN.0 + self.number as i64 * MARK.0)
    }

    fn protobuf(&self) -> Vec<u8> {
        let measured = |(slot, digits): &(i64, i64)| Measurement {
            at: Span(slot * QUARTER.0),
            value: Some(Value::Digits(*digits)),
            ..Measurement::default()
        };
        let measurements: Vec<_> = self.readings.iter().map(measured).collect();
        let at = Span(self.mark_at().0 - BEGIN.0);
        let mark = [Measurement { at, span: Some(MARK), value: Some(Value::Digits(1)), ..Measurement::default() }];
        let mut writer = Writer::new();
        writer.stream(&Stream {
            register: REGISTER,
            kind: Some(Kind::Interval),
            commodity: Commodity::Electricity,
            flow: Flow::Delivered,
            unit: "kWh",
            scale: 2,
            span: QUARTER,
            ..Stream::default()
        });
        let of = |point, measurements| Container {
            point,
            device: "",
            created_at: Some(self.created),
            base_time: Some(BEGIN),
            measurements,
            ..Container::default()
        };
        writer.container(&of(&self.point, &measurements));
        writer.container(&of(MARKS, &mark));
        writer.into_body()
    }

    /// The same request as JSON.
    fn json(&self) -> String {
        let measured = |(slot, digits): &(i64, i64)| serde_json::json!({"at": slot * QUARTER.0, "digits": digits});
        let measurements: Vec<_> = self.readings.iter().map(measured).collect();
        let mark = serde_json::json!({"at": self.mark_at().0 - BEGIN.0, "span": MARK.0, "digits": 1});
        let of = |point: &str, measurements: Vec<serde_json::Value>| {
            serde_json::json!({"point": point, "createdAt": self.created.to_string(), "baseTime": BEGIN.0,
                "measurements": measurements})
        };
        let stream = serde_json::json!({"register": REGISTER, "kind": "KIND_INTERVAL", "unit": "kWh", "scale": 2,
            "commodity": "COMMODITY_ELECTRICITY", "flow": "FLOW_DELIVERED", "span": QUARTER.0});
        serde_json::json!({"streams": [stream], "containers": [of(&self.point, measurements), of(MARKS, vec![mark])]})
            .to_string()
    }

    /// Seconds that no other body speaks of. Counters and momentary values, whose
    /// unit a tag or a field's name says, and times in one of four precisions.
    fn lines(mut self) -> (&'static str, Vec<u8>) {
        let (format, counts) = match self.seed.below(4) {
            0 => ("line?precision=ns", 1_000),
            1 => ("line?precision=us", 1),
            2 => ("line?precision=ms", 0),
            _ => ("line?precision=s", -1),
        };
        let time = |at: Timestamp| match counts {
            -1 => at.0 / SECOND.0,
            0 => at.0 / 1_000,
            factor => at.0 * factor,
        };
        let (tag, field) = if self.seed.one_in(2) { (",unit=kWh", "total") } else { ("", "power_w") };
        let mut lines = String::new();
        for (place, (_, digits)) in (0..).zip(&self.readings) {
            let at = Timestamp(BEGIN.0 + (self.number as i64 * (NEW + 1) + place) * SECOND.0);
            let (point, value) = (self.number % POINTS, decimal(*digits));
            writeln!(lines, "home,point=L{point}{tag} {field}={value} {}", time(at)).expect("a string takes it");
        }
        let at = time(self.mark_at());
        writeln!(lines, "mark,point={MARKS},unit=kWh value=1i {at}").expect("a string takes it");
        (format, lines.into_bytes())
    }

    fn csv(&self) -> String {
        let mut rows = String::from("point,register,start,end,value,unit,changed\n");
        let mut row = |point: &str, start: Timestamp, span: Span, value: &str| {
            let (end, changed) = (start.plus(span), self.created);
            writeln!(rows, "{point},{REGISTER},{start},{end},{value},kWh,{changed}").expect("a string takes it");
        };
        for (slot, digits) in &self.readings {
            row(&self.point, Timestamp(BEGIN.0 + slot * QUARTER.0), QUARTER, &decimal(*digits));
        }
        row(MARKS, self.mark_at(), MARK, "0.01");
        rows
    }

    /// A day of one of two points, and a day of a point that is the mark.
    fn nem12(mut self) -> String {
        let day = FIRST_DAY + u32::try_from(self.number / POINTS % DAYS).expect("below 26");
        // Fourteen digits in market time, which is only ever compared with its like.
        let updated: String = self.created.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
        let mut file = String::from("100,NEM12,202504010000,TRIALS,TRIALS\n");
        let nmi = format!("NMI{:07}", self.number % 2);
        let mark = format!("{MARK_POINT}{:06}", self.number);
        for (point, most) in [(nmi, 10_000), (mark, 1)] {
            write!(file, "200,{point},{REGISTER},1,{REGISTER},N1,,kWh,30,\n300,{day}").expect("a string takes it");
            for _ in 0..HALF_HOURS {
                write!(file, ",{}", decimal(self.seed.below(most).cast_signed())).expect("a string takes it");
            }
            writeln!(file, ",A,,,{updated},").expect("a string takes it");
        }
        file.push_str("900\n");
        file
    }
}

fn decimal(digits: i64) -> String {
    Decimal::new(digits, 2).to_string()
}

fn readings(number: usize, seed: &mut Seeded) -> Vec<(i64, i64)> {
    let first = (number / POINTS) as i64 * NEW % SLOTS;
    let mut said: Vec<(i64, i64)> =
        (first..first + NEW).map(|slot| (slot, seed.below(100_000).cast_signed())).collect();
    let back = first - 1 - seed.below(4 * NEW.cast_unsigned()).cast_signed();
    if back >= 0 && seed.one_in(3) {
        said.push((back, seed.below(100_000).cast_signed()));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Heard, Oracle};
    use std::collections::BTreeSet;

    #[test]
    fn some_bodies_are_earlier_ones_again() {
        let bodies: Vec<_> = (0..200).map(|number| body(number, 1).bytes).collect();
        let different: BTreeSet<_> = bodies.iter().collect();
        assert!(different.len() < 190 && different.len() > 150, "{}", different.len());
    }

    #[test]
    fn every_form_is_read_whole_and_carries_its_mark() {
        let mut oracle = Oracle::default();
        let mut forms = BTreeSet::new();
        for number in 0..300 {
            forms.insert(form(number, 1));
            let sent = body(number, 1);
            let received_at = Timestamp(MADE.0 * 2);
            oracle.hears(&Heard { sequence: number as u64 + 1, received_at, sent: &sent });
            let counts = oracle.counts[&(number as u64 + 1)];
            assert_eq!((counts.refused, counts.events), (0, 0), "{}", String::from_utf8_lossy(&sent.bytes));
        }
        let (standing, earlier) = oracle.tables();
        let marks: BTreeSet<_> =
            standing.iter().filter_map(|version| marked(&version.key.point, version.key.start)).collect();
        assert_eq!(marks, (0..300).map(|number| said_by(number, 1)).collect());
        assert!(earlier.len() > 50, "{}", earlier.len());
        assert_eq!(forms.len(), 5);
    }
}
