//! `meterhouse import`: files in, counted.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use indicatif::ProgressBar;
use journal::{Body, Content, Door, Journal, RECORD_BYTES_MAX};
use meter::{Sequence, TenantId};
use parse::UnknownFormat;
use parse::csv::ProfileError;
use process::Until;
use registry::Profiles;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use crate::applied::{self, Taken};
use crate::ask::Asked;
use crate::cli::{Common, Import};
use crate::exit::{self, Usage};
use crate::remote::{Remote, Unfit, escaped};
use crate::settings::Settings;
use crate::{ask, output, wire};

/// Read ahead of the server; with hyper's buffers a file of any size costs below 2 MiB.
const PIECE_BYTES: usize = 256 << 10;

/// What became of one file.
#[derive(Debug, Serialize)]
struct Outcome {
    file: String,
    sequence: u64,
    format: String,
    accepted: i64,
    duplicate: i64,
    corrected: i64,
    refused: i64,
    events: i64,
    /// The sequence under which the very same file came in before.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_before_as: Option<i64>,
}

/// A file that the server does not take, such as an empty one: nothing of it is kept.
#[derive(Debug, Serialize)]
struct NotTaken {
    file: String,
    not_taken: String,
}

pub async fn import(common: Common, settings: Settings, command: Import) -> anyhow::Result<ExitCode> {
    let files = files_of(&command.paths)?;
    let format = command.format.unwrap_or_default();
    if common.server.is_some() {
        may_be_known(&format)?;
    }
    let (taken, unfit, answers) = match &common.server {
        Some(server) => {
            let remote = Remote::new(server, common.token.as_deref(), common.ca_file.as_deref())?;
            to_server(&remote, &files, &format).await?
        }
        None => {
            let (taken, answers) = locally(&common, &settings, &files, &format).await?;
            (taken, Vec::new(), answers)
        }
    };
    let outcomes = outcomes(&taken, &answers)?;
    print(&outcomes, &unfit, common.json)?;
    let refused = !unfit.is_empty() || outcomes.iter().any(|outcome| outcome.refused > 0);
    Ok(if refused { ExitCode::from(exit::REFUSED) } else { ExitCode::SUCCESS })
}

/// The files in the order given; those right inside a directory by name.
fn files_of(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let about = std::fs::metadata(path).with_context(|| format!("{}", path.display()))?;
        if !about.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).with_context(|| format!("{}", path.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                inside.push(entry.path());
            }
        }
        inside.sort();
        files.extend(inside);
    }
    if files.is_empty() {
        return Err(Usage("there is no file in the paths given".into()).into());
    }
    Ok(files)
}

/// The format as the journal keeps it, with the version of a profile; empty: the content tells.
pub fn in_force(profiles: &Profiles, tenant: TenantId, name: &str) -> anyhow::Result<String> {
    if name.is_empty() {
        return Ok(String::new());
    }
    match profiles.in_force(tenant, name) {
        Ok(format) => Ok(format.name().to_owned()),
        Err(error) if error.kind() == host::Kind::NotFound => Err(Usage(error.to_string()).into()),
        Err(error) => Err(error.into()),
    }
}

/// Told before a byte is sent; which profiles a server has besides, it knows itself.
fn may_be_known(name: &str) -> anyhow::Result<()> {
    match parse::Format::named(name) {
        Err(UnknownFormat::Profile { error: ProfileError::Unknown { .. }, .. }) => Ok(()),
        Err(error) if !name.is_empty() => Err(Usage(error.to_string()).into()),
        _ => Ok(()),
    }
}

async fn locally(
    common: &Common,
    settings: &Settings,
    files: &[PathBuf],
    format: &str,
) -> anyhow::Result<(Vec<Taken>, Vec<Asked>)> {
    let bar = output::progress_bytes(bytes_of(files)?, "taking in");
    let house = wire::open(&common.data_dir, settings).await?;
    let tenant = wire::tenant(house.registry.as_ref(), &common.tenant)?;
    let format = in_force(&Profiles::new(house.registry.clone()), tenant, format)?;
    let (front, running) = wire::start(house, settings, Until::Told);
    let mut taken = Vec::new();
    for file in files {
        match append(&front, tenant, file, &format, &bar).await {
            Ok(file) => taken.push(file),
            Err(error) => {
                // What was acknowledged is kept; the role's own error says more than a closed channel.
                bar.abandon();
                running.finish().await?;
                return Err(error);
            }
        }
    }
    bar.set_message("reading");
    let lake = applied::showing(running.finish(), &taken, &front.at_hand, &bar).await?;
    bar.finish_and_clear();
    let sql = counts_sql(&taken);
    let answers = ask::lake(common, lake.snapshot(), tenant, settings, &sql).await?;
    front.journal.close().await?;
    Ok((taken, answers))
}

async fn append(
    front: &wire::Front,
    tenant: TenantId,
    file: &Path,
    format: &str,
    bar: &ProgressBar,
) -> anyhow::Result<Taken> {
    let about = || format!("{}", file.display());
    let size = std::fs::metadata(file).with_context(about)?.len();
    let (content, _held) = if size <= RECORD_BYTES_MAX as u64 {
        bar.inc(size);
        (Content::Bytes(Bytes::from(std::fs::read(file).with_context(about)?)), None)
    } else {
        let archive = front.archive.clone();
        let opened = bar.wrap_read(std::fs::File::open(file).with_context(about)?);
        let stored = tokio::task::spawn_blocking(move || archive.put(opened)).await?.with_context(about)?;
        (stored.content(), Some(stored))
    };
    let object = name_of(file);
    let body = Body { tenant, door: Door::File, format: format.into(), object, message_id: String::new(), content };
    let sequence = front.journal.append(body).await.with_context(about)?.sequence;
    Ok(Taken { path: file.to_owned(), sequence, bytes: size })
}

async fn to_server(
    remote: &Remote,
    files: &[PathBuf],
    format: &str,
) -> anyhow::Result<(Vec<Taken>, Vec<NotTaken>, Vec<Asked>)> {
    let bar = output::progress_bytes(bytes_of(files)?, "sending");
    let (mut taken, mut unfit): (Vec<Taken>, Vec<NotTaken>) = Default::default();
    for path in files {
        let file = path.display().to_string();
        match send(remote, path, format, &bar).await {
            Ok(file) => taken.push(file),
            // The others may be well.
            Err(error) if error.is::<Unfit>() => unfit.push(NotTaken { file, not_taken: error.to_string() }),
            Err(error) => return Err(error.context(file)),
        }
    }
    let Some(last) = taken.iter().map(|file| file.sequence.0).max() else { return Ok((taken, unfit, Vec::new())) };
    bar.set_length(taken.iter().map(|file| file.bytes).sum());
    bar.set_message("reading");
    applied::by_server(remote, &taken, &bar).await?;
    bar.finish_and_clear();
    let answers = ask::server(remote, &counts_sql(&taken), Some(last)).await?;
    Ok((taken, unfit, answers))
}

async fn send(remote: &Remote, file: &Path, format: &str, bar: &ProgressBar) -> anyhow::Result<Taken> {
    let opened = tokio::fs::File::open(file).await?;
    let size = opened.metadata().await?.len();
    let path = format!("/v1/files?name={}&format={}", escaped(&name_of(file)), escaped(format));
    let sent = remote.post_pieces(&path, "application/octet-stream", size, pieces(opened, size, bar.clone()));
    let receipt: serde_json::Value = serde_json::from_slice(&sent.await?.good()?)?;
    let sequence = Sequence(receipt["sequence"].as_u64().context("the server's receipt has no sequence")?);
    Ok(Taken { path: file.to_owned(), sequence, bytes: size })
}

/// The first `size` bytes of a file, each piece read when the one before is gone.
fn pieces(file: tokio::fs::File, size: u64, bar: ProgressBar) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((file, size, bar), |(mut file, left, bar)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let count = (&mut file).take(left).read_buf(&mut piece).await? as u64;
        if count == 0 {
            return Err(io::Error::other(format!(
                "the file lost its last {left} bytes while it was sent; import it again"
            )));
        }
        bar.inc(count);
        Ok(Some((piece.freeze(), (file, left - count, bar))))
    })
}

/// What a source is called after its file.
pub fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn bytes_of(files: &[PathBuf]) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for file in files {
        bytes += std::fs::metadata(file).with_context(|| format!("{}", file.display()))?.len();
    }
    Ok(bytes)
}

fn counts_sql(taken: &[Taken]) -> String {
    let sequences: Vec<String> = taken.iter().map(|file| file.sequence.to_string()).collect();
    format!(
        "select seq, max(format) as format, sum(accepted) as accepted, sum(duplicate) as duplicate, \
         sum(corrected) as corrected, sum(refused) as refused, sum(events) as events, \
         max(duplicate_of) as duplicate_of from sources where seq in ({}) group by seq",
        sequences.join(", ")
    )
}

fn outcomes(taken: &[Taken], answers: &[Asked]) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for Taken { path, sequence, .. } in taken {
        let answer = answers.iter().find(|row| row.number("seq") == Some(sequence.0 as i64));
        let answer = answer.with_context(|| format!("{}: record {sequence} is not applied", path.display()))?;
        let count = |name: &str| answer.number(name).unwrap_or(0);
        outcomes.push(Outcome {
            file: path.display().to_string(),
            sequence: sequence.0,
            format: answer.text("format"),
            accepted: count("accepted"),
            duplicate: count("duplicate"),
            corrected: count("corrected"),
            refused: count("refused"),
            events: count("events"),
            seen_before_as: answer.number("duplicate_of"),
        });
    }
    Ok(outcomes)
}

fn print(outcomes: &[Outcome], unfit: &[NotTaken], json: bool) -> anyhow::Result<()> {
    if json {
        let outcomes = outcomes.iter().map(serde_json::to_value);
        let all: Vec<_> = outcomes.chain(unfit.iter().map(serde_json::to_value)).collect::<Result<_, _>>()?;
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let heading = ["file", "source", "accepted", "duplicate", "corrected", "refused", ""];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for outcome in outcomes {
        let counts = [outcome.accepted, outcome.duplicate, outcome.corrected, outcome.refused];
        let mut row = vec![outcome.file.clone(), outcome.sequence.to_string()];
        row.extend(counts.iter().map(i64::to_string));
        row.push(match outcome.seen_before_as {
            Some(first) => format!("seen before as source {first}, nothing changed"),
            None if outcome.refused > 0 => format!("see: meterhouse refused show {}", outcome.sequence),
            None => String::new(),
        });
        rows.push(row);
    }
    print!("{}", output::table(&rows));
    let sum = |count: fn(&Outcome) -> i64| outcomes.iter().map(count).sum::<i64>();
    println!(
        "{} files: {} accepted, {} duplicate, {} corrected, {} refused",
        outcomes.len(),
        sum(|o| o.accepted),
        sum(|o| o.duplicate),
        sum(|o| o.corrected),
        sum(|o| o.refused)
    );
    for NotTaken { file, not_taken } in unfit {
        println!("{file}: not taken, {not_taken}");
    }
    Ok(())
}
