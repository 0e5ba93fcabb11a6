//! Profiles as data: added and tried out while the server runs, versioned, and
//! what came in read the same however often it is read.

use serde_json::Value;

use crate::rest::{ask, send};
use crate::street::{House, Server, path, text};

const SAMPLE: &str = "id;at;kwh\nP1;2026-05-01 00:00;1,5\nP1;2026-05-01 01:00;2,5\n";

/// Reads [`SAMPLE`], with its column of values in some unit.
fn profile(unit: &str) -> String {
    format!(
        "about = \"a test\"\nlayout = \"long\"\ndelimiter = \";\"\ndecimal = \",\"\npoint = {{ column = \"id\" }}\n\
         unit = {{ constant = \"{unit}\" }}\n[time]\ncolumn = \"at\"\nform = \"iso\"\nstamps = \"start\"\n\
         interval = \"1h\"\nzone = \"UTC\"\nrepeated = \"refuse\"\n[value]\ncolumn = \"kwh\"\nkind = \"interval\"\n"
    )
}

/// Imports a file under a format; its counts and whether it came before.
fn import(house: &House, file: &std::path::Path, format: &str) -> ([i64; 4], Value) {
    let output = house.run(&["--json", "import", "--format", format, path(file)]);
    let outcomes: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let counts =
        ["accepted", "duplicate", "corrected", "refused"].map(|count| outcomes[0][count].as_i64().expect("is"));
    (counts, outcomes[0]["seen_before_as"].clone())
}

fn units(house: &House) -> String {
    house.says(&["sql", "--format", "csv", "select format, unit, count(*) as n from readings r join \
        (select seq, max(format) as format from sources group by seq) s on r.seq = s.seq group by format, unit order by 1, 2"])
}

#[test]
fn a_file_read_by_the_wrong_profile_can_be_sent_again_with_the_right_one() {
    let house = House::new();
    let file = house.file("acme.csv", SAMPLE);
    assert_eq!(house.run(&["import", "--format", "csv/acme", path(&file)]).status.code(), Some(2), "there is none");
    let (counts, before) = import(&house, &file, "csv/esb-hdf");
    assert!(counts[0] == 0 && counts[3] > 0 && before.is_null(), "{counts:?}");
    house.says(&["profile", "add", path(&house.file("acme.toml", profile("kWh")))]);
    assert_eq!(import(&house, &file, "csv/acme"), ([2, 0, 0, 0], Value::Null));
    assert_eq!(import(&house, &file, "csv/acme@1"), ([0, 0, 0, 0], 2.into()));
    assert_eq!(import(&house, &file, "csv/esb-hdf").1, 1);
    // Other options make another file of it, and what it says is the same.
    let (counts, before) = import(&house, &file, "csv/acme?device=D1");
    assert!(before.is_null() && counts[0] + counts[1] + counts[2] == 2, "{counts:?}");
    house.verified();
}

#[test]
fn a_file_whose_name_is_its_point_is_not_taken_for_another_of_the_same_content() {
    let house = House::new();
    let named = profile("kWh").replace("{ column = \"id\" }", "{ file_name = true }");
    house.says(&["profile", "add", "--name", "named", path(&house.file("n.toml", named))]);
    let content = "at;kwh\n2026-05-01 00:00;0\n";
    for (name, before) in [("one.csv", Value::Null), ("two.csv", Value::Null), ("one.csv", 1.into())] {
        let (counts, seen) = import(&house, &house.file(name, content), "csv/named");
        assert_eq!((counts[0], &seen), (i64::from(before.is_null()), &before), "{name}");
    }
}

#[test]
fn a_new_version_does_not_change_how_a_record_before_it_is_read() {
    let house = House::new();
    let server = house.serve();
    let text = "Content-Type: text/plain\r\n";
    let added = server.post("/v1/profiles?name=acme", text, profile("kWh").as_bytes()).expect("is answered");
    assert_eq!(added.status, 200, "{added:?}");
    send(&server, "one.csv&format=csv/acme", SAMPLE.as_bytes());
    let again = SAMPLE.replace("P1", "P2");
    let sent = server.post("/v1/files?name=two.csv&format=csv/acme", "", again.as_bytes()).expect("is answered");
    assert_eq!(sent.status, 200, "{sent:?}");
    // The second is acknowledged, and perhaps not yet read; the journal has both.
    server.kill();
    house.says(&["profile", "add", "--name", "acme", path(&house.file("v2.toml", profile("MWh")))]);
    let server = house.serve();
    send(&server, "three.csv&format=csv/acme", SAMPLE.replace("P1", "P3").as_bytes());
    send(&server, "four.csv&format=csv/acme@1", SAMPLE.replace("P1", "P4").as_bytes());
    server.stop();
    assert_eq!(units(&house), "format,unit,n\ncsv/acme@1,kWh,6\ncsv/acme@2,MWh,2\n");
    house.verified();
}

#[test]
fn a_profile_is_tried_out_before_anyone_relies_on_it() {
    let house = House::new();
    let (toml, sample) = (house.file("acme.toml", profile("kWh")), house.file("acme.csv", SAMPLE));
    let expected = house.says(&["profile", "test", path(&toml), "--sample", path(&sample)]);
    assert!(expected.ends_with("2 readings, 0 events, 0 refused\n"), "{expected}");
    let lines: Vec<&str> = expected.lines().take(3).collect();
    let good = house.file("good.csv", lines.join("\n"));
    let other = house.file("other.csv", lines.join("\n").replace("2.5", "2.6"));
    let none = house.file("none.csv", "id;at;kwh\nP1;never;1,5\n");
    let test = |arguments: &[&str]| {
        let output = house.run(&[&["profile", "test", path(&toml), "--sample"], arguments].concat());
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(test(&[path(&sample), "--expect", path(&good)]).0, Some(0));
    let (code, told) = test(&[path(&sample), "--expect", path(&other)]);
    assert!(code == Some(3) && told.contains("2.5"), "{told}");
    let (code, told) = test(&[path(&none)]);
    assert!(code == Some(3) && told.contains("line 2: ") && told.contains("csv.time"), "{told}");
    let (code, told) = test(&[path(&sample), "--options", "zone=Mars"]);
    assert!(code == Some(2) && told.contains("zone"), "{told}");
    assert!(!house.data().exists(), "a trial needs no data directory");

    let server = house.serve();
    let body = serde_json::json!({ "toml": profile("kWh"), "sample": SAMPLE, "expect": lines.join("\n") });
    let tried = server.post("/v1/profiles/test", "Content-Type: application/json\r\n", body.to_string().as_bytes());
    let tried: Value = serde_json::from_str(&tried.expect("is answered").body).expect("JSON");
    assert_eq!((&tried["readings"], &tried["difference"]), (&2.into(), &Value::Null), "{tried}");
    server.stop();
}

#[test]
fn what_is_no_profile_is_told_with_its_line() {
    let house = House::new();
    let server = house.serve();
    let good = profile("kWh");
    for (bad, said) in [
        (good.replace("layout = \"long\"", "layout = \"deep\""), "line 2: "),
        (good.replace("decimal", "decimel"), "line 4: unknown field `decimel`"),
        (good.replace("delimiter = \";\"", "delimiter = \",\""), "line 3: delimiter"),
        (good.replace("zone = \"UTC\"", "zone = \"Mars\""), "line 12: time.zone"),
        (good.replace("interval = \"1h\"\n", ""), "line 7: time.interval"),
        (good.replace("form = \"iso\"", "form = \"iso\"\nform = \"iso\""), "line 10: duplicate key"),
        (good.replace("layout = \"long\"", "layout = \"day\""), "value.column"),
        (format!("{good}x = {}1{}\n", "[".repeat(500), "]".repeat(500)), "line "),
        (format!("{good}# {}", "x".repeat(300_000)), "at most 262144"),
        ("\0".to_owned(), "line 1: "),
    ] {
        let told = server.post("/v1/profiles?name=bad", "Content-Type: text/plain\r\n", bad.as_bytes());
        let told = told.expect("is answered");
        if bad.len() < 200_000 {
            told.expect_problem(400, "profile");
            assert!(told.body.contains(said), "{said}: {}", told.body);
        } else {
            told.expect_problem(413, "body_too_large");
        }
    }
    let add = |name: &str| server.post(&format!("/v1/profiles?name={name}"), "", good.as_bytes()).expect("is answered");
    for name in ["", "A", "a%20b", "-a", "test", "a@2"] {
        add(name).expect_problem(400, "profile");
    }
    add("esb-hdf").expect_problem(409, "profile_built_in");
    let trial = |body: &str| server.post("/v1/profiles/test", "", body.as_bytes()).expect("is answered");
    trial("{}").expect_problem(400, "parameter");
    trial("{\"toml\": \"x\", \"sample\": \"\"}").expect_problem(400, "profile");
    let long = serde_json::json!({ "toml": good, "sample": "x".repeat((1 << 20) + 1) });
    trial(&long.to_string()).expect_problem(413, "body_too_large");
    assert_eq!(ask(&server, "/v1/profiles").as_array().expect("rows").len(), 6, "nothing was kept");
    server.stop();
    let file = house.file("bad.toml", good.replace("decimal", "decimel"));
    let output = house.run(&["profile", "add", path(&file)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("bad.toml: the profile cannot be read: line 4"), "{}", text(&output.stderr));
}

#[test]
fn a_profile_is_listed_and_shown_with_its_versions_here_and_over_http() {
    let house = House::new();
    let (one, two) = (house.file("acme.toml", profile("kWh")), house.file("v2.toml", profile("Wh")));
    house.says(&["profile", "add", path(&one)]);
    let server = house.serve();
    let told = house.says(&server.with(&["--json", "profile", "add", "--name", "acme", path(&two)]));
    assert!(told.contains("\"csv/acme@2\"") && told.contains("\"added_by\":1"), "{told}");
    let there = house.says(&server.with(&["profile", "list"]));
    assert_eq!(house.says(&server.with(&["profile", "show", "acme@1"])), profile("kWh"));
    assert_eq!(house.says(&server.with(&["profile", "show", "acme"])), profile("Wh"));
    assert!(house.says(&server.with(&["profile", "show", "esb-hdf"])).contains("Irish"), "a built-in one");
    server.get("/v1/profiles/acme?version=3").expect("is answered").expect_problem(404, "no_profile");
    server.get("/v1/profiles/none").expect("is answered").expect_problem(404, "no_profile");
    let missing = server.post("/v1/files?name=a&format=csv/acme@3", "", SAMPLE.as_bytes()).expect("is answered");
    missing.expect_problem(404, "no_profile");
    server.stop();
    assert_eq!(house.says(&["profile", "list"]), there);
    assert_eq!(house.says(&["profile", "show", "csv/acme"]), profile("Wh"));
    assert_eq!(house.run(&["profile", "show", "none"]).status.code(), Some(1));
}

/// A name with its options may be longer than most; it must not stop a file at the journal.
#[test]
fn a_format_with_many_options_is_kept_whole() {
    let house = House::new();
    let server = house.serve();
    let format =
        format!("csv/generic-long?unit=kWh&interval=1h&zone=America/Argentina/Buenos_Aires&device={}", "d".repeat(60));
    send(
        &server,
        &format!("a.csv&format={}", format.replace('&', "%26")),
        b"point,start,value\na,2026-05-01T00:00:00,1\n",
    );
    assert_eq!(ask(&server, "/v1/imports/1")["format"], format.as_str());
    assert_eq!(ask(&server, "/v1/imports/1")["accepted"], 1);
    server.stop();
}

/// The reference's examples.
#[test]
fn the_profiles_of_the_reference_read_their_samples() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/profiles.md");
    let page = std::fs::read_to_string(page).expect("the reference is there");
    let blocks = |kind: &str| -> Vec<String> {
        let mark = format!("```{kind}\n");
        page.split(&mark).skip(1).map(|part| part.split("```").next().expect("first").to_owned()).collect()
    };
    let (profiles, samples, expected) = (blocks("toml"), blocks("text"), blocks("csv"));
    assert!(profiles.len() >= 2 && profiles.len() == samples.len() && samples.len() == expected.len());
    let house = House::new();
    for ((profile, sample), expected) in profiles.iter().zip(&samples).zip(&expected) {
        let files =
            [house.file("p.toml", profile), house.file("sample_1.csv", sample), house.file("expected.csv", expected)];
        let [profile, sample, expected] = files.each_ref().map(|file| path(file));
        house.says(&["profile", "test", profile, "--sample", sample, "--expect", expected]);
    }
}

#[test]
fn a_stranger_sees_no_profile_and_a_reader_adds_none() {
    let house = House::new();
    let reader = house.says(&["token", "create", "--scopes", "read"]).trim().to_owned();
    let mut server = house.serve();
    let as_reader =
        |server: &Server, path: &str| server.post(path, "", profile("kWh").as_bytes()).expect("is answered");
    let writer = std::mem::replace(&mut server.token, reader);
    as_reader(&server, "/v1/profiles?name=acme").expect_problem(403, "token_scope");
    server.token = String::new();
    as_reader(&server, "/v1/profiles?name=acme").expect_problem(401, "token_missing");
    server.get("/v1/profiles").expect("is answered").expect_problem(401, "token_missing");
    server.token = writer;
    server.stop();
}
