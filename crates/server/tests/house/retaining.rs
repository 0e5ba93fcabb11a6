//! Retention in the whole binary: what is older than a tenant keeps it goes, is
//! told, and `verify` still accounts for every reading that ever came in.

use std::time::{Duration, Instant};

use crate::street::{House, nem12, path, text};

fn count(house: &House, settings: &str) -> String {
    let sql = "select count(*) as n from readings";
    house.says(&["--config", settings, "sql", "--format", "csv", sql]).lines().nth(1).expect("a row").to_owned()
}

/// A day of half-hours in this month.
fn this_month() -> String {
    let now = std::process::Command::new("date").args(["-u", "+%Y%m%d"]).output().expect("date is there");
    let now = text(&now.stdout).trim().to_owned();
    nem12("2.5", "20040420010203").replace("300,20040417", &format!("300,{now}"))
}

#[test]
fn readings_older_than_the_settings_keep_them_go_and_are_accounted_for() {
    let house = House::new();
    let keep = |text: &str| path(&house.file("keep.toml", format!("[retain]\nreadings = {text:?}\n"))).to_owned();
    let recent = this_month();
    house.import(&house.file("old.csv", nem12("1.25", "20040420010203")));
    house.import(&house.file("corrected.csv", nem12("1.5", "20040421010203")));
    house.import(&house.file("new.csv", recent));
    let ever = keep("");
    assert_eq!(count(&house, &ever), "96");
    let settings = keep("60d");
    // Whatever works on the directory next puts it in order.
    house.says(&["--config", &settings, "import", path(&house.file("more.csv", "100,NEM12,200404201300,A,B\n900\n"))]);
    assert_eq!(count(&house, &settings), "48");
    let verified = house.says(&["--config", &settings, "--json", "verify"]);
    let verified: serde_json::Value = serde_json::from_str(&verified).expect("JSON");
    assert_eq!(
        (&verified["readings"], &verified["earlier_versions"], &verified["retired"]),
        (&48.into(), &0.into(), &96.into())
    );
    let to = house.dir.path().join("backup");
    house.says(&["backup", "--to", path(&to)]);
    let restored = House::new();
    restored.says(&["restore", "--from", path(&to)]);
    assert_eq!(restored.verified()["retired"], 96);
}

#[test]
fn a_tenant_that_keeps_longer_is_not_cut_and_a_wrong_word_stops_the_start() {
    let house = House::new();
    house.import(&house.file("old.csv", nem12("1.25", "20040420010203")));
    let longer = "[retain]\nreadings = \"60d\"\ntenants = [{ tenant = \"home\", readings = \"\" }]\n";
    let settings = house.file("keep.toml", longer);
    house.says(&["--config", path(&settings), "verify"]);
    assert_eq!(count(&house, path(&settings)), "48");
    for (wrong, says) in [
        ("[retain]\nreadings = \"60 days\"\n", "such as 15m"),
        ("[retain]\ntenants = [{ tenant = \"nobody\", readings = \"1y\" }]\n", "nobody"),
        ("[retain]\ntenants = [{ tenant = \"home\", reading = \"1y\" }]\n", "reading"),
        ("[retain]\narchive = \"soon\"\n", "such as 15m"),
        ("[retain]\ntenants = [{ tenant = \"home\", events = \"later\" }]\n", "such as 15m"),
    ] {
        let output = house.run(&["--config", path(&house.file("wrong.toml", wrong)), "verify"]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(says), "{wrong}: {said}");
    }
}

#[test]
fn a_server_to_which_nothing_is_sent_lets_go_of_what_has_become_too_old() {
    let house = House::new();
    house.import(&house.file("old.csv", nem12("1.25", "20040420010203")));
    house.import(&house.file("new.csv", this_month()));
    let settings = house.file("keep.toml", "[retain]\nreadings = \"60d\"\n[maintain]\nlook_every_ms = 50\n");
    let server = house.serve_with(&["--config", path(&settings)]);
    let sql = ["sql", "--format", "csv", "select count(*) as n from readings"];
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let said = house.says(&server.with(&sql));
        if said.lines().nth(1) == Some("48") {
            break;
        }
        assert!(Instant::now() < until, "{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.stop();
    assert_eq!(house.verified()["retired"], 48);
}
