//! The price sheet: `prices.toml`, or a person's own.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::exit::Usage;

const DEFAULT: &str = include_str!("prices.toml");

/// In hundredths of a euro.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// When they were asked for.
    pub date: String,
    pub core_month_cents: u32,
    pub memory_gib_month_cents: u32,
    pub disk_gib_month_cents: u32,
    pub backup_gib_month_cents: u32,
}

/// Those of a file, or the example that comes with the program.
pub fn load(file: Option<&Path>) -> anyhow::Result<Prices> {
    let Some(path) = file else { return Ok(example()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("price sheet {}", path.display()))?;
    Ok(toml::from_str(&text).map_err(|error| Usage(format!("price sheet {}: {error}", path.display())))?)
}

pub fn example() -> Prices {
    toml::from_str(DEFAULT).expect("prices.toml is part of the binary and tested")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_complete_and_a_price_that_is_missing_or_misspelt_is_refused() {
        assert!(!example().date.is_empty());
        let dir = tempfile::tempdir().expect("a temp directory");
        let file = dir.path().join("prices.toml");
        for text in [&DEFAULT.replace("core_month", "cores_month"), "date = \"x\"", "core_month_cents = -1"] {
            std::fs::write(&file, text).expect("written");
            let error = load(Some(&file)).expect_err("wrong");
            assert!(error.to_string().contains("prices.toml"), "{error}");
        }
        std::fs::write(&file, DEFAULT).expect("written");
        assert_eq!(load(Some(&file)).expect("read"), example());
    }
}
