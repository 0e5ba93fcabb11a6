//! Tables, as each built-in profile reads them and as one of somebody's own does.

use std::sync::LazyLock;

use parse::Format;
use parse::csv::{self, Mapping};

use crate::parsers::read;
use crate::{Met, met};

/// Stands between a profile and the table it is for.
pub(crate) const BETWEEN: &[u8] = b"\n---\n";

static BUILT_IN: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let known = |name: String| Format::from_name(&name).expect("a profile of ours");
    csv::names().into_iter().map(known).collect()
});

/// A table, read by every built-in profile.
pub fn built_in(data: &[u8]) -> Met {
    BUILT_IN.iter().fold(0, |all, format| all.rotate_left(7) ^ read(format, data))
}

/// A profile alone: what is wrong with it is said in a sentence, the same each time.
pub fn profile(data: &[u8]) -> Met {
    let text = String::from_utf8_lossy(data);
    let checked = || Mapping::own("csv/own", &text).map(|mapping| Format::Csv(mapping).name().to_owned());
    let told = checked();
    assert_eq!(told, checked(), "checked twice");
    match told {
        Ok(name) => met(name),
        Err(error) => {
            let sentence = error.to_string();
            assert!(sentence.len() <= 2_048, "{} bytes say what is wrong", sentence.len());
            met(sentence.chars().filter(char::is_ascii_alphabetic).take(60).collect::<String>())
        }
    }
}

/// A profile, and a table read by it.
pub fn own(data: &[u8]) -> Met {
    let at = data.windows(BETWEEN.len()).position(|window| window == BETWEEN).unwrap_or(data.len());
    let (toml, body) = (String::from_utf8_lossy(&data[..at]), data.get(at + BETWEEN.len()..).unwrap_or_default());
    match Mapping::own("csv/own", &toml) {
        Ok(mapping) => read(&Format::Csv(mapping), body),
        Err(_) => profile(&data[..at]),
    }
}
