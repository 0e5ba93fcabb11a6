//! The house as text: every file that belongs to it, its Rust, its crates.
//!
//! Promise: rules read from here and never from the disk, so that a test can
//! build a small house with one fault in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::source::Source;

pub struct House {
    /// Text by path, paths with `/` and from the root.
    pub texts: BTreeMap<String, String>,
    /// Paths of files that are not text.
    pub not_texts: Vec<String>,
    pub sources: Vec<Source>,
    /// In the order of the listing.
    pub crates: Vec<Crate>,
}

pub struct Crate {
    /// Below `crates/`, such as `core/meter`.
    pub place: String,
    pub manifest: String,
    pub name: String,
    pub dependencies: Vec<Dependency>,
    pub follows_lints: bool,
}

pub struct Dependency {
    /// The package, not what this crate calls it.
    pub name: String,
    pub line: usize,
    pub from_workspace: bool,
}

impl House {
    /// Everything git tracks or would track.
    pub fn read(root: &Path) -> anyhow::Result<House> {
        let (mut texts, mut not_texts) = (BTreeMap::new(), Vec::new());
        for path in listing(root)? {
            let bytes = match std::fs::read(root.join(&path)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue, // deleted, not yet committed
                Err(error) => return Err(error).with_context(|| format!("{path} cannot be read")),
            };
            match (bytes.contains(&0), String::from_utf8(bytes)) {
                (false, Ok(text)) => drop(texts.insert(path, text)),
                _ => not_texts.push(path),
            }
        }
        House::build(texts, not_texts)
    }

    /// A house of these files alone.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> House {
        let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        House::build(texts, Vec::new()).expect("planted manifests are valid")
    }

    fn build(texts: BTreeMap<String, String>, not_texts: Vec<String>) -> anyhow::Result<House> {
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
        let mut sources: Vec<Source> = rust.map(|(path, text)| Source::new(path, text)).collect();
        mark_test_files(&mut sources);
        let mut crates = Vec::new();
        for (path, text) in &texts {
            let place = path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"));
            if let Some(place) = place {
                crates.push(read_crate(path, place, text).with_context(|| format!("{path} is not a manifest"))?);
            }
        }
        crates.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(House { texts, not_texts, sources, crates })
    }

    pub fn crate_named(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|c| c.name == name)
    }
}

/// The folder of the workspace: above the manifest cargo runs us from, or above where we stand.
pub fn root() -> anyhow::Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_dir().context("the current folder is gone")?,
    };
    let root = start.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    let root =
        root.with_context(|| format!("no Cargo.lock at or above {}; run this inside the house", start.display()))?;
    Ok(root.to_owned())
}

fn listing(root: &Path) -> anyhow::Result<Vec<String>> {
    let arguments = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(root).output();
    match listed {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).context("a file name is not UTF-8; rename it")?;
            Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
        }
        // A source archive has no history to ask.
        _ => {
            let mut found = Vec::new();
            walk(root, "", &mut found)?;
            Ok(found)
        }
    }
}

fn walk(root: &Path, below: &str, found: &mut Vec<String>) -> anyhow::Result<()> {
    let folder = root.join(below);
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{} cannot be listed", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a file name is not UTF-8; rename it")?;
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            if !["target", ".git", "node_modules"].contains(&name.as_str()) {
                walk(root, &path, found)?;
            }
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn read_crate(manifest: &str, place: &str, text: &str) -> anyhow::Result<Crate> {
    let table: toml::Table = text.parse()?;
    let name = table.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str);
    let name = name.context("it has no package.name")?.to_owned();
    let mut dependencies = Vec::new();
    collect(&table, text, &mut dependencies);
    let targets = table.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table) {
        collect(target, text, &mut dependencies);
    }
    let lints = table.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool);
    Ok(Crate {
        place: place.to_owned(),
        manifest: manifest.to_owned(),
        name,
        dependencies,
        follows_lints: lints == Some(true),
    })
}

fn collect(table: &toml::Table, text: &str, into: &mut Vec<Dependency>) {
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(listed) = table.get(section).and_then(toml::Value::as_table) else { continue };
        for (key, value) in listed {
            let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            let from_workspace = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            into.push(Dependency { name: package.to_owned(), line: line_of_key(text, section, key), from_workspace });
        }
    }
}

/// The first line below `[section]` that starts with `key`; else the first line.
fn line_of_key(text: &str, section: &str, key: &str) -> usize {
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            if header.ends_with(&format!("{section}.{key}")) {
                return at + 1;
            }
            inside = header.ends_with(section) && (section != "dependencies" || !header.ends_with("-dependencies"));
            continue;
        }
        let rest = line.strip_prefix(key).unwrap_or("x");
        if inside && rest.starts_with([' ', '.', '=']) {
            return at + 1;
        }
    }
    1
}

/// A file declared by `#[cfg(test)] mod name;`, and all below it, is for tests.
fn mark_test_files(sources: &mut [Source]) {
    let mut below = Vec::new();
    for source in sources.iter() {
        for module in source.modules().iter().filter(|m| m.for_tests && m.lines == 0) {
            below.push(format!("{}/{}", module_folder(&source.path), module.name));
        }
    }
    for source in sources {
        let stem = source.path.trim_end_matches(".rs").to_owned();
        source.is_test |= below.iter().any(|folder| stem == *folder || stem.starts_with(&format!("{folder}/")));
    }
}

/// Where the modules that a file declares live: beside a crate root, in a folder of its name for any other.
pub fn module_folder(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_with_every_kind_of_dependency() {
        let manifest = r#"[package]
name = "a"
[dependencies]
meter.workspace = true
[dev-dependencies]
x = { version = "1", package = "y" }
[target.'cfg(unix)'.dependencies]
z = "1"
[lints]
workspace = true
"#;
        let house = House::of(&[("crates/core/a/Cargo.toml", manifest)]);
        let a = house.crate_named("a").expect("planted");
        let found: Vec<_> = a.dependencies.iter().map(|d| (d.name.as_str(), d.line, d.from_workspace)).collect();
        assert_eq!(found, [("meter", 4, true), ("y", 6, false), ("z", 8, false)]);
        assert!(a.follows_lints && a.place == "core/a");
    }

    #[test]
    fn a_module_declared_for_tests_is_known_with_all_below_it() {
        let house = House::of(&[
            ("crates/core/a/src/lib.rs", "#[cfg(test)]\nmod samples;\nmod real;\n"),
            ("crates/core/a/src/samples.rs", ""),
            ("crates/core/a/src/samples/big.rs", ""),
            ("crates/core/a/src/real.rs", "#[cfg(test)] mod checks;"),
            ("crates/core/a/src/real/checks.rs", ""),
        ]);
        let tests: Vec<_> = house.sources.iter().filter(|s| s.is_test).map(|s| s.path.as_str()).collect();
        assert_eq!(
            tests,
            ["crates/core/a/src/real/checks.rs", "crates/core/a/src/samples.rs", "crates/core/a/src/samples/big.rs"]
        );
    }

    #[test]
    fn this_house_is_found_and_has_this_crate() {
        let house = House::read(&root().expect("inside the house")).expect("readable");
        assert_eq!(house.crate_named("xtask").map(|c| c.place.as_str()), Some("tools/xtask"));
    }
}
