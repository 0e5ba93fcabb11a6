//! Why a value is refused: what JSON can get wrong and protobuf cannot.

use meter::DecimalError;

use super::check::shown;
use super::scan::{Text, Value};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum What {
    #[error("{found} where {expected} is expected")]
    Type { found: &'static str, expected: &'static str },
    #[error("{key:?} is no field of a {message}; {known} are")]
    Unknown { key: String, message: String, known: String },
    #[error("it stands there twice")]
    Twice,
    #[error("{shown} is no whole number from {least} to {most}")]
    Whole { shown: String, least: i64, most: i64 },
    #[error("{shown:?} is not a number")]
    NotANumber { shown: String },
    #[error("the value is not a finite number")]
    NotFinite,
    #[error("{shown} has more digits than fit (18 after the point, 19 in all)")]
    Digits { shown: String },
    #[error("digits and number are both there; send one of them")]
    Both,
    #[error("{shown:?} is no time such as 2026-05-03T03:10:00Z between 1900 and 2200, nor microseconds")]
    Time { shown: String },
    #[error("{shown:?} is none of {known}")]
    Name { shown: String, known: String },
}

/// What is wrong, and with which field of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    /// Empty where it is about the object itself.
    pub(super) field: &'static str,
    pub(super) what: What,
}

impl What {
    pub(super) fn wrong_type(value: Value<'_>, expected: &'static str) -> What {
        What::Type { found: value.kind(), expected }
    }

    pub(super) fn not_a_decimal(error: &DecimalError, spelled: &[u8]) -> What {
        let shown = shown(Text(spelled));
        match error {
            DecimalError::NotANumber(_) => What::NotANumber { shown },
            DecimalError::NotFinite => What::NotFinite,
            DecimalError::TooManyDigits(_) => What::Digits { shown },
        }
    }

    /// Stable: counted, searched for, and listed in the reference.
    pub(super) fn code(&self) -> &'static str {
        match self {
            What::Type { .. } => "json.type",
            What::Unknown { .. } => "json.unknown_field",
            What::Twice => "json.repeated_field",
            What::Whole { .. } | What::NotANumber { .. } => "json.number",
            What::NotFinite => "json.not_finite",
            What::Digits { .. } => "json.digits",
            What::Both => "json.both_values",
            What::Time { .. } => "json.time",
            What::Name { .. } => "json.code",
        }
    }
}

impl Fault {
    /// Behind the object's own path: `.unit: it stands there twice`.
    pub(super) fn sentence(&self) -> String {
        let dot = if self.field.is_empty() { "" } else { "." };
        format!("{dot}{}: {}", self.field, self.what)
    }
}
