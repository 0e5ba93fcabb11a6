//! A running server: send, wait, ask, export, drain, and start again.

use crate::street::{House, nem12, path};

#[test]
fn what_a_server_acknowledged_is_answered_and_outlives_it() {
    let house = House::new();
    let server = house.serve();
    let file = house.file("a.csv", nem12("1.5", "20040418203500"));
    let imported = house.says(&server.with(&["import", path(&file)]));
    assert!(imported.contains("48 accepted"), "{imported}");
    let again = house.says(&server.with(&["import", path(&file)]));
    assert!(again.contains("seen before"), "{again}");
    let sum = house.says(&server.with(&["sql", "--format", "csv", "select sum(quantity) as kwh from readings"]));
    assert_eq!(sum, "kwh\n72\n");
    let exported = house.says(&server.with(&["export", "readings"]));
    assert_eq!(exported.lines().count(), 49);
    server.stop();
    assert_eq!(house.says(&["export", "readings"]), exported);
    house.verified();
}

#[test]
fn a_token_of_another_kind_or_none_is_told_so() {
    let house = House::new();
    let writer = house.says(&["token", "create", "--scopes", "write"]).trim().to_owned();
    let server = house.serve();
    let ask = |token: &str| {
        let output = house.run(&["--server", &server.url, "--token", token, "sql", "select 1"]);
        assert!(!output.status.success());
        crate::street::text(&output.stderr)
    };
    assert!(ask(&writer).contains("403"));
    assert!(ask(&format!("mh_{}", "0".repeat(64))).contains("401"));
    assert!(ask("nonsense").contains("401"));
}

#[test]
fn the_demo_holds_exactly_what_the_simulator_delivered() {
    let house = House::new();
    let said = house.says(&["demo", "--homes", "3", "--days", "1", "--listen", "127.0.0.1:0", "--exit"]);
    assert!(said.contains("The simulator delivered"), "{said}");
}
