//! `meterhouse profile`: how tables are read, added and tried out.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use meter::TenantId;
use parse::csv::trial::{self, Difference, TOLD_MAX, Trial};
use parse::csv::{Mapping, ProfileName, built_in_text, names};
use registry::{NewProfile, Profiles, Sqlite};
use serde_json::{Value, json};

use crate::cli::{self, Common};
use crate::exit::{self, Usage};
use crate::import::name_of;
use crate::remote::{Remote, escaped};
use crate::{output, wire};

/// All readings of a sample are held: as text about a hundred bytes each.
const SAMPLE_BYTES_MAX: u64 = 64 << 20;
/// Readings that are shown to a person.
const SHOWN: usize = 10;

pub async fn profile(common: Common, command: cli::Profile) -> anyhow::Result<ExitCode> {
    if let cli::Profile::Test { file, sample, expect, options } = &command {
        return test(file, sample, expect.as_deref(), options, common.json);
    }
    let place = match &common.server {
        Some(server) => {
            Place::There(Box::new(Remote::new(server, common.token.as_deref(), common.ca_file.as_deref())?))
        }
        None => Place::here(&common)?,
    };
    match command {
        cli::Profile::List => list(&place.list().await?, common.json),
        cli::Profile::Show { name } => show(&place.show(&name).await?, common.json),
        cli::Profile::Add { file, name } => {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let name = name.or(stem).unwrap_or_default();
            let toml = text_of(&file)?;
            // Told with the file's line, whoever keeps it.
            Mapping::own(&format!("csv/{name}"), &toml).map_err(|error| wrong(&file, &error))?;
            let added = place.add(&name, toml).await?;
            list(&[added], common.json);
        }
        cli::Profile::Test { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Where profiles are kept.
enum Place {
    Here { profiles: Arc<Profiles>, tenant: TenantId, _lock: Box<dyn host::Lock> },
    There(Box<Remote>),
}

impl Place {
    fn here(common: &Common) -> anyhow::Result<Place> {
        let (_disk, lock) = wire::enter(&common.data_dir)?;
        let registry = Arc::new(Sqlite::open(&common.data_dir)?);
        let tenant = wire::tenant(registry.as_ref(), &common.tenant)?;
        Ok(Place::Here { profiles: Profiles::new(registry), tenant, _lock: lock })
    }

    async fn list(&self) -> anyhow::Result<Vec<Value>> {
        match self {
            Place::There(remote) => Ok(serde_json::from_slice(&remote.get("/v1/profiles").await?.good()?)?),
            Place::Here { profiles, tenant, .. } => {
                let built_in = names().into_iter().map(|format| json!({ "format": format }));
                Ok(built_in.chain(profiles.all(*tenant)?.iter().map(row)).collect())
            }
        }
    }

    async fn show(&self, name: &str) -> anyhow::Result<Value> {
        let whole = format!("csv/{}", name.strip_prefix("csv/").unwrap_or(name));
        let ProfileName { plain, version, .. } =
            ProfileName::parse(&whole).map_err(|error| Usage(error.to_string()))?;
        match self {
            Place::There(remote) => {
                let version = version.map(|version| format!("?version={version}")).unwrap_or_default();
                let told = remote.get(&format!("/v1/profiles/{}{version}", escaped(plain))).await?;
                Ok(serde_json::from_slice(&told.good()?)?)
            }
            Place::Here { profiles, tenant, .. } => {
                if let Some(toml) = built_in_text(plain).filter(|_| version.is_none()) {
                    return Ok(json!({ "format": whole, "toml": toml }));
                }
                let found = profiles.find(*tenant, plain, version)?;
                let mut told = row(&found);
                told["toml"] = found.toml.into();
                Ok(told)
            }
        }
    }

    async fn add(&self, name: &str, toml: String) -> anyhow::Result<Value> {
        match self {
            Place::There(remote) => {
                let path = format!("/v1/profiles?name={}", escaped(name));
                let told = remote.post(&path, "text/plain", Bytes::from(toml)).await?;
                Ok(serde_json::from_slice(&told.good()?)?)
            }
            Place::Here { profiles, tenant, .. } => {
                let added = host::Clock::now(&host::SystemClock::new());
                Ok(row(&profiles.add(&NewProfile { tenant: *tenant, name, toml: &toml, added, by: None })?))
            }
        }
    }
}

/// As `/v1/profiles` tells it.
fn row(profile: &registry::Profile) -> Value {
    let name = ProfileName { plain: &profile.name, version: None, options: "" };
    json!({
        "format": name.at(profile.version), "version": profile.version, "sha256": profile.sha256_hex(),
        "added_at": profile.added.to_string(), "added_by": profile.by.map(|token| token.0),
    })
}

fn list(rows: &[Value], json: bool) {
    if json {
        println!("{}", Value::Array(rows.to_vec()));
        return;
    }
    let word = |row: &Value, key: &str| match &row[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let columns = ["format", "added_at", "added_by", "sha256"];
    let mut table = vec![columns.map(String::from).to_vec()];
    table.extend(rows.iter().map(|row| columns.map(|column| word(row, column)).to_vec()));
    print!("{}", output::table(&table));
}

fn show(whole: &Value, json: bool) {
    match json {
        true => println!("{whole}"),
        false => print!("{}", whole["toml"].as_str().unwrap_or_default()),
    }
}

fn test(file: &Path, sample: &Path, expect: Option<&Path>, options: &str, json: bool) -> anyhow::Result<ExitCode> {
    let question = if options.is_empty() { "" } else { "?" };
    let mapping = Mapping::own(&format!("csv/trial{question}{options}"), &text_of(file)?);
    let mapping = mapping.map_err(|error| wrong(file, &error))?;
    let size = std::fs::metadata(sample).with_context(|| format!("{}", sample.display()))?.len();
    if size > SAMPLE_BYTES_MAX {
        let (path, most) = (sample.display(), SAMPLE_BYTES_MAX);
        return Err(Usage(format!("{path} has {size} bytes, a sample at most {most}: take its beginning")).into());
    }
    let bytes = std::fs::read(sample).with_context(|| format!("{}", sample.display()))?;
    let expected = expect.map(text_of).transpose()?;
    let trial = trial::try_out(&mapping, &name_of(sample), &bytes);
    let difference = expected.as_deref().and_then(|expected| trial.difference(expected));
    tell(&trial, difference.as_ref(), expected.is_some(), json);
    Ok(match trial.readings == 0 || difference.is_some() {
        true => ExitCode::from(exit::REFUSED),
        false => ExitCode::SUCCESS,
    })
}

fn tell(trial: &Trial, difference: Option<&Difference>, was_expected: bool, json: bool) {
    let Trial { readings, events, refused, lines, refusals } = trial;
    if json {
        let difference = difference.map(|d| json!({ "missing": d.missing, "unexpected": d.unexpected }));
        let rows = &lines[..lines.len().min(TOLD_MAX)];
        let told = json!({
            "readings": readings, "events": events, "refused": refused,
            "rows": rows, "refusals": refusals, "difference": difference,
        });
        println!("{told}");
        return;
    }
    println!("{}", parse::export::HEADER);
    lines.iter().take(SHOWN).for_each(|line| println!("{line}"));
    refusals.iter().for_each(|refusal| eprintln!("{refusal}"));
    println!("{readings} readings, {events} events, {refused} refused");
    match difference {
        Some(Difference { missing, unexpected }) if unexpected.is_empty() => {
            println!("expected and not read: {missing}")
        }
        Some(Difference { unexpected, .. }) => println!("read and not expected: {unexpected}"),
        None if was_expected => println!("as expected"),
        None => {}
    }
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))
}

fn wrong(file: &Path, error: &dyn std::fmt::Display) -> Usage {
    Usage(format!("{}: {error}", file.display()))
}
