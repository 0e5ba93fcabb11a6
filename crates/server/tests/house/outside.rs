//! The lake as other engines see it: DuckDB through the views that `meterhouse
//! view` prints, and deltalake on the bare tables after a fold. Both count and
//! sum what `meterhouse sql` does, in integers.
//!
//! Their Python is named by `METERHOUSE_DUCKDB_PYTHON`, which `.ci/run` sets;
//! without it these tests say so and pass.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::street::{House, nem12, path, shared, text};

const PYTHON: &str = "METERHOUSE_DUCKDB_PYTHON";

/// Of a table of readings, the same words in every engine; by scale, so that every sum is of integers.
const SUMS: &str = "select unit, scale, quality, count(*) as readings, sum(value) as digits \
    from {table} group by unit, scale, quality order by unit, scale, quality";

/// Arguments: the lake, and questions. Standard input: the views.
const DUCKDB: &str = "
import duckdb, duckdb_extension_delta, pathlib, sys
db = duckdb.connect()
home = pathlib.Path(duckdb_extension_delta.__file__).parent
db.execute('SET autoinstall_known_extensions = false')
db.execute(f\"LOAD '{next(home.rglob('delta.duckdb_extension'))}'\")
db.execute(sys.stdin.read())
for question in sys.argv[2:]:
    answer = db.execute(question.replace('{overlay}', f\"delta_scan('{sys.argv[1]}/overlay')\"))
    print(*(column[0] for column in answer.description), sep=',')
    for row in answer.fetchall():
        print(*row, sep=',')
";

/// The same of deltalake, which reads the tables as they lie and no views.
const DELTALAKE: &str = "
import sys
from deltalake import DeltaTable, QueryBuilder
engine = QueryBuilder()
for name in ('readings', 'history', 'overlay'):
    engine.register(name, DeltaTable(f'{sys.argv[1]}/{name}'))
for question in sys.argv[2:]:
    answer = engine.execute(question.replace('{overlay}', 'overlay')).read_all()
    print(*answer.schema.names, sep=',')
    for row in zip(*(answer.column(at).to_pylist() for at in range(answer.num_columns))):
        print(*row, sep=',')
";

const WAITING: &str = "select count(*) as waiting from {overlay}";

fn sums(table: &str) -> String {
    SUMS.replace("{table}", table)
}

fn python() -> Option<String> {
    let python = std::env::var(PYTHON).ok();
    if python.is_none() {
        println!("left out: {PYTHON} is not set; `.ci/run` sets it");
    }
    python
}

/// What an engine answers, one answer below the other.
fn theirs(python: &str, script: &str, house: &House, views: &str, questions: &[&str]) -> String {
    let mut child = Command::new(python)
        .args(["-c", script])
        .arg(house.data().join("lake"))
        .args(questions)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{PYTHON} names {python}, which does not start: {error}"));
    // A script that ends early says why itself.
    let _ = child.stdin.take().expect("piped").write_all(views.as_bytes());
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "{python}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What `meterhouse sql` answers to the same.
fn ours(house: &House) -> String {
    ["readings", "readings_history"].map(|table| house.says(&["sql", "--format", "csv", &sums(table)])).concat()
}

/// The market's files, where they are present, and a pair of which the second corrects the first.
fn import(house: &House, arguments: &[&str]) {
    let pair = [("1.5", "20040418203500"), ("2.25", "20040419203500")];
    let pair = pair.map(|(value, updated)| house.file(&format!("{updated}.csv"), nem12(value, updated)));
    let files = [shared("nem12").unwrap_or_default(), shared("nem13").unwrap_or_default(), pair.to_vec()].concat();
    let files = files.iter().map(|file| path(file));
    house.says(&arguments.iter().copied().chain(["import"]).chain(files).collect::<Vec<_>>());
}

#[test]
fn duckdb_sums_through_our_views_what_we_do_while_corrections_wait() {
    let Some(python) = python() else { return };
    let house = House::new();
    import(&house, &[]);
    let questions = [&sums("readings"), &sums("readings_history"), WAITING];
    let found = theirs(&python, DUCKDB, &house, &house.says(&["view"]), &questions);
    let (found, waiting) = found.split_once("waiting\n").expect("three answers");
    assert!(waiting.trim().parse::<u64>().expect("a count") >= 48, "{waiting} corrections wait");
    assert_eq!(found, ours(&house));
}

#[test]
fn deltalake_sums_the_bare_tables_as_we_do_after_a_fold() {
    let Some(python) = python() else { return };
    let house = House::new();
    let settings = house.file("fold.toml", "[maintain]\nfold_rows = 1\n");
    import(&house, &["--config", path(&settings)]);
    let questions = [&sums("readings"), &sums("history"), WAITING];
    let found = theirs(&python, DELTALAKE, &house, "", &questions);
    let (found, waiting) = found.split_once("waiting\n").expect("three answers");
    assert_eq!(waiting, "0\n", "the import ends with a fold");
    assert_eq!(found, ours(&house));
}
