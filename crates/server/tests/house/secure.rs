//! TLS as a person sets it up: two files in the settings, and a new pair while
//! the server runs. What is shown to whom is tested at the door.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::street::{House, path, text};

const PAIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../roles/ingest/tests/door/tls");

fn lay(house: &House, name: &str) {
    for ending in ["crt", "key"] {
        std::fs::copy(format!("{PAIRS}/{name}.{ending}"), house.dir.path().join(format!("server.{ending}")))
            .expect("copies");
    }
}

fn settings(house: &House) -> std::path::PathBuf {
    let at = |ending: &str| house.dir.path().join(format!("server.{ending}"));
    house.file("tls.toml", format!("[server]\ntls_cert = {:?}\ntls_key = {:?}\n", at("crt"), at("key")))
}

/// What curl says that trusts this certificate and no other; none without curl.
fn asked(url: &str, name: &str) -> Option<String> {
    let trusted = format!("{PAIRS}/{name}.crt");
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--cacert", &trusted, &format!("{url}/healthz")])
        .output()
        .ok()?;
    Some(text(&output.stdout).trim_end().to_owned())
}

#[test]
fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
    let house = House::new();
    lay(&house, "one");
    let file = settings(&house);
    let server = house.serve_with(&["--config", path(&file)]);
    let url = server.url.replace("http://", "https://");
    let Some(said) = asked(&url, "one") else {
        eprintln!("skipped: curl is not present");
        return;
    };
    assert_eq!(said, "ok");
    assert_eq!(asked(&url, "two").expect("curl"), "");
    assert!(server.get("/healthz").is_none(), "it does not speak plainly");
    std::fs::write(house.dir.path().join("server.crt"), "no certificate").expect("writes");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(asked(&url, "one").expect("curl"), "ok");
    lay(&house, "two");
    let mut waited = 0;
    while asked(&url, "two").expect("curl") != "ok" {
        waited += 1;
        assert!(waited < 100, "the new certificate is not shown");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(asked(&url, "one").expect("curl"), "");
    server.stop();
}

#[test]
fn a_token_goes_to_a_server_that_proves_who_it_is_and_to_no_other() {
    let house = House::new();
    lay(&house, "one");
    let server = house.serve_with(&["--config", path(&settings(&house))]);
    let url = server.url.replace("http://127.0.0.1", "https://localhost");
    let file = house.file("a.csv", crate::street::nem12("1.5", "20040418203500"));
    let ask = |trust: &[&str]| {
        let mut arguments = vec!["--server", &url, "--token", &server.token];
        arguments.extend(trust);
        arguments.extend(["import", path(&file)]);
        house.run(&arguments)
    };
    let [one, two] = ["one", "two"].map(|name| format!("{PAIRS}/{name}.crt"));
    let good = ask(&["--ca-file", &one]);
    assert!(good.status.success() && text(&good.stdout).contains("48 accepted"), "{}", text(&good.stderr));
    for trust in [&["--ca-file", two.as_str()][..], &[]] {
        let output = ask(trust);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("certificate"), "{trust:?}: {said}");
    }
    let output = ask(&["--ca-file", path(&file)]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("a.csv"), "{}", text(&output.stderr));
    server.stop();
}

#[test]
fn a_pair_that_cannot_be_used_stops_the_start() {
    let house = House::new();
    let check = |settings: &Path, code: i32, says: &str| {
        let output = house.run(&["serve", "--listen", "127.0.0.1:0", "--config", path(settings)]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains("server.tls_key"), "{code}: {said}");
        assert!(said.contains(says), "{said:?} should say {says:?}");
    };
    check(&settings(&house), 1, "server.crt");
    lay(&house, "one");
    std::fs::copy(format!("{PAIRS}/two.key"), house.dir.path().join("server.key")).expect("copies");
    check(&settings(&house), 2, "no pair");
    check(&house.file("half.toml", "[server]\ntls_cert = \"server.crt\"\n"), 2, "give both");
}
