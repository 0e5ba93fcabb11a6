//! `meterhouse restore`: a backup becomes a data directory.
//!
//! Promise: the target appears whole, every byte of it checked and durable, or
//! not at all; nothing that was there before is touched.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use host::{Disk, RealDisk};

use crate::backup::PIECE_BYTES;
use crate::cli::Common;
use crate::exit::{Damaged, Usage};
use crate::manifest::{Kept, MANIFEST, Manifest, object_path};
use crate::{output, wire};

pub fn restore(common: &Common, from: &Path) -> anyhow::Result<ExitCode> {
    if common.server.is_some() {
        return Err(Usage("restore makes a data directory on this machine: leave --server out".into()).into());
    }
    let to = &common.data_dir;
    refuse_what_is_there(to)?;
    if !from.is_dir() {
        bail!(Usage(format!("there is no directory {}", from.display())));
    }
    let source = RealDisk::open(from).with_context(|| format!("backup {}", from.display()))?;
    let manifest = Manifest::find(&source)?;
    let Some(manifest) = manifest else {
        bail!(Usage(format!("{} is no backup: it has no {MANIFEST}", from.display())));
    };
    let beside = beside(to)?;
    if beside.exists() {
        // Of a restore that was cut short.
        fs::remove_dir_all(&beside).with_context(|| beside.display().to_string())?;
    }
    wire::make(&beside).with_context(|| beside.display().to_string())?;
    let copied = copy(&manifest, &source, &RealDisk::open(&beside)?);
    if copied.is_err() {
        fs::remove_dir_all(&beside).with_context(|| beside.display().to_string())?;
    }
    copied?;
    fs::rename(&beside, to).with_context(|| format!("rename {} to {}", beside.display(), to.display()))?;
    let parent = beside.parent().expect("it stands beside the target");
    fs::File::open(parent).and_then(|dir| dir.sync_all()).with_context(|| parent.display().to_string())?;
    told(&manifest, common);
    Ok(ExitCode::SUCCESS)
}

fn refuse_what_is_there(to: &Path) -> anyhow::Result<()> {
    match fs::read_dir(to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| to.display().to_string()),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => bail!(Usage(format!("{} is not empty; restore into a new --data-dir", to.display()))),
        },
    }
}

/// Where the target is made before it gets its name.
fn beside(to: &Path) -> anyhow::Result<PathBuf> {
    let to = std::path::absolute(to)?;
    let Some(name) = to.file_name() else {
        bail!(Usage(format!("{} cannot be a data directory", to.display())));
    };
    let mut name = name.to_owned();
    name.push(".restoring");
    Ok(to.with_file_name(name))
}

fn copy(manifest: &Manifest, from: &dyn Disk, to: &dyn Disk) -> anyhow::Result<()> {
    let bar = output::progress_bytes(manifest.files.iter().map(|file| file.bytes).sum(), "restoring");
    let mut dirs = BTreeSet::new();
    for file in &manifest.files {
        bring(file, from, to).with_context(|| file.path.clone())?;
        dirs.insert(host::parent_of(&file.path));
        bar.inc(file.bytes);
    }
    for dir in dirs {
        to.sync_dir(dir).with_context(|| dir.to_owned())?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn bring(file: &Kept, from: &dyn Disk, to: &dyn Disk) -> anyhow::Result<()> {
    let object = object_path(&file.blake3);
    let room = file.bytes.checked_add(file.reserved_bytes).context("the sizes cannot be")?;
    if from.size(&object).with_context(|| object.clone())? != file.bytes {
        bail!(Damaged(format!("{object} of the backup does not have the {} bytes it had", file.bytes)));
    }
    to.create(&file.path, room)?;
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    while at < file.bytes {
        let piece = from.read(&object, at, PIECE_BYTES)?;
        if piece.is_empty() {
            break;
        }
        hasher.update(&piece);
        to.write_at(&file.path, at, &piece)?;
        at += piece.len() as u64;
    }
    if hasher.finalize() != file.hash() {
        bail!(Damaged(format!("{object} of the backup is not as it was written; nothing was restored")));
    }
    Ok(to.sync(&file.path)?)
}

fn told(manifest: &Manifest, common: &Common) {
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    if common.json {
        let said = serde_json::json!({
            "taken": manifest.taken, "next_sequence": manifest.next_sequence,
            "files": manifest.files.len(), "bytes": bytes,
        });
        println!("{said}");
        return;
    }
    println!(
        "restored {} files, {bytes} bytes, each checked, into {}: all that was acknowledged before {}, \
         records below {}",
        manifest.files.len(),
        common.data_dir.display(),
        manifest.taken,
        manifest.next_sequence,
    );
    println!("what came later must be sent again; meterhouse verify checks what the tables say of each other");
}
