//! Why a measurement or a container is refused: the code for counting, the
//! reason for a person.

use meter::Timestamp;

use super::limits::{COUNT_MAX, EARLIEST, STREAMS_MAX, TEXT_BYTES_MAX};

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the container names no point; fill in `point`")]
    NoPoint,
    #[error("the container says that devices name streams but names no device; fill in `device`")]
    NoDevice,
    #[error("the container carries no measurement")]
    NoMeasurement,
    #[error("{count} measurements in one container; at most {COUNT_MAX} are read, send several containers")]
    TooMany { count: u64 },
    #[error("stream {stream} is not among the {declared} declared; at most {STREAMS_MAX} are read")]
    Stream { stream: u64, declared: usize },
    #[error("stream {stream} names no register; fill in `register`")]
    NoRegister { stream: usize },
    #[error("stream {stream} says not whether it is interval, register or spot; fill in `kind`")]
    NoKind { stream: usize },
    #[error("{field} {code} is not known to this version of the server")]
    Code { field: &'static str, code: i64 },
    #[error("{field} is not UTF-8")]
    Utf8 { field: &'static str },
    #[error("{field} has {length} bytes; at most {TEXT_BYTES_MAX} are kept")]
    TooLong { field: &'static str, length: usize },
    #[error("the measurement carries no value; fill in `digits` or `number`")]
    NoValue,
    #[error("the value is not a finite number")]
    NotFinite,
    #[error("the value {number:e} has more digits than fit (18 after the point, 19 in all)")]
    Digits { number: f64 },
    #[error("scale {scale} is above 18")]
    Scale { scale: u64 },
    #[error("an interval of {span_us} microseconds; it must be longer than nothing and end before 2200")]
    IntervalSpan { span_us: i64 },
    #[error("a span of {span_us} microseconds on a {kind} value, which has none; send an average as an interval")]
    InstantSpan { span_us: i64, kind: meter::Kind },
    #[error("flags {flags} are not a sum of the source's flags, 1 to 128")]
    Flags { flags: u64 },
    #[error("{field} {at_us} us after 1970 lies outside the years 1900 to 2200")]
    Time { field: &'static str, at_us: i128 },
    #[error("{field} {at} is before {EARLIEST}: the sender's clock was not set")]
    UnsetClock { field: &'static str, at: Timestamp },
    #[error("{field} {at} is after {newest}, when the body came in plus five minutes: the sender's clock is ahead")]
    Future { field: &'static str, at: Timestamp, newest: Timestamp },
    #[error("another value for the same register, start and message time stands at byte {first}, which was kept")]
    DuplicateKey { first: usize },
}

impl Fault {
    /// Stable: counted, searched for, and listed in the reference.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Fault::NoPoint => "protobuf.no_point",
            Fault::NoDevice => "protobuf.no_device",
            Fault::NoMeasurement => "protobuf.no_measurement",
            Fault::TooMany { .. } => "protobuf.too_many",
            Fault::Stream { .. } => "protobuf.stream",
            Fault::NoRegister { .. } => "protobuf.no_register",
            Fault::NoKind { .. } => "protobuf.no_kind",
            Fault::Code { .. } => "protobuf.code",
            Fault::Utf8 { .. } => "protobuf.utf8",
            Fault::TooLong { .. } => "protobuf.too_long",
            Fault::NoValue => "protobuf.no_value",
            Fault::NotFinite => "protobuf.not_finite",
            Fault::Digits { .. } => "protobuf.digits",
            Fault::Scale { .. } => "protobuf.scale",
            Fault::IntervalSpan { .. } | Fault::InstantSpan { .. } => "protobuf.span",
            Fault::Flags { .. } => "protobuf.flags",
            Fault::Time { .. } => "protobuf.time",
            Fault::UnsetClock { .. } => "time.unset_clock",
            Fault::Future { .. } => "time.future",
            Fault::DuplicateKey { .. } => "protobuf.duplicate_key",
        }
    }
}
