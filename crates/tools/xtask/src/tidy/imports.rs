//! The law: a crate imports only what the listing of `crates/` prints above it.
//!
//! Promise: holds for dependencies of every kind, those of tests included; one
//! version of each library whose types cross our crates.

use super::Finding;
use super::house::{Crate, House};

/// The one port that ports import.
const PORT_FOR_PORTS: &str = "ports/host";

/// A library that only some of the house may name in a manifest.
struct Fence {
    /// A package, or the start of its name before `*`.
    package: &'static str,
    /// The crates, or folders of crates, that may; empty for none.
    open_to: &'static [&'static str],
    why: &'static str,
}

const FENCES: [Fence; 12] = [
    Fence { package: "datafusion*", open_to: &["roles/query"], why: "only the query role knows the SQL engine" },
    Fence { package: "deltalake*", open_to: &["ports/store"], why: "only the store knows the table format" },
    Fence {
        package: "parquet*",
        open_to: &["ports/store", "roles/query", "tools/"],
        why: "the store keeps files of it, the query role answers in it",
    },
    Fence { package: "object_store", open_to: &["ports/store"], why: "only the store knows where files lie" },
    Fence { package: "rusqlite", open_to: &["ports/registry"], why: "only the registry knows its database" },
    Fence { package: "arrow*", open_to: &["ports/", "roles/", "server", "tools/"], why: CORE },
    Fence { package: "tokio*", open_to: &["ports/", "roles/", "server", "tools/"], why: CORE },
    Fence { package: "futures*", open_to: &["ports/", "roles/", "server", "tools/"], why: CORE },
    Fence { package: "tracing*", open_to: &["ports/", "roles/", "server", "tools/"], why: CORE },
    Fence { package: "anyhow", open_to: &["server", "tools/"], why: "elsewhere errors are an enum with a kind" },
    Fence { package: "openssl*", open_to: &[], why: "one TLS stack is enough: rustls" },
    Fence { package: "native-tls", open_to: &[], why: "one TLS stack is enough: rustls" },
];
const CORE: &str = "core is arithmetic: no async, no Arrow, no logging";

/// Libraries of which two versions would be two sets of types.
const ONE_VERSION: [&str; 5] = ["arrow*", "parquet", "object_store", "datafusion*", "deltalake*"];

pub fn check(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for here in &house.crates {
        if !here.follows_lints {
            let what = "does not follow the lints of the house; add `[lints]` with `workspace = true`".to_owned();
            findings.push(Finding::new(&here.manifest, 0, what));
        }
        for dependency in &here.dependencies {
            let mut report = |what: String| findings.push(Finding::new(&here.manifest, dependency.line, what));
            if !dependency.from_workspace {
                let name = &dependency.name;
                report(format!(
                    "{name} has its own version here; name it in the root Cargo.toml, `workspace = true` here"
                ));
            }
            if let Some(what) = against_the_law(house, here, &dependency.name) {
                report(what);
            }
            for fence in FENCES.iter().filter(|fence| matches(fence.package, &dependency.name)) {
                if !fence.open_to.iter().any(|place| lies_in(&here.place, place)) {
                    report(format!("{} must not depend on {}: {}", here.place, dependency.name, fence.why));
                }
            }
        }
    }
    findings.extend(locked(house));
    findings
}

fn against_the_law(house: &House, here: &Crate, name: &str) -> Option<String> {
    let there = house.crate_named(name)?;
    if there.place >= here.place {
        return Some(format!(
            "{} imports {}, which the listing of crates/ prints below it; turn it round, or move what is shared up",
            here.place, there.place
        ));
    }
    let between_ports = here.place.starts_with("ports/") && there.place.starts_with("ports/");
    (between_ports && there.place != PORT_FOR_PORTS)
        .then(|| format!("{} imports {}; ports import no port but {PORT_FOR_PORTS}", here.place, there.place))
}

fn lies_in(place: &str, fence: &str) -> bool {
    if fence.ends_with('/') { place.starts_with(fence) } else { place == fence }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name == start || name.strip_prefix(start).is_some_and(|rest| rest.starts_with(['-', '_'])),
        None => name == pattern,
    }
}

/// What Cargo.lock must not hold: two Arrows, or a package from elsewhere than crates.io.
fn locked(house: &House) -> Vec<Finding> {
    const LOCK: &str = "Cargo.lock";
    let Some(text) = house.texts.get(LOCK) else {
        return Vec::new();
    };
    let Ok(table) = text.parse::<toml::Table>() else {
        return vec![Finding::new(LOCK, 0, "is not TOML; run `cargo generate-lockfile`".to_owned())];
    };
    let packages = table.get("package").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let mut findings = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    for package in packages {
        let (Some(name), Some(version)) = (word(package, "name"), word(package, "version")) else { continue };
        if let Some(source) = word(package, "source")
            && source != "registry+https://github.com/rust-lang/crates.io-index"
        {
            findings.push(Finding::new(
                LOCK,
                0,
                format!("{name} {version} comes from {source}; take it from crates.io"),
            ));
        }
        let earlier = seen.iter().find(|(other, _)| *other == name).map(|(_, version)| version.clone());
        if let (true, Some(other)) = (ONE_VERSION.iter().any(|pattern| matches(pattern, &name)), earlier) {
            let what = format!("{name} stands in two versions, {other} and {version}; pin what pulls in the second");
            findings.push(Finding::new(LOCK, 0, what));
        }
        seen.push((name, version));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, dependencies: &[&str]) -> String {
        let listed: String = dependencies.iter().map(|d| format!("{d}.workspace = true\n")).collect();
        format!("[package]\nname = \"{name}\"\n[dependencies]\n{listed}[lints]\nworkspace = true\n")
    }

    /// Crates as `place: dependencies`, each named like the last part of its place.
    fn check_crates(crates: &[(&str, &[&str])], expected: &[&str]) {
        let files: Vec<(String, String)> = crates
            .iter()
            .map(|(place, dependencies)| {
                let name = place.rsplit('/').next().expect("split yields one");
                (format!("crates/{place}/Cargo.toml"), manifest(name, dependencies))
            })
            .collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        expect(&check(&House::of(&files)), expected);
    }

    fn expect(findings: &[Finding], expected: &[&str]) {
        let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} does not say {expected:?}");
        }
    }

    #[test]
    fn a_crate_imports_what_stands_above_it() {
        check_crates(
            &[
                ("core/meter", &[]),
                ("core/parse", &["meter"]),
                ("ports/host", &["meter"]),
                ("ports/store", &["host", "parse", "deltalake-core", "parquet", "arrow"]),
                ("roles/query", &["store", "datafusion"]),
                ("server", &["query", "anyhow"]),
                ("tools/trials", &["server", "tokio"]),
            ],
            &[],
        );
    }

    #[test]
    fn an_import_down_the_listing_is_found() {
        check_crates(
            &[("core/meter", &["parse"]), ("core/parse", &[]), ("roles/query", &["web"]), ("roles/web", &[])],
            &["crates/core/meter/Cargo.toml:4: core/meter imports core/parse", "roles/query imports roles/web"],
        );
    }

    #[test]
    fn ports_import_only_the_host() {
        check_crates(
            &[("ports/host", &[]), ("ports/journal", &["host"]), ("ports/store", &["host", "journal"])],
            &["crates/ports/store/Cargo.toml:5: ports/store imports ports/journal"],
        );
    }

    #[test]
    fn every_fence_holds() {
        check_crates(&[("roles/process", &["datafusion"])], &["process must not depend on datafusion"]);
        check_crates(&[("roles/process", &["datafusion-expr"])], &["must not depend on datafusion-expr"]);
        check_crates(&[("roles/query", &["deltalake-core"])], &["must not depend on deltalake-core"]);
        check_crates(&[("roles/web", &["object_store", "parquet"])], &["object_store", "parquet"]);
        check_crates(&[("ports/store", &["rusqlite"])], &["must not depend on rusqlite"]);
        check_crates(&[("core/parse", &["arrow-array", "futures", "tokio"])], &["arrow-array", "futures", "tokio"]);
        check_crates(&[("core/parse", &["tracing"])], &["core is arithmetic"]);
        check_crates(&[("ports/host", &["anyhow"])], &["errors are an enum"]);
        check_crates(&[("server", &["native-tls", "openssl"])], &["rustls", "rustls"]);
    }

    #[test]
    fn a_version_outside_the_root_manifest_is_found() {
        let text = "[package]\nname = \"a\"\n[dev-dependencies]\nrand = \"0.9\"\n";
        let house = House::of(&[("crates/core/a/Cargo.toml", text)]);
        expect(&check(&house), &["lints", "crates/core/a/Cargo.toml:4: rand has its own version"]);
    }

    #[test]
    fn two_arrows_and_foreign_sources_are_found() {
        let lock = r#"
[[package]]
name = "arrow-array"
version = "59.3.0"
[[package]]
name = "arrow-array"
version = "60.0.0"
[[package]]
name = "syn"
version = "2.0.1"
[[package]]
name = "syn"
version = "3.0.1"
[[package]]
name = "x"
version = "1.0.0"
source = "git+https://example.org/x"
"#;
        let house = House::of(&[("Cargo.lock", lock)]);
        expect(
            &check(&house),
            &["arrow-array stands in two versions, 59.3.0 and 60.0.0", "x 1.0.0 comes from git+https"],
        );
    }
}
