//! Files in: counted once, corrected by message time, the same in any order.

use crate::rest::{ask, large_file, pages, send};
use crate::street::{House, nem12, path, shared, text};

#[test]
fn a_file_imported_twice_changes_nothing_and_is_said_so() {
    let house = House::new();
    let file = house.file("a.csv", nem12("1.5", "20040418203500"));
    assert_eq!(house.import(&file), [48, 0, 0, 0]);
    let before = house.verified();
    let again = house.says(&["import", path(&file)]);
    assert!(again.contains("seen before as source 1, nothing changed"), "{again}");
    assert_eq!(house.verified()["state_hash"], before["state_hash"]);
}

#[test]
fn a_correction_stands_whatever_comes_after_it_and_both_versions_are_readable() {
    let house = House::new();
    let a = nem12("1.5", "20040418203500");
    let first = house.file("a.csv", &a);
    let correcting = house.file("b.csv", nem12("2.5", "20040419203500"));
    let resaved = house.file("a_resaved.csv", a.replace('\n', "\r\n"));
    assert_eq!(house.import(&first), [48, 0, 0, 0]);
    assert_eq!(house.import(&correcting), [0, 0, 48, 0]);
    assert_eq!(house.import(&first), [0, 0, 0, 0]);
    assert_eq!(house.import(&resaved), [0, 48, 0, 0]);
    let sums =
        "select (select sum(quantity) from readings) as now, (select sum(quantity) from readings_history) as before";
    assert_eq!(house.says(&["sql", "--format", "csv", sums]), "now,before\n120,72\n");
    house.verified();
}

#[test]
fn an_older_version_that_comes_late_does_not_stand() {
    let house = House::new();
    let newer = house.file("b.csv", nem12("2.5", "20040419203500"));
    let older = house.file("a.csv", nem12("1.5", "20040418203500"));
    assert_eq!(house.import(&newer), [48, 0, 0, 0]);
    assert_eq!(house.import(&older), [0, 0, 48, 0]);
    assert_eq!(house.says(&["sql", "--format", "csv", "select sum(quantity) as now from readings"]), "now\n120\n");
}

/// Ten orders, so that hardly any two files always come in the same one.
const ORDERS: u64 = 10;

#[test]
fn all_files_together_end_in_the_same_state_in_any_order() {
    let Some(files) = shared("nem12") else { return };
    let mut states = Vec::new();
    for order in 0..ORDERS {
        let house = House::new();
        let mut files = files.clone();
        host::Seeded::new(order).shuffle(&mut files);
        let arguments: Vec<&str> = std::iter::once("import").chain(files.iter().map(|file| path(file))).collect();
        house.says(&arguments);
        let report = house.verified();
        states.push((report["state_hash"].clone(), report["readings"].clone(), report["earlier_versions"].clone()));
    }
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
}

#[test]
fn an_export_gives_back_the_digits_that_came_in() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("19.150", "20040418203500")));
    let export = house.says(&["export", "readings", "--format", "csv", "--point", "CCCC123456"]);
    let mut lines = export.lines();
    assert_eq!(lines.next(), Some("point,device,register,start,end,value,unit,quality,reason"));
    assert_eq!(lines.next(), Some("CCCC123456,METSER123,E1,2004-04-16T14:00:00Z,2004-04-16T14:30:00Z,19.150,kWh,A,"));
    assert_eq!(lines.count(), 47);
    let parsed = house.says(&["parse", path(&house.dir.path().join("a.csv"))]);
    assert_eq!(parsed, export);
}

#[test]
fn a_file_without_its_header_commits_no_reading_and_says_why() {
    let house = House::new();
    let headless = nem12("1", "20040418203500").split_once('\n').expect("lines").1.to_owned();
    let file = house.file("headless.csv", headless);
    assert_eq!(house.import(&file), [0, 0, 0, 1]);
    assert_eq!(house.run(&["import", path(&house.file("again.csv", "200,X\n"))]).status.code(), Some(3));
    let shown = house.says(&["refused", "show", "1"]);
    assert!(shown.contains("line 1") && shown.contains("nem12.no_header"), "{shown}");
    assert!(house.says(&["refused", "list"]).contains("headless.csv"));
}

#[test]
fn the_latest_is_what_stands_and_is_known_again_after_a_start() {
    let house = House::new();
    house.import(&house.file("a.csv", nem12("1.5", "20040418203500")));
    let latest = ["sql", "--format", "csv", "select start, quantity from latest"];
    let said = house.says(&latest);
    assert_eq!(said, "start,quantity\n2004-04-17T13:30:00Z,1.5\n");
    house.import(&house.file("b.csv", nem12("2.5", "20040419203500")));
    assert_eq!(house.says(&latest), said.replace("1.5", "2.5"));
    let checkpoint = house.data().join("state/channels");
    std::fs::remove_file(&checkpoint).expect("was written at the end");
    assert_eq!(house.says(&latest), said.replace("1.5", "2.5"));
}

#[test]
fn hours_said_again_in_quarters_are_flagged_in_either_order() {
    let halves = nem12("1.5", "20040418203500");
    let quarters = halves.replace(",kWh,30,", ",kWh,15,").replace(&["1.5"; 48].join(","), &["0.75"; 96].join(","));
    for files in [[&halves, &quarters], [&quarters, &halves]] {
        let house = House::new();
        for (place, file) in files.into_iter().enumerate() {
            assert_eq!(house.import(&house.file(&format!("{place}.csv"), file))[2..], [0, 0], "nothing is corrected");
        }
        let said = house.says(&[
            "sql",
            "--format",
            "csv",
            "select span_us, flags, count(*), sum(quantity) from readings group by span_us, flags order by span_us",
        ]);
        let rows: Vec<&str> = said.lines().skip(1).collect();
        assert_eq!(rows, ["900000000,0,96,72", "1800000000,512,48,72"]);
        let earlier = house.says(&["sql", "--format", "csv", "select count(*) as n from readings_history"]);
        assert_eq!(earlier, "n\n0\n", "a flag is no version");
    }
}

#[test]
fn a_table_is_read_by_its_profile_and_a_name_of_none_is_told_so() {
    let house = House::new();
    let table = "MPRN,Meter Serial Number,Read Value,Read Type,Read Date and End Time\n\
        1001,M7,0.25,Active Import Interval (kWh),27-10-2024 01:30\n\
        1001,M7,0.125,Active Import Interval (kWh),27-10-2024 01:00\n\
        1001,M7,x,Active Import Interval (kWh),27-10-2024 00:30\n";
    let file = house.file("hdf.csv", table);
    assert_eq!(house.import(&file), [2, 0, 0, 1]);
    let said = house.says(&["sql", "--format", "csv", "select start, quantity from readings order by start"]);
    // The autumn's hour: newest first, so the first of what the clock shows twice is the later.
    assert_eq!(said, "start,quantity\n2024-10-27T00:30:00Z,0.125\n2024-10-27T01:00:00Z,0.25\n");
    let output = house.run(&["import", "--format", "csv/nobody", path(&file)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("csv/nobody") && text(&output.stderr).contains("profile list"), "{output:?}");
}

#[test]
fn a_page_of_imports_has_each_of_its_records_whole_and_no_other() {
    let house = House::new();
    let server = house.serve();
    // More months than a chunk may touch: several rows of `sources`.
    let day = nem12("1.5", "20140418203500");
    let days = (0..130).map(|month| format!("300,{}{:02}17", 2001 + month / 12, 1 + month % 12));
    let days: Vec<String> =
        days.map(|date| day.lines().nth(2).expect("a day").replace("300,20040417", &date)).collect();
    let long = day.replace(day.lines().nth(2).expect("a day"), &days.join("\n"));
    assert_eq!(send(&server, "long.csv", long.as_bytes()), 1);
    let line = server.post("/write?precision=s", "", b"power,point=P1 value=1 1700000000\n").expect("is answered");
    assert_eq!(line.status, 204, "{line:?}");
    for number in 0..4 {
        send(&server, &format!("{number}.csv"), nem12(&number.to_string(), "20040418203500").as_bytes());
    }
    let chunks = server.post("/v1/sql?format=csv", "", b"select count(*) > 1 as many from sources where seq = 1");
    assert!(chunks.expect("is answered").without_chunks().body.ends_with("true\n"), "the file is one chunk");
    let whole = pages(&server, "/v1/imports", 1_000);
    let seqs: Vec<_> = whole.iter().map(|row| row["seq"].as_i64().expect("a number")).collect();
    assert_eq!(seqs, [6, 5, 4, 3, 2, 1]);
    assert_eq!((&whole[5]["accepted"], &whole[5]["state"]), (&(130 * 48).into(), &"read".into()), "{}", whole[5]);
    for limit in 1..=7 {
        assert_eq!(pages(&server, "/v1/imports", limit), whole, "{limit} a page");
    }
    let files: Vec<_> = whole.iter().filter(|row| row["object"] != "").cloned().collect();
    assert_eq!(files.len(), 5);
    assert_eq!(pages(&server, "/v1/imports?files=true", 2), files);
    server.stop();
}

#[test]
fn who_waits_for_a_large_file_sees_how_far_it_is() {
    let house = House::new();
    let server = house.serve();
    let file = large_file();
    let sent = server.post("/v1/files?name=large.csv", "", file.as_bytes()).expect("an answer");
    assert_eq!(sent.sequence(), Some(1), "{sent:?}");
    let (mut before, mut between) = (0, 0);
    loop {
        let import = ask(&server, "/v1/imports/1");
        let read = import["bytes_read"].as_u64().expect("a number");
        assert!(import["bytes"] == file.len() && read <= file.len() as u64 && read >= before, "{before}, {import}");
        between += u32::from(before < read && read < file.len() as u64);
        before = read;
        if import["state"] == "read" {
            assert_eq!(read, file.len() as u64, "{import}");
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(between > 1, "it was not said, or {} bytes are too few to be seen", file.len());
    assert_eq!(pages(&server, "/v1/imports", 1)[0]["bytes_read"], file.len());
    server.stop();
}
