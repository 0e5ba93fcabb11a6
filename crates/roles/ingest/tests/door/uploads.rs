//! Files that come in pieces, over several connections and starts.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use host::SimDisk;
use journal::{Content, Door};
use sha2::{Digest, Sha256};

use crate::house::{Answer, House, Request, keys, limits, small};

/// `may.csv`, and its format.
const METADATA: &str = "filename bWF5LmNzdg==,format bmVtMTI=";

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn request(method: &'static str, path: &str, body: &[u8]) -> Request {
    let request = Request { method, path: path.to_owned(), ..Request::readings(body) };
    request.header("Tus-Resumable", "1.0.0").header("Content-Type", "")
}

fn creation(length: usize) -> Request {
    let request = request("POST", "/v1/uploads", b"").header("Upload-Length", &length.to_string());
    request.header("Upload-Metadata", METADATA)
}

fn piece(place: &str, offset: usize, body: &[u8]) -> Request {
    let request = request("PATCH", place, body).header("Content-Type", "application/offset+octet-stream");
    request.header("Upload-Offset", &offset.to_string())
}

fn begun(house: &House, length: usize) -> String {
    let answer = house.ask(&creation(length));
    assert_eq!((answer.status, answer.header("tus-resumable")), (201, Some("1.0.0")), "{answer:?}");
    answer.header("location").expect("a place").to_owned()
}

fn number(answer: &Answer, name: &str) -> Option<u64> {
    answer.header(name).map(|text| text.parse().expect("a number"))
}

/// How much is there, and where it stands.
fn state(house: &House, place: &str) -> (Option<u64>, Option<u64>) {
    let answer = house.ask(&request("HEAD", place, b""));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    (number(&answer, "upload-offset"), number(&answer, "meterhouse-sequence"))
}

#[test]
fn a_file_in_pieces_is_kept_once_and_its_sequence_told_again() {
    let house = House::new();
    let file = noise(200_000);
    let place = begun(&house, file.len());
    assert_eq!(state(&house, &place), (Some(0), None));
    let first = house.ask(&piece(&place, 0, &file[..120_000]));
    assert_eq!((first.status, number(&first, "upload-offset")), (204, Some(120_000)), "{first:?}");
    assert_eq!((state(&house, &place), house.metric("open_uploads")), ((Some(120_000), None), 1));
    let last = house.ask(&piece(&place, 120_000, &file[120_000..]).chunked());
    assert_eq!((last.status, number(&last, "meterhouse-sequence")), (204, Some(1)), "{last:?}");
    assert_eq!(state(&house, &place), (Some(200_000), Some(1)));
    // A sender that did not hear the answer asks for it with nothing.
    let again = house.ask(&piece(&place, 200_000, b""));
    assert_eq!((again.status, number(&again, "meterhouse-sequence")), (204, Some(1)), "{again:?}");
    let records = house.records();
    let body = &records[0].body;
    assert_eq!(
        (records.len(), body.door, body.object.as_str(), body.format.as_str()),
        (1, Door::Http, "may.csv", "nem12")
    );
    let sha256 = Sha256::digest(&file).into();
    assert_eq!(body.content, Content::Archived { sha256, size: 200_000 });
    let mut found = Vec::new();
    std::io::Read::read_to_end(&mut house.archive.reader(&sha256).expect("is there"), &mut found).expect("reads");
    assert!(found == file, "the archive holds something else");
    assert_eq!((house.metric("open_uploads"), house.metric("in_flight_bytes"), house.metric("files_total")), (0, 0, 1));
}

#[test]
fn a_piece_that_breaks_off_is_kept_as_far_as_it_came() {
    let house = House::new();
    let file = noise(100_000);
    let place = begun(&house, file.len());
    let mut stream = house.connect();
    stream.write_all(&piece(&place, 0, &file).head(file.len())).expect("sends");
    stream.write_all(&file[..60_000]).expect("sends");
    stream.shutdown(Shutdown::Write).expect("half closes");
    if let Some(answer) = Answer::read(&mut stream) {
        answer.expect_problem(400, "body_broke_off", false);
    }
    house.wait_until("the piece is kept", |house| state(house, &place).0 == Some(60_000));
    // The sender before may still be on its way out.
    house.wait_until("the rest is taken", |house| house.ask(&piece(&place, 60_000, &file[60_000..])).status == 204);
    assert_eq!(state(&house, &place), (Some(100_000), Some(1)));
}

#[test]
fn an_upload_goes_on_after_a_start_and_is_remembered_when_finished() {
    let disk = SimDisk::new(1);
    let file = noise(50_000);
    let house = House::on(Arc::new(disk.clone()), small(), limits());
    let (open, done) = (begun(&house, file.len()), begun(&house, file.len()));
    assert_eq!(house.ask(&piece(&open, 0, &file[..10_000])).status, 204);
    assert_eq!(number(&house.ask(&piece(&done, 0, &file)), "meterhouse-sequence"), Some(1));
    drop(house);
    let house = House::on(Arc::new(disk.power_cycle(3)), small(), limits());
    assert_eq!(state(&house, &done), (Some(50_000), Some(1)));
    assert_eq!(state(&house, &open), (Some(10_000), None));
    let last = house.ask(&piece(&open, 10_000, &file[10_000..]));
    assert_eq!(number(&last, "meterhouse-sequence"), Some(2), "{last:?}");
}

#[test]
fn an_upload_can_be_given_up() {
    let disk = SimDisk::new(1);
    let house = House::on(Arc::new(disk.clone()), small(), limits());
    let place = begun(&house, 1_000);
    assert_eq!(house.ask(&piece(&place, 0, &[7; 500])).status, 204);
    assert_eq!(house.ask(&request("DELETE", &place, b"")).status, 204);
    assert_eq!(house.ask(&request("HEAD", &place, b"")).status, 404);
    house.ask(&piece(&place, 500, &[7; 500])).expect_problem(404, "no_upload", false);
    assert!(!disk.files().keys().any(|path| path.starts_with("uploads/")), "{:?}", disk.files().keys());
    assert_eq!(house.records(), []);
}

#[test]
fn what_is_no_upload_is_told_why() {
    let house = House::with(ingest::Limits { file_bytes_max: 100_000, ..limits() });
    let place = begun(&house, 1_000);
    assert_eq!(house.ask(&piece(&place, 0, &[7; 100])).status, 204);
    let nowhere = format!("/v1/uploads/{}", "0".repeat(32));
    for (request, status, code) in [
        (creation(10).header("Tus-Resumable", ""), 400, "tus_version"),
        (creation(10).header("Tus-Resumable", "0.2.2"), 412, "tus_version"),
        (creation(10).header("Upload-Length", ""), 400, "upload_header"),
        (creation(10).header("Upload-Length", "-1"), 400, "upload_header"),
        (creation(10).header("Upload-Length", "+1"), 400, "upload_header"),
        (creation(10).header("Upload-Length", "99999999999999999999"), 400, "upload_header"),
        (creation(0), 400, "body_empty"),
        (creation(100_001), 413, "file_too_large"),
        (creation(10).header("Upload-Metadata", ""), 400, "file_name"),
        (creation(10).header("Upload-Metadata", "filename ???"), 400, "upload_header"),
        (creation(10).header("Upload-Metadata", "filename YQpi"), 400, "file_name"),
        (creation(10).header("Upload-Metadata", &format!("filename {}", "YWFh".repeat(200))), 400, "file_name"),
        (creation(10).header("Upload-Metadata", "filename YQ==,format Y3N2L25vbmU="), 404, "no_profile"),
        (creation(10).header("Upload-Metadata", &format!("filename {}", "YWFh".repeat(2_100))), 400, "upload_header"),
        (creation(10).header("Upload-Metadata", "filename YQ==,format bmVtMjE="), 400, "file_format"),
        (creation(10).header("Authorization", ""), 401, "token_missing"),
        (creation(10).token(&keys().reader), 403, "token_scope"),
        (piece(&place, 99, b"x"), 409, "upload_offset"),
        (piece(&place, 101, b"x"), 409, "upload_offset"),
        (piece(&place, 100, b"x").header("Upload-Offset", "x"), 400, "upload_header"),
        (piece(&place, 100, b"x").header("Content-Type", "text/csv"), 415, "content_type"),
        (piece(&place, 100, b"x").header("Content-Encoding", "gzip"), 415, "content_type"),
        (piece(&place, 100, &[7; 901]), 413, "upload_too_long"),
        (piece(&nowhere, 0, b"x"), 404, "no_upload"),
        (piece("/v1/uploads/..%2F..%2Flock", 0, b"x"), 404, "no_upload"),
        (piece(&place, 100, b"x").token(&keys().neighbour), 404, "no_upload"),
        (request("DELETE", &place, b"").token(&keys().neighbour), 404, "no_upload"),
    ] {
        let answer = house.ask(&request);
        answer.expect_problem(status, code, false);
        assert_eq!(answer.header("tus-resumable"), Some("1.0.0"), "{answer:?}");
    }
    house.ask(&piece(&place, 100, &[7; 901]).chunked()).expect_problem(413, "upload_too_long", false);
    assert_eq!(house.ask(&request("OPTIONS", "/v1/uploads", b"")).header("tus-max-size"), Some("100000"));
    assert_eq!(house.records(), []);
    assert_eq!(house.metric("in_flight_bytes"), 0);
}

#[test]
fn uploads_are_bounded_in_number_and_bytes() {
    let house = House::new();
    for _ in 0..4 {
        begun(&house, 1_000);
    }
    house.ask(&creation(1_000)).expect_problem(429, "uploads_open", true);
    let neighbour = house.ask(&creation(1_000).token(&keys().neighbour));
    assert_eq!(neighbour.status, 201, "{neighbour:?}");
    house.ask(&creation(8 << 20).token(&keys().neighbour)).expect_problem(503, "uploads_full", true);
}

#[test]
fn two_senders_of_one_upload_do_not_mix() {
    let house = House::new();
    let place = begun(&house, 1_000);
    let mut slow = house.connect();
    slow.write_all(&piece(&place, 0, &[1; 500]).head(500)).expect("sends");
    house.wait_until("the first is at work", |house| house.metric("in_flight_bytes") > 0);
    house.ask(&piece(&place, 0, &[2; 500])).expect_problem(423, "upload_locked", true);
    slow.write_all(&[1; 500]).expect("sends");
    assert_eq!(Answer::read(&mut slow).expect("an answer").status, 204);
    assert_eq!(house.ask(&piece(&place, 500, &[1; 500])).status, 204);
    assert_eq!(house.records().len(), 1);
}

#[test]
fn an_upload_left_alone_is_forgotten() {
    let disk = SimDisk::new(1);
    let mut settings = crate::house::upload_settings();
    settings.expire_after = Duration::from_millis(1);
    let house = House::on(Arc::new(disk.clone()), small(), limits());
    let place = begun(&house, 1_000);
    assert_eq!(house.ask(&piece(&place, 0, &[7; 500])).status, 204);
    drop(house);
    let house = House::uploading(Arc::new(disk), small(), limits(), settings);
    house.runtime.spawn(ingest::tend(house.intake.clone()));
    house.wait_until("it is forgotten", |house| house.metric("open_uploads") == 0);
    house.ask(&piece(&place, 500, &[7; 500])).expect_problem(404, "no_upload", false);
}

#[test]
fn a_full_disk_stops_an_upload_and_room_lets_it_go_on() {
    let disk = SimDisk::new(1);
    let house = House::on(Arc::new(disk.clone()), small(), limits());
    let file = noise(300_000);
    let place = begun(&house, file.len());
    let used: usize = disk.files().values().map(Vec::len).sum();
    disk.set_capacity(Some(used as u64 + 100_000));
    house.ask(&piece(&place, 0, &file)).expect_problem(503, "disk_full", true);
    disk.set_capacity(None);
    let (offset, _) = state(&house, &place);
    let offset = usize::try_from(offset.expect("an offset")).expect("small");
    let last = house.ask(&piece(&place, offset, &file[offset..]));
    assert_eq!(number(&last, "meterhouse-sequence"), Some(1), "{last:?}");
}

#[test]
fn an_upload_whose_bytes_are_in_doubt_is_given_up() {
    let disk = SimDisk::new(1);
    let house = House::on(Arc::new(disk.clone()), small(), limits());
    let place = begun(&house, 1_000);
    // The write of the piece, then its sync.
    disk.fail_at(disk.operations() + 1, ErrorKind::Other);
    house.ask(&piece(&place, 0, &[7; 500])).expect_problem(500, "disk", false);
    house.ask(&piece(&place, 0, &[7; 500])).expect_problem(404, "no_upload", false);
    assert_eq!(house.records(), []);
}

#[test]
fn a_whole_upload_is_finished_though_its_sender_never_comes_back() {
    let disk = SimDisk::new(1);
    let house = House::on(Arc::new(disk.clone()), small(), limits());
    let file = noise(1_000);
    let place = begun(&house, file.len());
    // The bytes, their sync, five steps for the facts; then the archive finds no disk.
    disk.fail_at(disk.operations() + 7, ErrorKind::StorageFull);
    house.ask(&piece(&place, 0, &file)).expect_problem(503, "journal_busy", true);
    assert_eq!((house.records().len(), house.metric("open_uploads")), (0, 1));
    house.runtime.spawn(ingest::tend(house.intake.clone()));
    house.wait_until("it is finished", |house| house.metric("open_uploads") == 0);
    assert_eq!(house.records().len(), 1);
    assert_eq!(state(&house, &place), (Some(1_000), Some(1)));
}

/// Sends what is missing, as a client does that knows nothing but the place; the
/// sequences it was told, by the last piece and whenever it asked again.
fn send_all(house: &House, place: &str, file: &[u8]) -> Vec<u64> {
    let mut told = Vec::new();
    while told.len() < 3 {
        let answer = house.ask(&request("HEAD", place, b""));
        told.extend(number(&answer, "meterhouse-sequence"));
        let Some(offset) = number(&answer, "upload-offset").filter(|_| answer.status == 200) else { break };
        let offset = usize::try_from(offset).expect("small");
        let end = file.len().min(offset + 4_000);
        let answer = house.ask(&piece(place, offset, &file[offset..end]));
        told.extend(number(&answer, "meterhouse-sequence"));
        match answer.status {
            204 => {}
            // Someone finishes it; it is asked about again.
            423 => std::thread::sleep(Duration::from_millis(5)),
            _ => break,
        }
    }
    told
}

#[test]
fn whatever_operation_the_power_fails_in_a_file_is_kept_once() {
    let file = noise(7_000);
    let start_on = |disk: &SimDisk| House::on(Arc::new(disk.clone()), small(), limits());
    let disk = SimDisk::new(1);
    let house = start_on(&disk);
    let place = begun(&house, file.len());
    let start = disk.operations();
    assert_eq!(send_all(&house, &place, &file), [1, 1, 1]);
    let operations = start..disk.operations();
    assert!(operations.end - start >= 15, "{operations:?} for two pieces and an end");
    for at in operations {
        let disk = SimDisk::new(1);
        let house = start_on(&disk);
        let place = begun(&house, file.len());
        disk.crash_at(at);
        let told = send_all(&house, &place, &file);
        drop(house);
        for seed in [0, 1, at + 2] {
            let left = disk.power_cycle(seed);
            let house = start_on(&left);
            house.runtime.spawn(ingest::tend(house.intake.clone()));
            let now = send_all(&house, &place, &file);
            let case = format!("power failed at operation {at}, seed {seed}: told {told:?}, then {now:?}");
            assert!(!now.is_empty() && now.iter().chain(&told).all(|sequence| *sequence == 1), "{case}");
            let records = house.records();
            assert_eq!(records.len(), 1, "{case}");
            let sha256 = Sha256::digest(&file).into();
            assert_eq!(records[0].body.content, Content::Archived { sha256, size: 7_000 }, "{case}");
            let mut found = Vec::new();
            std::io::Read::read_to_end(&mut house.archive.reader(&sha256).expect(&case), &mut found).expect(&case);
            assert!(found == file, "{case}");
        }
    }
}
