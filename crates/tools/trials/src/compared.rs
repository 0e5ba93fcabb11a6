//! What a killed server has stored, held against what its senders know.
//!
//! Promise: whatever was acknowledged is there; every reading of every body that
//! is there stands or is an earlier version as the oracle says, once; the house's
//! own counts say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use meter::{Decimal, Timestamp};

use crate::bodies;
use crate::doors::{self, Door};
use crate::ingest::Ledger;
use crate::oracle::{Heard, Oracle, Version};
use crate::server::Binary;

/// How much was compared.
pub struct Compared {
    /// Standing.
    pub readings: u64,
    /// Earlier versions.
    pub earlier: u64,
}

/// A record of the journal as `sources` tells of it.
struct Source {
    object: String,
    message_id: String,
}

/// Verifies the directory and compares it, and the inbox, with what the senders know.
pub fn compare(binary: &Binary, inbox: &Path, salt: u64, ledger: &Ledger) -> anyhow::Result<Compared> {
    put_away(inbox, ledger)?;
    stored(binary, salt, ledger)
}

/// Verifies the directory and compares it with what the senders know.
pub fn stored(binary: &Binary, salt: u64, ledger: &Ledger) -> anyhow::Result<Compared> {
    if let Some(broken) = &ledger.broken {
        bail!("{broken}");
    }
    binary.ask(&["--json", "verify"])?.good().context("verify")?;
    journalled(&sources(binary)?, salt, ledger)?;

    let standing = binary.ask(&["export", "readings"])?.good().context("export")?;
    let standing = lines(&standing, exported)?;
    let earlier = asked(binary, HISTORY, earlier)?;
    let present: BTreeSet<usize> = standing.iter().filter_map(|said| bodies::marked(&said.point, said.start)).collect();
    let said_by = |numbers: &mut dyn Iterator<Item = usize>| -> BTreeSet<usize> {
        numbers.map(|number| bodies::said_by(number, salt)).collect()
    };
    let acknowledged = said_by(&mut ledger.acknowledged.values().chain(&ledger.dropped).copied());
    let in_doubt = said_by(&mut ledger.unanswered.iter().copied());
    if let Some(lost) = acknowledged.difference(&present).next() {
        bail!("body {lost} was acknowledged and its mark is not there");
    }
    if let Some(made_up) = present.iter().find(|number| !acknowledged.contains(number) && !in_doubt.contains(number)) {
        bail!("body {made_up} is there and nobody sent it");
    }
    let mut oracle = Oracle::default();
    for number in &present {
        let sent = bodies::body(*number, salt);
        oracle.hears(&Heard { sequence: *number as u64 + 1, received_at: RECEIVED, sent: &sent });
    }
    let (expected_standing, expected_earlier) = oracle.tables();
    same("standing", standing, expected_standing.iter().map(|version| Line::of(version, false)))?;
    same("earlier", earlier, expected_earlier.iter().map(|version| Line::of(version, true)))?;
    let compared = Compared { readings: expected_standing.len() as u64, earlier: expected_earlier.len() as u64 };
    counted(binary, &compared)?;
    Ok(compared)
}

/// Every file of the inbox lies in `done/`, once, and nothing else does.
fn put_away(inbox: &Path, ledger: &Ledger) -> anyhow::Result<()> {
    let named = |dir: &str| -> anyhow::Result<BTreeSet<String>> {
        let paths = doors::left_in(&inbox.join(dir))?;
        Ok(paths.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    };
    let refused = named("refused")?;
    ensure!(refused.is_empty(), "the inbox refused {refused:?}");
    let dropped: BTreeSet<String> = ledger.dropped.iter().filter_map(|number| Door::Inbox.file_name(*number)).collect();
    let done = named("done")?;
    let differ: Vec<_> = dropped.symmetric_difference(&done).collect();
    ensure!(differ.is_empty(), "of the inbox these are not in done/, or are twice: {differ:?}");
    Ok(())
}

fn sources(binary: &Binary) -> anyhow::Result<BTreeMap<u64, Source>> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [sequence, object, message_id] = fields[..] else { return None };
        let source = Source { object: object.into(), message_id: message_id.into() };
        Some((sequence.parse().ok()?, source))
    };
    let all = asked(binary, "select seq, object, message_id from sources where chunk = 0", read)?;
    let count = all.len();
    let sources: BTreeMap<u64, Source> = all.into_iter().collect();
    ensure!(count == sources.len(), "a record stands in sources twice");
    Ok(sources)
}

/// What was acknowledged stands where the sender was told, under its own name;
/// an upload is in the journal once, whoever finished it.
fn journalled(sources: &BTreeMap<u64, Source>, salt: u64, ledger: &Ledger) -> anyhow::Result<()> {
    for (sequence, number) in &ledger.acknowledged {
        let Some(source) = sources.get(sequence) else {
            bail!("record {sequence} (body {number}) was acknowledged and is not in sources");
        };
        let name = Door::of(*number, salt).file_name(*number).unwrap_or_default();
        ensure!(source.object == name, "record {sequence} is {:?} and was acknowledged as {name:?}", source.object);
    }
    let mut uploads = BTreeSet::new();
    for Source { object, message_id } in sources.values().filter(|source| source.message_id.starts_with("upload/")) {
        ensure!(uploads.insert(message_id), "{message_id} ({object}) is in the journal twice");
    }
    let by_upload = ledger.acknowledged.values().filter(|number| Door::of(**number, salt) == Door::Uploads).count();
    ensure!(uploads.len() >= by_upload, "{by_upload} uploads ended and {} are in the journal", uploads.len());
    Ok(())
}

/// The house counts each reading once, and nothing of all this was refused.
fn counted(binary: &Binary, compared: &Compared) -> anyhow::Result<()> {
    let sums = "select sum(accepted), sum(corrected), sum(refused) from sources";
    let read = |line: &str| line.split(',').map(|sum| sum.parse().ok()).collect::<Option<Vec<u64>>>();
    let sums = asked(binary, sums, read)?;
    let expected = [compared.readings, compared.earlier, 0];
    ensure!(sums == [expected], "sources sum to {sums:?}, should be {expected:?} accepted, corrected and refused");
    Ok(())
}

fn asked<T>(binary: &Binary, sql: &str, read: impl Fn(&str) -> Option<T>) -> anyhow::Result<Vec<T>> {
    lines(&binary.ask(&["sql", "--format", "csv", sql])?.good().context("sql")?, read)
}

/// 2025-12-01T00:00:00Z: later than all that is sent, and nothing depends on it.
const RECEIVED: Timestamp = Timestamp(1_764_547_200_000_000);
const HISTORY: &str = "select point, register, cast(start as bigint) as start, cast(\"end\" as bigint) as ending, \
    value, scale, cast(message_time as bigint) as message_time, cast(issued_at as bigint) as issued_at \
    from readings_history";

/// A reading as both sides tell of it; times of messages only where both do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    point: String,
    register: String,
    start: Timestamp,
    end: Timestamp,
    value: i128,
    said: Option<(Timestamp, Timestamp)>,
}

impl Line {
    fn of(version: &Version, with_times: bool) -> Line {
        Line {
            point: version.key.point.clone(),
            register: version.key.register.clone(),
            start: version.key.start,
            end: version.key.start.plus(version.key.span),
            value: version.content.value,
            said: with_times.then_some((version.message_time, version.issued_at)),
        }
    }
}

fn lines<T>(csv: &str, read: impl Fn(&str) -> Option<T>) -> anyhow::Result<Vec<T>> {
    let read = |line: &str| read(line).with_context(|| format!("a line nobody expects: {line:?}"));
    csv.lines().skip(1).map(read).collect()
}

/// A line of the export: `point,device,register,start,end,value,…`.
fn exported(line: &str) -> Option<Line> {
    let fields: Vec<&str> = line.split(',').collect();
    let [point, _, register, start, end, value, ..] = fields[..] else { return None };
    let value = Decimal::parse(value).ok()?.at_scale_18();
    let (start, end) = (Timestamp::parse(start).ok()?, Timestamp::parse(end).ok()?);
    Some(Line { point: point.into(), register: register.into(), start, end, value, said: None })
}

/// A line of the answer to [`HISTORY`].
fn earlier(line: &str) -> Option<Line> {
    let mut fields = line.split(',');
    let (point, register) = (fields.next()?.into(), fields.next()?.into());
    let numbers: Vec<i64> = fields.map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [start, end, value, scale, message_time, issued_at] = numbers[..] else { return None };
    let value = Decimal::new(value, u8::try_from(scale).ok()?).at_scale_18();
    let said = Some((Timestamp(message_time), Timestamp(issued_at)));
    Some(Line { point, register, start: Timestamp(start), end: Timestamp(end), value, said })
}

fn same(what: &str, mut seen: Vec<Line>, expected: impl Iterator<Item = Line>) -> anyhow::Result<()> {
    let mut expected: Vec<Line> = expected.collect();
    seen.sort();
    expected.sort();
    if seen == expected {
        return Ok(());
    }
    let difference = seen.iter().zip(&expected).find(|(seen, expected)| seen != expected);
    bail!("{} {what} readings, should be {}; the first that differs: {difference:?}", seen.len(), expected.len())
}
