//! One byte flipped at a time, in every file of a closed data directory.
//!
//! Promise: `meterhouse verify` must exit with 5 and name the file. Each flip is
//! made in a copy, so that nothing one check does can help or hurt the next.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use host::Seeded;

use crate::script;
use crate::server::Binary;

/// Small segments, so that copies are cheap, and a commit for every file, so that
/// the logs get as far as a checkpoint. The last corrections stay in the overlay.
const SETTINGS: &str = "[journal]
segment_bytes = 16_777_216
[process]
commit_rows_max = 1
[maintain]
fold_rows = 2_000
compact_files = 16
";
/// More than a record holds, so that the archive has an object.
const LARGE_BYTES: usize = (8 << 20) + 4_096;
/// What `verify` exits with where bytes are not what was written.
const DAMAGED: i32 = 5;

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The meterhouse to try.
    pub binary: PathBuf,
    /// Names the run: the same seed flips the same bits.
    pub seed: u64,
    /// Random positions in a file, besides its first, middle and last byte.
    pub random: u64,
    /// One file of each kind, and one position of it.
    pub short: bool,
}

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// As the plan says.
    pub seed: u64,
    /// Kind of file to how many there are and how often a byte of one was flipped.
    pub kinds: BTreeMap<String, (u64, u64)>,
    /// Files without a byte.
    pub empty: u64,
    /// What `verify` did not find or did not name, in words.
    pub failures: Vec<String>,
    /// By the wall clock.
    pub took: Duration,
}

/// Makes a directory and flips its bytes.
pub fn run(plan: &Plan, on_flip: &mut dyn FnMut(&Report)) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut report = Report { seed: plan.seed, ..Report::default() };
    let mut seed = Seeded::new(plan.seed);
    let dir = tempfile::Builder::new().prefix("meterhouse-trials-").tempdir()?;
    let whole = filled(&plan.binary, dir.path())?;
    for file in files_below(&whole.data_dir)? {
        let size = std::fs::metadata(whole.data_dir.join(&file))?.len();
        let (files, flips) = report.kinds.entry(kind_of(&file)).or_default();
        *files += 1;
        if size == 0 {
            report.empty += 1;
            continue;
        }
        if plan.short && *flips > 0 {
            continue;
        }
        let mut positions = vec![0, size / 2, size - 1];
        positions.extend((0..plan.random).map(|_| seed.below(size)));
        positions.sort_unstable();
        positions.dedup();
        if plan.short {
            positions = vec![seed.below(size)];
        }
        *flips += positions.len() as u64;
        for position in positions {
            let bit = u8::try_from(seed.below(8)).expect("below 8");
            let found = flip(&whole, &dir.path().join("flipped"), &file, position, bit);
            if let Err(error) = found {
                report.failures.push(format!("{file}, byte {position} of {size}, bit {bit}: {error:#}"));
            }
            on_flip(&report);
        }
    }
    report.took = started.elapsed();
    Ok(report)
}

/// A closed directory with every kind of file: imports that correct each other,
/// with what they leave behind.
fn filled(binary: &Path, dir: &Path) -> anyhow::Result<Binary> {
    let settings = dir.join("settings.toml");
    std::fs::write(&settings, SETTINGS)?;
    let binary = Binary::new(binary.to_owned(), dir.join("data"), settings);
    binary.token()?;
    let files = dir.join("files");
    std::fs::create_dir(&files)?;
    for (number, (name, bytes)) in script::files(LARGE_BYTES).into_iter().enumerate() {
        std::fs::write(files.join(format!("{number:03}-{name}")), bytes)?;
    }
    let answer = binary.ask(&["import", files.to_str().context("temporary paths are plain")?])?;
    // 3 says that some lines were refused, which they are meant to be.
    ensure!(matches!(answer.code, Some(0 | 3)), "import: {answer:?}");
    binary.ask(&["--json", "verify"])?.good().context("verify before any flip")?;
    Ok(binary)
}

/// Flips one bit in a copy and asks `verify`.
fn flip(whole: &Binary, copy: &Path, file: &str, position: u64, bit: u8) -> anyhow::Result<()> {
    if copy.exists() {
        std::fs::remove_dir_all(copy)?;
    }
    for other in files_below(&whole.data_dir)? {
        let to = copy.join(&other);
        std::fs::create_dir_all(to.parent().context("below the copy")?)?;
        std::fs::copy(whole.data_dir.join(&other), to)?;
    }
    let path = copy.join(file);
    let mut bytes = std::fs::read(&path)?;
    bytes[usize::try_from(position)?] ^= 1 << bit;
    std::fs::write(&path, bytes)?;
    let answer = Binary { data_dir: copy.to_owned(), ..whole.clone() }.ask(&["--json", "verify"])?;
    ensure!(answer.code == Some(DAMAGED), "verify exits with {:?}: {}{}", answer.code, answer.out, answer.err);
    let named = answer.out.contains(file) || answer.err.contains(file);
    ensure!(named, "verify does not name it: {}{}", answer.out, answer.err);
    Ok(())
}

/// Paths of all files below a directory, sorted.
fn files_below(dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut open = vec![dir.to_owned()];
    let mut files = Vec::new();
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let below = path.strip_prefix(dir).context("listed below it")?;
                files.push(below.to_str().context("our names are plain")?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Files that are written by the same code: numbers, hashes and partitions aside.
fn kind_of(file: &str) -> String {
    let parts: Vec<&str> = file.split('/').collect();
    let name = parts[parts.len() - 1];
    let ending = name.rfind('.').map_or("", |at| &name[at..]);
    match parts[..] {
        ["lake", table, "_delta_sums", ..] => format!("lake/{table} sums"),
        ["lake", table, "_delta_log", ..] if name.starts_with('_') => format!("lake/{table} {name}"),
        ["lake", table, "_delta_log", ..] => format!("lake/{table} log{ending}"),
        ["lake", table, ..] => format!("lake/{table} data"),
        ["archive", ..] => "archive/*".to_owned(),
        [top, _, ..] => format!("{top}/*{ending}"),
        _ => file.to_owned(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:.0} s", self.seed, self.took.as_secs_f64())?;
        writeln!(f, "{:<32} {:>6} {:>6}", "kind", "files", "flips")?;
        for (kind, (files, flips)) in &self.kinds {
            writeln!(f, "{kind:<32} {files:>6} {flips:>6}")?;
        }
        writeln!(f, "files without a byte: {}", self.empty)?;
        writeln!(f, "failures: {}", self.failures.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_kind_have_one_name() {
        assert_eq!(kind_of("lake/readings/_delta_log/00000000000000000001.json"), "lake/readings log.json");
        assert_eq!(kind_of("lake/readings/tenant_group=shared/month=202605/a-1.parquet"), "lake/readings data");
        assert_eq!(kind_of("journal/00000000000000000001.seg"), "journal/*.seg");
        assert_eq!(kind_of("archive/ab/abcd"), "archive/*");
        assert_eq!(kind_of("format.json"), "format.json");
    }
}
