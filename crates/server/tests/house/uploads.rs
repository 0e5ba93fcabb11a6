//! Files in pieces, through the whole server: over its death, and in spite of
//! what no client should send.

use crate::street::{House, Server, nem12};
use crate::talking::Reply;

const TUS: &str = "Tus-Resumable: 1.0.0\r\n";

fn ask(server: &Server, request: &str, more: &str, body: &[u8]) -> Reply {
    let more = format!("{TUS}Content-Length: {}\r\n{more}", body.len());
    server.tell(&[server.head(request, &more).as_bytes(), body].concat()).expect("an answer")
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
}

fn begun(server: &Server, length: usize) -> String {
    let more = format!("Upload-Length: {length}\r\nUpload-Metadata: filename bWF5LmNzdg==\r\n");
    let reply = ask(server, "POST /v1/uploads", &more, b"");
    assert_eq!(reply.status, 201, "{reply:?}");
    header(&reply, "location").expect("a place").to_owned()
}

fn piece(server: &Server, place: &str, offset: usize, body: &[u8]) -> Reply {
    let more = format!("Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n");
    ask(server, &format!("PATCH {place}"), &more, body)
}

#[test]
fn a_file_goes_on_after_the_server_died_and_its_readings_count_once() {
    let house = House::new();
    let server = house.serve();
    let file = nem12("1.25", "20040420010203");
    let half = file.len() / 2;
    let place = begun(&server, file.len());
    assert_eq!(piece(&server, &place, 0, &file.as_bytes()[..half]).status, 204);
    server.kill();
    let server = house.serve();
    let there = ask(&server, &format!("HEAD {place}"), "", b"");
    assert_eq!(header(&there, "upload-offset"), Some(&*half.to_string()), "{there:?}");
    let last = piece(&server, &place, half, &file.as_bytes()[half..]);
    let sequence = header(&last, "meterhouse-sequence").unwrap_or_else(|| panic!("{last:?}")).to_owned();
    let counts = "select%20point,%20count(*)%20as%20n%20from%20readings%20group%20by%20point";
    let said = server.get(&format!("/v1/sql?wait={sequence}&format=csv&q={counts}")).expect("an answer");
    assert_eq!(said.without_chunks().body, "point,n\nCCCC123456,48\n");
    server.kill();
    let server = house.serve();
    let again = piece(&server, &place, file.len(), b"");
    assert_eq!(header(&again, "meterhouse-sequence"), Some(sequence.as_str()), "{again:?}");
    let imports = server.get(&format!("/v1/imports?files=true&wait={sequence}")).expect("an answer").without_chunks();
    assert_eq!(imports.body.matches("\"may.csv\"").count(), 1, "{imports:?}");
    server.stop();
    house.verified();
}

#[test]
fn what_is_no_upload_is_refused_and_leaves_nothing() {
    let house = House::new();
    let server = house.serve();
    let place = begun(&server, 1_000);
    piece(&server, &place, 1, b"x").expect_problem(409, "upload_offset");
    piece(&server, &place, 0, &[7; 1_001]).expect_problem(413, "upload_too_long");
    piece(&server, "/v1/uploads/..%2flock", 0, b"x").expect_problem(404, "no_upload");
    ask(&server, &format!("PATCH {place}"), "Upload-Offset: 0\r\n", b"x").expect_problem(415, "content_type");
    ask(&server, "POST /v1/uploads", "", b"").expect_problem(400, "upload_header");
    ask(&server, "POST /v1/uploads", "Upload-Length: 99999999999999\r\n", b"").expect_problem(413, "file_too_large");
    let bare = server.head("POST /v1/uploads", "Content-Length: 0\r\nUpload-Length: 5\r\n");
    server.tell(bare.as_bytes()).expect("an answer").expect_problem(400, "tus_version");
    server.get(&place).expect("an answer").expect_problem(405, "method");
    let cut = server.head(
        &format!("PATCH {place}"),
        &format!(
            "{TUS}Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nTransfer-Encoding: chunked\r\n"
        ),
    );
    let reply = server.tell(format!("{cut}no number\r\n").as_bytes()).expect("an answer");
    reply.expect_problem(400, "body_broke_off");
    assert_eq!(ask(&server, &format!("DELETE {place}"), "", b"").status, 204);
    let uploads = std::fs::read_dir(house.data().join("uploads")).expect("listed");
    assert_eq!(uploads.count(), 0);
    server.stop();
    house.verified();
}
