//! The door to `benches/peers`: ours and what people would use instead, on the same data,
//! and under the same kills and power cuts.
//!
//! Promise: the server that runs in the race is built of what lies here.

use std::process::Command;

use anyhow::Context;

const HARNESS: &str = "benches/peers";

/// Builds ours and hands everything else to the harness; true if all ran and told the truth.
pub fn run(given: &[String]) -> anyhow::Result<bool> {
    let built = std::path::absolute(crate::tools::built("loadgen")?)?;
    let mut harness = Command::new("python3");
    harness.arg(HARNESS).args(given).env("METERHOUSE_PEERS_BUILT", built).current_dir(crate::tidy::root()?);
    let status = harness.status().context("python3 does not start")?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_untrue_ratio_is_told_and_no_loss_is_missed() {
        let folder = crate::tidy::root().expect("the house has a root").join(HARNESS);
        let tested = Command::new("python3").args(["-B", "-m", "unittest", "-q"]).current_dir(folder).output();
        let Ok(tested) = tested else {
            println!("left out: there is no python3");
            return;
        };
        assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    }
}
