//! Whole files.

use std::io::{Read, Write};
use std::sync::Arc;

use host::{RealDisk, SimDisk};
use journal::{Content, Settings};
use sha2::{Digest, Sha256};

use crate::house::{House, Request, gzip, keys, limits, small};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_small_file_is_kept_with_its_name_and_hash() {
    let house = House::new();
    let file = b"100,NEM12,200405011135,MDA1,Ret1\n900\n";
    let answer =
        house.ask(&Request::file("name=in%2FMay%202004.csv&format=auto", file).header("Content-Type", "text/csv"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((answer.sequence(), &answer.body["bytes"]), (1, &file.len().into()));
    assert_eq!(answer.body["sha256"], hex(&Sha256::digest(file)));
    let record = &house.records()[0];
    assert_eq!((record.body.object.as_str(), record.body.format.as_str()), ("in/May 2004.csv", ""));
    assert_eq!(record.body.content, Content::Bytes(file.as_slice().into()));
    assert_eq!(house.ask(&Request::file("name=a&format=nem12", file)).status, 200);
    assert_eq!(house.records()[1].body.format, "nem12");
    assert_eq!(house.metric("files_total"), 2);
}

#[test]
fn a_large_file_streams_into_the_archive() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let house = House::on(Arc::new(RealDisk::open(dir.path()).expect("opens")), Settings::default(), limits());
    let file = noise(journal::RECORD_BYTES_MAX + 3_000_000);
    for request in [Request::file("name=large", &file), Request::file("name=large", &file).chunked()] {
        let answer = house.ask(&request);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["sha256"], hex(&Sha256::digest(&file)));
        let Content::Archived { sha256, size } = house.records().last().expect("a record").body.content else {
            panic!("not in the archive")
        };
        assert_eq!(size, file.len() as u64);
        let mut found = Vec::new();
        house.archive.reader(&sha256).expect("is there").read_to_end(&mut found).expect("reads");
        assert!(found == file, "the archive holds something else");
    }
    assert_eq!(house.metric("in_flight_bytes"), 0);
}

#[test]
fn a_large_file_that_breaks_off_leaves_nothing() {
    let disk = SimDisk::new(1);
    let house = House::on(Arc::new(disk.clone()), small(), limits());
    let mut stream = house.connect();
    let file = noise(journal::RECORD_BYTES_MAX + 1_000_000);
    stream.write_all(&Request::file("name=large", &file).head(file.len() + 1)).expect("sends");
    stream.write_all(&file).expect("sends");
    house.wait_until("the archive has begun", |_| disk.files().keys().any(|path| path.starts_with("archive/")));
    drop(stream);
    house.wait_until("the connection ends", |house| house.metric("connections") == 0);
    house.wait_until("the archive is tidied", |_| !disk.files().keys().any(|path| path.starts_with("archive/")));
    assert_eq!(house.records(), []);
    assert_eq!(house.metric("in_flight_bytes"), 0);
}

#[test]
fn a_file_needs_a_name_a_token_and_no_encoding() {
    let house = House::with(ingest::Limits { file_bytes_max: 100_000, ..limits() });
    for (request, status, code) in [
        (Request::file("", b"x"), 400, "file_name"),
        (Request::file("name=", b"x"), 400, "file_name"),
        (Request::file("name=a%0Ab", b"x"), 400, "file_name"),
        (Request::file(&format!("name={}", "%C3%BC".repeat(513)), b"x"), 400, "file_name"),
        (Request::file("name=a&format=nem21", b"x"), 400, "file_format"),
        (Request::file("name=a&format=csv/opendsm?zone=Mars", b"x"), 400, "file_format"),
        (Request::file("name=a&format=csv/none", b"x"), 404, "no_profile"),
        (Request::file("name=a", b""), 400, "body_empty"),
        (Request::file("name=a", &gzip(b"x")).header("Content-Encoding", "gzip"), 415, "content_encoding"),
        (Request::file("name=a", &[7; 100_001]), 413, "file_too_large"),
        (Request::file("name=a", &[7; 100_001]).chunked(), 413, "file_too_large"),
        (Request::file("name=a", b"x").token(&keys().reader), 403, "token_scope"),
        (Request::file("name=a", b"x").header("Authorization", ""), 401, "token_missing"),
    ] {
        house.ask(&request).expect_problem(status, code, false);
    }
    assert_eq!(house.records(), []);
    // Characters count, not bytes: that is what the description can say.
    assert_eq!(house.ask(&Request::file(&format!("name={}", "%C3%BC".repeat(512)), b"x")).status, 200);
}
