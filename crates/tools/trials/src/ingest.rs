//! Senders over HTTP, and what they know when the server dies under them.
//!
//! Promise: a body is a pure function of its number; each says something new,
//! many correct what an earlier one said, and one reading in each is its own
//! mark, so that whether it came in can be seen in the lake.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use host::Seeded;
use journal::Door;
use meter::{Commodity, Flow, Kind, Span, TenantId, Timestamp};
use parse::protobuf::{Container, Measurement, Stream, Value, Writer};

use crate::script::Sent;
use crate::server;

/// 2025-03-01T00:00:00Z: all readings lie in one month, so that files meet.
const BEGIN: Timestamp = Timestamp(1_740_787_200_000_000);
/// 2025-04-01T00:00:00Z: bodies are made from here on, a millisecond apart.
const MADE: Timestamp = Timestamp(1_743_465_600_000_000);
const QUARTER: Span = Span::from_minutes(15);
/// Few points, so that bodies often speak of the same one.
const POINTS: usize = 8;
/// New readings in a body.
const NEW: i64 = 6;
/// Slots of a month; later bodies begin again and thereby correct.
const SLOTS: i64 = 2_880;
/// Marks are readings of this point, one for each body.
pub const MARKS: &str = "marks";
/// Marks last a millisecond and touch each other, so that none looks stored before.
const MARK: Span = Span(1_000);
const REGISTER: &str = "E1";
/// Between two bodies of one sender: the trial is of crashes, not of load.
const PAUSE: Duration = Duration::from_millis(25);

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

/// The number of the body whose mark starts then.
pub fn marked(start: Timestamp) -> Option<usize> {
    usize::try_from((start.0 - BEGIN.0) / MARK.0).ok()
}

/// The body of this number; other salts make other bodies.
pub fn body(number: usize, salt: u64) -> Sent {
    let number = said_by(number, salt);
    let mut seed = Seeded::new(salt.wrapping_add(number as u64));
    let measurements = measurements(number, &mut seed);
    let at = Span(number as i64 * MARK.0);
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
    // A third of the bodies say that they are older than those before them.
    let age = if seed.one_in(3) { seed.below(30_000).cast_signed() * 1_000 } else { 0 };
    let created = Timestamp(MADE.0 + number as i64 * 1_000 - age);
    let point = format!("P{}", number % POINTS);
    let of = |point, measurements| Container {
        point,
        device: "",
        created_at: Some(created),
        base_time: Some(BEGIN),
        measurements,
        ..Container::default()
    };
    writer.container(&of(&point, &measurements));
    writer.container(&of(MARKS, &mark));
    let bytes = writer.into_body().into();
    Sent { tenant: TenantId(1), door: Door::Http, format: "protobuf", object: "", bytes, archived: false }
}

fn measurements(number: usize, seed: &mut Seeded) -> Vec<Measurement<'static>> {
    let first = (number / POINTS) as i64 * NEW % SLOTS;
    let at = |slot: i64, seed: &mut Seeded| Measurement {
        at: Span(slot * QUARTER.0),
        value: Some(Value::Digits(seed.below(100_000).cast_signed())),
        ..Measurement::default()
    };
    let mut measurements: Vec<_> = (first..first + NEW).map(|slot| at(slot, seed)).collect();
    let back = first - 1 - seed.below(4 * NEW.cast_unsigned()).cast_signed();
    if back >= 0 && seed.one_in(3) {
        measurements.push(at(back, seed));
    }
    measurements
}

/// What the senders know.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Sequence to the number of the body.
    pub acknowledged: BTreeMap<u64, usize>,
    /// Sent, and not answered.
    pub unanswered: BTreeSet<usize>,
    /// To be sent once more.
    again: Vec<usize>,
    next: usize,
    /// Two bodies were given one number: that must not be.
    pub broken: Option<String>,
    /// Answers other than an acknowledgement, by what they said.
    pub refusals: BTreeMap<String, u64>,
}

/// Threads that post bodies to whichever server there is.
pub struct Senders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    address: Mutex<Option<SocketAddr>>,
    token: String,
    salt: u64,
    ledger: Mutex<Ledger>,
    in_flight: AtomicUsize,
    over: AtomicBool,
}

impl Senders {
    pub fn start(count: usize, token: String, salt: u64) -> Senders {
        let shared = Arc::new(Shared {
            address: Mutex::new(None),
            token,
            salt,
            ledger: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let threads =
            (0..count).map(|_| shared.clone()).map(|shared| std::thread::spawn(move || shared.run())).collect();
        Senders { shared, threads }
    }

    /// From now on bodies go there, or nowhere.
    pub fn talk_to(&self, address: Option<SocketAddr>) {
        *self.shared.address.lock().expect("no holder of this lock panics") = address;
    }

    /// Requests without an answer yet.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Waits until nobody waits for an answer. Nowhere to send must be set before.
    pub fn quiet(&self) {
        while self.in_flight() > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The end: what they know.
    pub fn finish(self) -> Ledger {
        self.shared.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a sender does not panic");
        }
        std::mem::take(&mut *self.shared.ledger.lock().expect("no holder of this lock panics"))
    }
}

impl Shared {
    fn run(&self) {
        while !self.over.load(Ordering::SeqCst) {
            let address = *self.address.lock().expect("no holder of this lock panics");
            let Some(address) = address else {
                std::thread::sleep(PAUSE);
                continue;
            };
            let number = self.take();
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            let answer = server::post(address, &self.token, &body(number, self.salt).bytes);
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.note(number, answer);
            std::thread::sleep(PAUSE);
        }
    }

    fn take(&self) -> usize {
        let mut ledger = self.ledger.lock().expect("no holder of this lock panics");
        let number = ledger.again.pop().unwrap_or_else(|| {
            ledger.next += 1;
            ledger.next - 1
        });
        // Until answered, it may be there or not.
        ledger.unanswered.insert(number);
        number
    }

    fn note(&self, number: usize, answer: anyhow::Result<u64>) {
        let mut ledger = self.ledger.lock().expect("no holder of this lock panics");
        match answer {
            Ok(sequence) => {
                if let Some(other) = ledger.acknowledged.insert(sequence, number) {
                    ledger.broken = Some(format!("bodies {other} and {number} were both acknowledged as {sequence}"));
                }
                ledger.unanswered.remove(&number);
            }
            Err(error) => {
                if error.to_string().starts_with("HTTP/1.1") {
                    *ledger.refusals.entry(error.to_string()).or_default() += 1;
                }
                // Every other one is sent again; the rest stays in doubt.
                if number.is_multiple_of(2) {
                    ledger.again.push(number);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_bodies_are_earlier_ones_again() {
        let bodies: Vec<_> = (0..200).map(|number| body(number, 1).bytes).collect();
        let different: BTreeSet<_> = bodies.iter().collect();
        assert!(different.len() < 190 && different.len() > 150, "{}", different.len());
    }
}
