//! The short forms of all trials, and the planted mistakes they must notice.
//! The long ones: `cargo run --release -p trials -- --help`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use trials::hardships::{self, Hardship};
use trials::phases::Machine;
use trials::simulated::{Plan, Planted, Report};
use trials::{backups, flips, killing, server, simulated, stale};

const SEED: u64 = 1;

/// Tests of the whole workspace have built it; those of this crate alone may not
/// have. The selection is that of the whole, so that nothing else is built anew.
fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--workspace", "--bin", "meterhouse"]);
        command.args((!cfg!(debug_assertions)).then_some("--release"));
        assert!(command.status().expect("cargo is there").success(), "meterhouse does not build");
        server::beside_us().expect("just built")
    };
    BUILT.get_or_init(|| server::beside_us().unwrap_or_else(|_| build())).clone()
}

fn simulate(plan: &Plan) -> Report {
    let report = simulated::run(plan, &mut |_| ());
    println!("{report}");
    report.failures.iter().take(3).for_each(|failure| println!("{failure}"));
    report
}

/// The first complaint about a mistake on purpose, looked for inside one machine.
fn caught(planted: Planted, step: &str, inside: Machine) -> String {
    let plan = Plan {
        stride: 5,
        survivals: vec![0],
        again_every: u64::MAX,
        only: Some(step.to_owned()),
        inside: Some(inside),
        stop_at_first: true,
        planted,
        ..Plan::new(SEED, true)
    };
    let report = simulate(&plan);
    report.failures.first().expect("the mistake is noticed").what.clone()
}

#[test]
fn a_power_loss_at_any_operation_loses_and_doubles_nothing() {
    let report = simulate(&Plan::new(SEED, true));
    assert!(report.failures.is_empty());
    assert!(report.boundaries.len() >= 3);
}

#[test]
fn a_journal_that_skips_a_sync_is_caught() {
    let complaint = caught(Planted::SkippedSync("journal/"), "first", Machine::Commit);
    assert!(complaint.contains("journal") || complaint.contains("acknowledged"), "{complaint}");
}

#[test]
fn a_data_file_that_is_never_synced_is_caught() {
    let complaint = caught(Planted::SkippedSync("/.part."), "corrected", Machine::Fold);
    assert!(complaint.contains("parquet"), "{complaint}");
}

#[test]
fn an_overlay_cleared_before_its_history_is_written_is_caught() {
    let complaint = caught(Planted::OverlayClearedFirst, "corrected", Machine::Fold);
    // Gone for good, or judged anew from the journal and counted twice.
    assert!(complaint.contains("versions") || complaint.contains("sources say"), "{complaint}");
}

#[test]
fn a_position_that_is_not_read_again_is_caught() {
    assert_eq!(stale::run(false).expect("runs"), Ok(()));
    let complaint = stale::run(true).expect("runs").expect_err("rows are there twice");
    assert!(complaint.contains("twice"), "{complaint}");
}

#[test]
fn killed_while_it_works_the_server_keeps_what_it_acknowledged() {
    let plan = killing::Plan { binary: binary(), seed: SEED, kills_per_phase: 1, cpu_minutes: 0.0 };
    let report = killing::run(&plan, &mut |_| ()).expect("runs");
    println!("{report}");
    assert_eq!(report.failures, Vec::<String>::new());
}

#[test]
fn a_backup_killed_while_it_is_taken_is_whole_or_refused_and_never_short() {
    let plan = backups::Plan { binary: binary(), seed: SEED, times: 3 };
    let report = backups::run(&plan, &mut |_| ()).expect("runs");
    println!("{report}");
    assert_eq!(report.failures, Vec::<String>::new());
    // From the second on one stands that nobody disturbed, or a later one.
    assert!(report.whole >= 2 && report.whole + report.refused == 3);
}

/// The real binary, struck a few times.
fn struck(hardship: Hardship) -> anyhow::Result<()> {
    let plan = hardships::Plan { binary: binary(), seed: SEED, hardship, times: 3 };
    let report = hardships::run(&plan, &mut |_| ())?;
    println!("{report}");
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.acknowledged > 0);
    Ok(())
}

#[test]
fn a_file_system_that_loses_what_was_not_synced_loses_nothing_acknowledged() {
    if let Err(error) = struck(Hardship::PowerCut) {
        // Whoever may not mount has no file system to cut.
        assert!(format!("{error:#}").contains("takes the right to mount"), "{error:#}");
        println!("not tried here: {error:#}");
    }
}

#[test]
fn a_process_that_stood_still_goes_on() {
    struck(Hardship::Standstill).expect("runs");
}

#[test]
fn a_clock_that_jumps_loses_and_doubles_nothing() {
    struck(Hardship::ClockJump).expect("runs");
}

#[test]
fn a_server_that_is_refused_memory_keeps_what_it_acknowledged() {
    struck(Hardship::ShortMemory).expect("runs");
}

#[test]
fn a_flipped_byte_in_any_kind_of_file_is_found_and_named() {
    let plan = flips::Plan { binary: binary(), seed: SEED, random: 0, short: true };
    let report = flips::run(&plan, &mut |_| ()).expect("runs");
    println!("{report}");
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.kinds.len() > 20);
}
