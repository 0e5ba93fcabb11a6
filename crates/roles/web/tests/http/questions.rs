//! What is asked, and what is answered.

use std::num::NonZeroUsize;
use std::time::Duration;

use journal::{Body, Content, Door, Journal};
use meter::{Sequence, TenantId};
use query::{Limits, SQL_BYTES_MAX};
use tokio::io::AsyncWriteExt;
use web::Seen;

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_in_the_form_it_asks_for() {
    let house = House::new().await;
    let sql = "select 1.50 as q, 'a' as t";
    let json = house.post("/v1/sql", sql).await;
    json.expect_rows("[{\"q\":\"1.5\",\"t\":\"a\"}]\n");
    assert_eq!(json.header("content-type"), Some("application/json"));
    house.post("/v1/sql?format=csv", sql).await.expect_rows("q,t\n1.5,a\n");
    house.get("/v1/sql?format=csv&q=select%201%20as%20x").await.expect_rows("x\n1\n");
    house.get("/v1/sql?format=csv&q=select+1+as+x").await.expect_rows("x\n1\n");
    let body = serde_json::json!({ "sql": sql }).to_string();
    let json = house.ask("POST", "/v1/sql", &house.reader, "Content-Type: application/json\r\n", body.as_bytes()).await;
    json.expect_rows("[{\"q\":\"1.5\",\"t\":\"a\"}]\n");
    let arrow = house.post("/v1/sql?format=arrow", sql).await;
    let rows = arrow::ipc::reader::StreamReader::try_new(&arrow.body[..], None).expect("a stream");
    assert_eq!(rows.map(|batch| batch.expect("whole").num_rows()).sum::<usize>(), 1);
    assert!(house.post("/v1/sql?format=table", sql).await.text().contains("| 1.5 | a |"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_tenant_and_no_other() {
    let house = House::new().await;
    let sql = b"select point from channels";
    let points = async |token: &str| house.ask("POST", "/v1/sql?format=csv", token, "", sql).await;
    points(&house.reader).await.expect_rows("point\nOURS\n");
    points(&house.neighbour).await.expect_rows("point\nTHEIRS\n");
    points(&house.writer).await.expect_problem(403, "token_scope");
    points("").await.expect_problem(401, "token_missing");
    points(&format!("mh_{}", "0".repeat(64))).await.expect_problem(401, "token_unknown");
    house.ask("GET", "/metrics", "", "", b"").await.expect_problem(401, "token_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_says_why_and_what_to_do() {
    let house = House::new().await;
    let wrong =
        async |path: &str, sql: &str, status, code: &str| house.post(path, sql).await.expect_problem(status, code);
    let cause = wrong("/v1/sql", "select point\nfrm channels", 400, "sql").await;
    assert!(cause.starts_with("line 2, column 5: "), "{cause}");
    wrong("/v1/sql", "drop table readings", 403, "read_only").await;
    wrong("/v1/sql", "select sum(x) from (values (9223372036854775807), (1)) t(x)", 400, "overflow").await;
    wrong("/v1/sql?format=xml", "select 1", 400, "parameter").await;
    wrong("/v1/sql?formt=csv", "select 1", 400, "parameter").await;
    wrong("/v1/sql?wait=soon", "select 1", 400, "parameter").await;
    wrong("/v1/sql", "", 400, "sql").await;
    wrong("/v1/sql", &format!("select '{}'", "x".repeat(SQL_BYTES_MAX)), 400, "too_complex").await;
    wrong("/v1/sql", &"x".repeat(8 * SQL_BYTES_MAX), 413, "body_too_large").await;
    house.get("/v1/sql").await.expect_problem(400, "parameter");
    house.ask("PUT", "/v1/sql", &house.reader, "", b"").await.expect_problem(405, "method");
    house.ask("POST", "/v1/sql", &house.reader, "", b"select '\xff'").await.expect_problem(400, "parameter");
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    house.ask("POST", "/v1/sql", &house.reader, json, b"{\"sq\": 1}").await.expect_problem(400, "parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_record_sees_it_or_is_told_to_come_back() {
    let house = House::new().await;
    house.post("/v1/sql?wait=4&format=csv", "select 1 as x").await.expect_rows("x\n1\n");
    for _ in 0..5 {
        house.journal.append(body(b"900")).await.expect("appends");
    }
    let cause = house.post("/v1/sql?wait=5", "select 1").await.expect_problem(503, "not_yet_visible");
    assert!(cause.contains("record 5") && cause.contains("below 5"), "{cause}");
    let moves = house.seen.clone().expect("the role lives");
    let soon = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        moves.send_replace(Seen { below: Sequence(6) });
    });
    house.post("/v1/sql?wait=5&format=csv", "select 1 as x").await.expect_rows("x\n1\n");
    soon.await.expect("sends");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_record_that_was_never_given_out() {
    let house = House::new().await;
    let begun = std::time::Instant::now();
    for never in ["5", "18446744073709551615"] {
        let cause = house.post(&format!("/v1/sql?wait={never}"), "select 1").await.expect_problem(404, "no_record");
        assert!(cause.contains(never) && cause.contains("the newest is 4"), "{cause}");
        house.get(&format!("/v1/latest?wait={never}")).await.expect_problem(404, "no_record");
    }
    assert!(begun.elapsed() < Duration::from_millis(300), "it waited");
}

fn body(content: &[u8]) -> Body {
    let (door, message_id) = (Door::Http, String::new());
    let (format, object) = ("nem12".to_owned(), String::new());
    Body { tenant: TenantId(1), door, format, object, message_id, content: Content::Bytes(content.to_vec().into()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_after_rows_breaks_the_answer_off() {
    let house = House::with(Limits { rows_max: 100_000, ..Limits::default() }).await;
    let sql = "select x from generate_series(1, 1000000) t(x)";
    for format in ["csv", "json", "arrow"] {
        let answer = house.post(&format!("/v1/sql?format={format}"), sql).await;
        assert!(answer.status == 200 && !answer.whole, "{format}: a cut answer must not look whole");
    }
    let few = House::with(Limits { rows_max: 1, ..Limits::default() }).await;
    few.post("/v1/sql", "select x from generate_series(1, 1000) t(x)").await.expect_problem(400, "row_limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_questions_at_a_time_are_sent_away_and_a_hang_up_makes_room() {
    let house = House::with(Limits { queries_max: NonZeroUsize::MIN, ..Limits::default() }).await;
    let mut slow = house.connect().await;
    let sql = "select x from generate_series(1, 100000000) t(x)";
    let head = format!(
        "POST /v1/sql HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{sql}",
        house.reader,
        sql.len()
    );
    slow.write_all(head.as_bytes()).await.expect("sends");
    slow.readable().await.expect("an answer begins");
    house.post("/v1/sql", "select 1").await.expect_problem(503, "busy");
    drop(slow);
    for _ in 0..200 {
        if house.post("/v1/sql?format=csv", "select 1 as x").await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("a question whose asker hung up keeps its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_listed_and_ended_by_its_own_tenant_only() {
    let house = House::new().await;
    let endless = "select count(*) from generate_series(1, 100000000) t(x) cross join generate_series(1, 100000) u(y)";
    let asking = house.post("/v1/sql", endless);
    let ending = async {
        let list = async |token: &str| -> Vec<serde_json::Value> {
            let listed = house.ask("GET", "/v1/queries", token, "", b"").await;
            serde_json::from_slice(&listed.body).expect("JSON")
        };
        let id = loop {
            if let [one] = &list(&house.reader).await[..] {
                assert_eq!(one["sql"], endless);
                break one["id"].as_u64().expect("a number");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(list(&house.neighbour).await.is_empty());
        let path = format!("/v1/queries/{id}");
        house.ask("DELETE", &path, &house.neighbour, "", b"").await.expect_problem(404, "no_query");
        let begun = std::time::Instant::now();
        assert_eq!(house.ask("DELETE", &path, &house.reader, "", b"").await.status, 204);
        while !list(&house.reader).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        begun.elapsed()
    };
    let (answer, took) = tokio::join!(asking, ending);
    answer.expect_problem(409, "cancelled");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_cost_can_be_asked_for_behind_it() {
    let house = House::new().await;
    let sql = house.post("/v1/sql?format=csv", "select point from channels").await;
    for (answer, rows) in [(sql, 1), (house.get("/v1/channels").await, 1), (house.get("/v1/readings").await, 0)] {
        let id = answer.header("meterhouse-query").expect("every answer has one");
        let path = format!("/v1/queries/{id}");
        let told: serde_json::Value = serde_json::from_slice(&house.get(&path).await.body).expect("JSON");
        let figures = [&told["running"], &told["sql"], &told["rows_answered"]];
        assert_eq!(figures, [&false.into(), &serde_json::Value::Null, &rows.into()], "{told}");
        assert!(told["pages_read"].is_u64() && told["bytes_read"].is_u64(), "{told}");
        house.ask("GET", &path, &house.neighbour, "", b"").await.expect_problem(404, "no_query");
        house.ask("DELETE", &path, &house.reader, "", b"").await.expect_problem(404, "no_query");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_is_shown_to_its_own_tenant_only() {
    let house = House::new().await;
    let content = Content::Bytes(b"as it came".to_vec().into());
    let (door, message_id) = (Door::Http, String::new());
    let (format, object) = ("nem12".to_owned(), "day.csv".to_owned());
    let body = Body { tenant: TenantId(1), door, format, object, message_id, content };
    let sequence = house.journal.append(body).await.expect("appends").sequence.0;
    let (raw, import) = (format!("/v1/sources/{sequence}"), format!("/v1/imports/{sequence}"));
    house.get(&raw).await.expect_rows("as it came");
    let waiting: serde_json::Value = serde_json::from_slice(&house.get(&import).await.body).expect("JSON");
    assert_eq!((&waiting["state"], &waiting["bytes"]), (&"waiting".into(), &10.into()), "{waiting}");
    for path in [&raw, &import] {
        let stranger = house.ask("GET", path, &house.neighbour, "", b"").await;
        stranger.expect_problem(404, "no_record");
        house.ask("GET", path, &house.writer, "", b"").await.expect_problem(403, "token_scope");
    }
    let points = async |token: &str| house.ask("GET", "/v1/channels?format=csv", token, "", b"").await;
    assert!(
        points(&house.reader).await.text().contains("OURS") && points(&house.neighbour).await.text().contains("THEIRS")
    );
    assert!(!points(&house.reader).await.text().contains("THEIRS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_told() {
    let house = House::new().await;
    let open = async |house: &House, path: &str| house.ask("GET", path, "", "", b"").await;
    open(&house, "/healthz").await.expect_rows("ok\n");
    open(&house, "/readyz").await.expect_rows("ready\n");
    house.post("/v1/sql", "select 1").await.expect_rows("[{\"Int64(1)\":1}]\n");
    let metrics = house.get("/metrics").await;
    for line in ["meterhouse_query_queries_total 1", "meterhouse_query_rows_total 1", "meterhouse_test_calls_total 1"] {
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_said_once_the_journal_takes_bodies_and_what_it_held_at_the_start_is_visible() {
    let mut house = House::new().await;
    let ask = async |house: &House, path: &str| house.ask("GET", path, "", "", b"").await;
    let waits = async |house: &House, part: &str| {
        let answer = ask(house, "/readyz").await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.text().contains(part), "{}", answer.text());
        assert_eq!(ask(house, "/healthz").await.status, 200);
    };
    let moves = house.seen.clone().expect("the role lives");
    moves.send_replace(Seen { below: Sequence(3) });
    waits(&house, "the process role waits for records 3 to 4").await;
    moves.send_replace(Seen { below: Sequence(5) });
    ask(&house, "/readyz").await.expect_rows("ready\n");

    drop((moves, house.seen.take()));
    waits(&house, "the process role has stopped").await;

    let house = House::new().await;
    house.disk.fail_at(house.disk.operations(), std::io::ErrorKind::Other);
    let body = Body {
        tenant: TenantId(1),
        door: Door::Http,
        format: "nem12".to_owned(),
        object: String::new(),
        message_id: String::new(),
        content: Content::Bytes(b"900".as_slice().into()),
    };
    house.journal.append(body).await.expect_err("the disk fails");
    waits(&house, "the journal has stopped").await;
    let house = House::new().await;
    house.journal.close().await.expect("closes");
    waits(&house, "the server is stopping").await;
}
