//! The registry's contract, its crashes, and its scrub.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use host::{ManualClock, SeededEntropy};
use proptest::prelude::*;

use super::*;
use crate::{Authenticator, Scope, Scopes, issue};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn damage_of(dir: &Path) -> Vec<String> {
    Sqlite::scrub_closed(dir).expect("scrubs").into_iter().map(|damage| damage.path).collect()
}

/// A registry with something in every table, closed.
fn filled(dir: &Path) {
    let registry = Sqlite::open(dir).expect("opens");
    registry.add_tenant("north").expect("adds");
    let (entropy, clock) = (SeededEntropy::new(1), ManualClock::new(Timestamp(5)));
    for label in ["one", "two"] {
        issue(&registry, &entropy, &clock, TenantId(1), Scopes::of(&[Scope::Read]), label).expect("issues");
    }
    registry.lease_blocks(10).expect("leases");
}

#[test]
fn sqlite_keeps_the_contract() {
    let dir = home();
    crate::contract::check(&mut || Box::new(Sqlite::open(dir.path()).expect("opens")));
    assert_eq!(damage_of(dir.path()), [""; 0]);
}

#[test]
fn every_flipped_byte_of_a_closed_registry_is_found_and_named() {
    let dir = home();
    filled(dir.path());
    // Opening a directory syncs it, so one disk serves all the scrubs.
    let disk = RealDisk::open(dir.path()).expect("opens");
    let mut flips = 0;
    for name in [FILE_NAME, sum::SUM_NAME] {
        let path = dir.path().join(name);
        let file = fs::File::options().write(true).open(&path).expect("opens");
        for (at, good) in fs::read(&path).expect("reads").into_iter().enumerate() {
            file.write_all_at(&[good ^ (1 << (at % 8))], at as u64).expect("writes");
            let found = rest::scrub(&path, &disk).expect("scrubs");
            assert!(found.len() == 1 && found[0].path == name, "byte {at} of {name}: {found:?}");
            file.write_all_at(&[good], at as u64).expect("writes");
            flips += 1;
        }
    }
    assert!(flips > 20_000, "{flips} bytes are not a registry");
    assert_eq!(damage_of(dir.path()), [""; 0]);
}

#[test]
fn a_damaged_registry_is_refused_with_what_to_do() {
    let dir = home();
    filled(dir.path());
    for name in [FILE_NAME, sum::SUM_NAME] {
        let path = dir.path().join(name);
        let good = fs::read(&path).expect("reads");
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).expect("writes");
            let error = Sqlite::open(dir.path()).err().expect("refused");
            assert_eq!(error.kind(), host::Kind::Corrupt, "byte {at} of {name}: {error}");
            assert!(error.to_string().contains("from a backup"), "{error}");
            assert_eq!(fs::read(&path).expect("reads"), bad, "a refused file is left alone");
        }
        fs::write(&path, &good).expect("writes");
    }
    Sqlite::open(dir.path()).expect("opens again");
}

#[test]
fn a_lost_file_is_never_made_anew() {
    for lost in [FILE_NAME, sum::SUM_NAME] {
        let dir = home();
        filled(dir.path());
        fs::remove_file(dir.path().join(lost)).expect("removes");
        assert!(matches!(Sqlite::open(dir.path()), Err(Error::Damaged { .. })), "{lost}");
        assert_eq!(damage_of(dir.path()), [lost]);
        assert!(!dir.path().join(lost).exists());
    }
}

#[test]
fn an_older_copy_of_the_file_alone_is_refused() {
    let dir = home();
    filled(dir.path());
    let older = fs::read(dir.path().join(FILE_NAME)).expect("reads");
    Sqlite::open(dir.path()).expect("opens").lease_blocks(10).expect("leases");
    fs::write(dir.path().join(FILE_NAME), older).expect("writes");
    assert!(matches!(Sqlite::open(dir.path()), Err(Error::Damaged { .. })));
}

/// As the version before this one left it.
fn of_format_one(dir: &Path) {
    filled(dir);
    let registry = Sqlite::open(dir).expect("opens");
    let back = "drop table profiles; pragma user_version = 1";
    registry.change(|change| Ok(change.execute_batch(back)?)).expect("changes");
}

#[test]
fn a_registry_of_the_format_before_goes_on_with_all_it_has() {
    let dir = home();
    of_format_one(dir.path());
    for _ in 0..2 {
        let registry = Sqlite::open(dir.path()).expect("opens");
        assert_eq!(registry.tokens(Which::All).expect("lists").len(), 2);
        assert_eq!(
            registry.lease_blocks(1).expect("leases").start,
            11 + i64::from(!registry.profiles(TenantId(1)).expect("lists").is_empty())
        );
        let (tenant, added) = (TenantId(1), Timestamp(7));
        registry.add_profile(&NewProfile { tenant, name: "acme", toml: "x", added, by: None }).expect("adds");
        drop(registry);
        assert_eq!(damage_of(dir.path()), [""; 0]);
    }
    // A flip before the upgrade is found, and not carried over.
    let dir = home();
    of_format_one(dir.path());
    let path = dir.path().join(FILE_NAME);
    let mut bad = fs::read(&path).expect("reads");
    let last = bad.len() - 1;
    bad[last] ^= 1;
    fs::write(&path, &bad).expect("writes");
    assert!(matches!(Sqlite::open(dir.path()), Err(Error::Damaged { .. })));
}

#[test]
fn an_upgrade_that_a_crash_cuts_off_is_done_at_the_next_start() {
    let dir = home();
    of_format_one(dir.path());
    let disk = RealDisk::open(dir.path()).expect("opens");
    let Ok(State::Clean(sum)) = State::read(&disk) else { panic!("left clean") };
    State::Changing(Some(sum)).write(&disk).expect("writes");
    let registry = Sqlite::open(dir.path()).expect("opens");
    assert_eq!(registry.profiles(TenantId(1)).expect("lists"), []);
    drop(registry);
    assert_eq!(damage_of(dir.path()), [""; 0]);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = home();
    let registry = Sqlite::open(dir.path()).expect("opens");
    registry.change(|change| Ok(change.pragma_update(None, "user_version", 7)?)).expect("changes");
    drop(registry);
    let before = fs::read(dir.path().join(FILE_NAME)).expect("reads");
    let error = Sqlite::open(dir.path()).err().expect("refused");
    assert!(matches!(error, Error::Newer { found: 7, known: 2, .. }), "{error}");
    assert!(error.to_string().contains("use the newer program"));
    assert_eq!(fs::read(dir.path().join(FILE_NAME)).expect("reads"), before);
}

/// Where a crash can fall between the steps of a change.
#[derive(Clone, Copy, Debug)]
enum Crash {
    BeforeCommit,
    InCommit,
    BeforeSum,
}

/// Leaves the directory as a process that died there would have.
fn crash(dir: &Path, at: Crash) {
    let registry = Sqlite::open(dir).expect("opens");
    let inner = registry.idle();
    State::Changing(Some(inner.sum.clone())).write(&registry.disk).expect("writes");
    let lease = "update leases set next = next + 100";
    match at {
        Crash::BeforeCommit => {}
        Crash::InCommit => {
            // A cache of one page makes SQLite write into the file before the commit.
            inner.connection.execute_batch("pragma cache_size = 1; begin immediate").expect("begins");
            inner.connection.execute(lease, []).expect("updates");
            for at in 0..500 {
                inner.connection.execute("insert into tenants (name) values (?1)", [format!("t{at}")]).expect("adds");
            }
            let names = [FILE_NAME, "registry.sqlite-journal"];
            let torn = names.map(|name| fs::read(dir.join(name)).expect("reads"));
            inner.connection.execute_batch("rollback").expect("rolls back");
            drop(inner);
            drop(registry);
            for (name, bytes) in names.iter().zip(torn) {
                fs::write(dir.join(name), bytes).expect("writes");
            }
        }
        Crash::BeforeSum => {
            inner.connection.execute(lease, []).expect("updates");
        }
    }
}

#[test]
fn a_crash_anywhere_in_a_change_keeps_all_of_it_or_none() {
    for (at, next) in [(Crash::BeforeCommit, 11), (Crash::InCommit, 11), (Crash::BeforeSum, 111)] {
        let dir = home();
        filled(dir.path());
        crash(dir.path(), at);
        assert_eq!(damage_of(dir.path()), [sum::SUM_NAME], "{at:?}");
        let registry = Sqlite::open(dir.path()).expect("recovers");
        assert_eq!(registry.scrub().expect("scrubs"), []);
        assert_eq!(registry.lease_blocks(1).expect("leases"), next..next + 1, "{at:?}");
        assert_eq!(registry.tenants().expect("lists").len(), 2);
    }
}

#[test]
fn a_crash_while_the_registry_is_made_is_made_good() {
    let dir = home();
    State::Changing(None).write(&RealDisk::open(dir.path()).expect("opens")).expect("writes");
    assert_eq!(Sqlite::open(dir.path()).expect("opens").lease_blocks(1).expect("leases"), 1..2);
    let half_made = home();
    State::Changing(None).write(&RealDisk::open(half_made.path()).expect("opens")).expect("writes");
    fs::write(half_made.path().join(FILE_NAME), b"").expect("writes");
    assert_eq!(Sqlite::open(half_made.path()).expect("opens").lease_blocks(1).expect("leases"), 1..2);
}

/// Set in a child process: lease in this directory until killed.
const LEASE_IN: &str = "METERHOUSE_TEST_LEASE_IN";

#[test]
fn a_killed_process_never_leads_to_a_block_leased_twice() {
    const ROUNDS: u32 = 12;
    if let Ok(dir) = std::env::var(LEASE_IN) {
        let registry = Sqlite::open(Path::new(&dir)).expect("opens");
        loop {
            let lease = registry.lease_blocks(3).expect("leases");
            println!("lease {} {}", lease.start, lease.end);
        }
    }
    let dir = home();
    let mut end = 1;
    for round in 0..ROUNDS {
        let this = std::env::current_exe().expect("this test");
        let name = "sqlite::tests::a_killed_process_never_leads_to_a_block_leased_twice";
        let mut child = Command::new(this)
            .args(["--exact", "--nocapture", name])
            .env(LEASE_IN, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        for _ in 0..=round * 3 {
            check_lease(&lines.next().expect("leases go on").expect("text"), &mut end);
        }
        child.kill().expect("kills");
        child.wait().expect("ends");
        for line in lines.map_while(std::io::Result::ok) {
            check_lease(&line, &mut end);
        }
        let next = Sqlite::open(dir.path()).expect("recovers").lease_blocks(1).expect("leases");
        assert!(next.start >= end, "{next:?} was leased before {end}");
        end = next.end;
        assert_eq!(damage_of(dir.path()), [""; 0]);
    }
    assert!(end > 100);
}

/// Lines of the test runner itself are passed over; a cut line is no lease anyone got.
fn check_lease(line: &str, end: &mut i64) {
    let Some((_, words)) = line.split_once("lease ") else { return };
    let mut numbers = words.split(' ').map(|word| word.parse::<i64>());
    if let (Some(Ok(start)), Some(Ok(next))) = (numbers.next(), numbers.next()) {
        assert!(start >= *end, "block {start} was leased before {end}");
        *end = next;
    }
}

#[test]
fn a_registry_that_cannot_write_stops_until_it_is_opened_again() {
    let dir = home();
    let registry = Sqlite::open(dir.path()).expect("opens");
    registry.lease_blocks(5).expect("leases");
    let aside = dir.path().with_extension("aside");
    fs::rename(dir.path(), &aside).expect("renames");
    assert!(matches!(registry.lease_blocks(5), Err(Error::Stopped { .. })));
    fs::rename(&aside, dir.path()).expect("renames");
    let error = registry.lease_blocks(5).expect_err("stays stopped");
    assert!(matches!(error, Error::Stopped { .. }) && error.to_string().contains("restart"), "{error}");
    drop(registry);
    assert_eq!(Sqlite::open(dir.path()).expect("opens").lease_blocks(1).expect("leases"), 6..7);
}

#[test]
fn a_token_is_found_without_looking_at_the_others() {
    let dir = home();
    let registry = Sqlite::open(dir.path()).expect("opens");
    let explain = "explain query plan select id from tokens where substr(hash, 1, 8) = x'00'";
    let plan: String =
        registry.look(|connection| connection.query_row(explain, [], |row| row.get(3))).expect("explains");
    assert!(plan.contains("tokens_by_hash"), "{plan}");
}

#[test]
fn only_the_hash_of_a_token_is_stored() {
    let dir = home();
    let registry = Sqlite::open(dir.path()).expect("opens");
    let (entropy, clock) = (SeededEntropy::new(4), ManualClock::new(Timestamp(5)));
    let issued = issue(&registry, &entropy, &clock, TenantId(1), Scopes::of(&[Scope::Read]), "").expect("issues");
    let bytes = fs::read(dir.path().join(FILE_NAME)).expect("reads");
    let secret = issued.text.reveal().strip_prefix("mh_").expect("a token").to_owned();
    for part in [secret.as_bytes(), &secret.as_bytes()[..16]] {
        assert!(!bytes.windows(part.len()).any(|window| window == part));
    }
    assert!(bytes.windows(32).any(|window| window == issued.text.hash().0));
}

#[test]
fn a_revoked_token_stops_working_at_once_here_and_soon_elsewhere() {
    let dir = home();
    let registry = Arc::new(Sqlite::open(dir.path()).expect("opens"));
    let clock = Arc::new(ManualClock::new(Timestamp(5)));
    let issued = issue(&*registry, &SeededEntropy::new(4), &*clock, TenantId(1), Scopes::of(&[Scope::Write]), "")
        .expect("issues");
    let header = format!("Bearer {}", issued.text.reveal());
    let [here, elsewhere] = [0, 1].map(|_| Authenticator::new(registry.clone(), clock.clone()));
    for authenticator in [&here, &elsewhere] {
        assert!(authenticator.cached(Some(&header), Scope::Write).is_none());
        let principal = authenticator.authenticate(Some(&header), Scope::Write).expect("comes in");
        assert_eq!(principal.tenant, TenantId(1));
        assert!(matches!(authenticator.authenticate(Some(&header), Scope::Read), Err(Error::TokenScope { .. })));
        assert!(matches!(authenticator.cached(Some(&header), Scope::Write), Some(Ok(_))));
    }
    here.revoke(issued.token.id).expect("revokes");
    assert!(matches!(here.authenticate(Some(&header), Scope::Write), Err(Error::TokenUnknown)));
    clock.advance(std::time::Duration::from_secs(9));
    assert!(elsewhere.authenticate(Some(&header), Scope::Write).is_ok());
    clock.advance(std::time::Duration::from_secs(2));
    assert!(matches!(elsewhere.authenticate(Some(&header), Scope::Write), Err(Error::TokenUnknown)));
}

#[test]
fn strangers_are_told_apart_from_those_who_say_nothing() {
    let dir = home();
    let registry = Arc::new(Sqlite::open(dir.path()).expect("opens"));
    let authenticator = Authenticator::new(registry, Arc::new(ManualClock::new(Timestamp(5))));
    for header in [None, Some(""), Some("Bearer"), Some("Bearer mh_x"), Some("Basic Zm9vOmJhcg==")] {
        assert!(matches!(authenticator.authenticate(header, Scope::Read), Err(Error::TokenMissing)), "{header:?}");
    }
    let unknown = format!("Bearer mh_{}", "0".repeat(64));
    assert!(matches!(authenticator.authenticate(Some(&unknown), Scope::Read), Err(Error::TokenUnknown)));
}

#[derive(Clone, Debug)]
enum Step {
    Lease(u32),
    AddTenant(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![(1_u32..50).prop_map(Step::Lease), (0_u8..6).prop_map(Step::AddTenant), Just(Step::Reopen)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_history_agrees_with_a_plain_model(steps in proptest::collection::vec(step(), 1..12)) {
        let dir = home();
        let mut registry = Sqlite::open(dir.path()).expect("opens");
        let (mut next, mut names) = (1, vec!["home".to_owned()]);
        for step in steps {
            match step {
                Step::Lease(count) => {
                    prop_assert_eq!(registry.lease_blocks(count).expect("leases"), next..next + i64::from(count));
                    next += i64::from(count);
                }
                Step::AddTenant(number) => {
                    let name = format!("t{number}");
                    prop_assert_eq!(registry.add_tenant(&name).is_ok(), !names.contains(&name));
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                Step::Reopen => {
                    drop(registry);
                    registry = Sqlite::open(dir.path()).expect("opens");
                }
            }
            prop_assert_eq!(registry.scrub().expect("scrubs"), []);
        }
        let found: Vec<String> = registry.tenants().expect("lists").into_iter().map(|tenant| tenant.name).collect();
        prop_assert_eq!(found, names);
    }
}
