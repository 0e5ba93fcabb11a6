//! A watched folder, through the whole server and over its death.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::street::{House, Server, nem12, path};

/// A server whose inbox is `inbox` beside the data.
fn serve(house: &House, inbox: &Path) -> Server {
    let settings = house.file("inbox.toml", format!("[inbox]\ndir = {:?}\nquiet_ms = 200\n", path(inbox)));
    house.serve_with(&["--config", path(&settings)])
}

fn wait_for(file: &Path) {
    for _ in 0..600 {
        if file.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} did not come in 30 s", file.display());
}

fn asked(house: &House, server: &Server, sql: &str) -> String {
    house.says(&server.with(&["sql", "--format", "csv", sql]))
}

fn inbox(house: &House) -> PathBuf {
    let inbox = house.dir.path().join("inbox");
    fs::create_dir(&inbox).expect("made");
    inbox
}

#[test]
fn files_laid_into_a_folder_are_read_and_moved_and_counted_once() {
    let house = House::new();
    let inbox = inbox(&house);
    let server = serve(&house, &inbox);
    fs::write(inbox.join("may.csv"), nem12("1.25", "20040420010203")).expect("writes");
    fs::write(inbox.join("noise.bin"), b"\x00\x01\x02nonsense").expect("writes");
    fs::write(inbox.join("empty.csv"), b"").expect("writes");
    fs::write(inbox.join("half.csv.part"), nem12("9", "20040420010203")).expect("writes");
    wait_for(&inbox.join("done/may.csv"));
    for name in ["noise.bin", "empty.csv"] {
        wait_for(&inbox.join(format!("refused/{name}.why.txt")));
    }
    let why = fs::read_to_string(inbox.join("refused/noise.bin.why.txt")).expect("reads");
    assert!(why.contains("the whole source") && why.contains("format.unknown"), "{why}");
    // As after a crash between the journal and the move; the hash is known.
    for name in ["done/may.csv", "refused/noise.bin"] {
        let back = inbox.join(name.split_once('/').expect("a folder").1);
        fs::rename(inbox.join(name), &back).expect("moves back");
        wait_for(&inbox.join(name));
        assert!(!back.exists());
    }
    let counts = "select object, count(*) as n, sum(accepted) as accepted, count(duplicate_of) as again \
                  from sources group by object order by object";
    let expected = "object,n,accepted,again\nempty.csv,1,0,0\nmay.csv,2,48,1\nnoise.bin,2,0,1\n";
    assert_eq!(asked(&house, &server, counts), expected);
    assert!(inbox.join("half.csv.part").exists());
    server.stop();
    house.verified();
}

#[test]
fn a_server_that_dies_over_its_inbox_counts_each_file_once() {
    let house = House::new();
    let inbox = inbox(&house);
    let names: Vec<String> = (0..30).map(|number| format!("{number:02}.csv")).collect();
    for (number, name) in names.iter().enumerate() {
        let file = nem12("1.25", "20040420010203").replace("CCCC123456", &format!("CCCC{number:06}"));
        fs::write(inbox.join(name), file).expect("writes");
    }
    for lives_ms in [230, 330, 450] {
        let server = serve(&house, &inbox);
        std::thread::sleep(Duration::from_millis(lives_ms));
        server.kill();
    }
    let server = serve(&house, &inbox);
    names.iter().for_each(|name| wait_for(&inbox.join("done").join(name)));
    let counts = "select count(*) as n, count(distinct point) as points from readings";
    assert_eq!(asked(&house, &server, counts), "n,points\n1440,30\n");
    assert_eq!(fs::read_dir(inbox.join("done")).expect("listed").count(), 30);
    server.stop();
    house.verified();
}

#[test]
fn a_format_that_is_none_stops_the_start() {
    let house = House::new();
    let settings = house.file("inbox.toml", "[inbox]\ndir = \"inbox\"\nformat = \"nem21\"\n");
    let output = house.run(&["serve", "--listen", "127.0.0.1:0", "--config", path(&settings)]);
    let said = crate::street::text(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("inbox.format") && said.contains("nem21"), "{said}");
}
