//! The shipped views against our own answers, in DuckDB if there is one.

use std::path::Path;
use std::process::Command;

use host::RealDisk;

use super::*;
use crate::{Snapshot, outside_view_over};

/// A Python that can `import duckdb`; without it the comparison is left out.
const PYTHON: &str = "METERHOUSE_DUCKDB_PYTHON";

const QUERY: &str = "
import duckdb, sys
db = duckdb.connect()
db.execute(\"SET TimeZone = 'UTC'\")
db.execute(sys.stdin.read())
for view in ('readings', 'readings_history'):
    print(view)
    rows = db.execute(f'''SELECT tenant, channel, epoch_us(start), span, epoch_us(message_time), epoch_us(issued_at),
        value::HUGEINT * ('1' || repeat('0', 18 - scale))::HUGEINT, unit_code,
        CASE WHEN unit_code = 255 THEN unit ELSE '' END, quality, reason, flags & 1024 FROM {view} ORDER BY ALL''')
    for row in rows.fetchall():
        print(*row, sep='|')
";

#[tokio::test]
async fn duckdb_sees_what_we_see_while_corrections_wait() {
    let Ok(python) = std::env::var(PYTHON) else {
        println!("left out: {PYTHON} is not set");
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(RealDisk::open(dir.path()).expect("a directory"));
    let clock = Arc::new(ManualClock::new(Timestamp(BEGIN)));
    let lake = Lake::open(disk, clock, "lake", "e1").await.expect("an empty disk");
    let mut world = World { disk: SimDisk::new(0), lake, words: Words::new() };
    let mut chance = host::Seeded::new(20);
    let mut draw = |limit: u64| i64::try_from(chance.below(limit)).expect("small");
    for sequence in 1..=8 {
        let said: Vec<Said> = (0..60)
            .map(|_| Said {
                channel: draw(3),
                slot: draw(10),
                message: draw(3),
                issued: 2 + draw(3),
                value: draw(3) - 1,
                trailing_zero: draw(2) == 0,
                unit: ["kWh", "KWH", "Wh", "sheep", "cows"][usize::try_from(draw(5)).expect("small")],
                quality: ["A", "E"][usize::try_from(draw(2)).expect("small")],
            })
            .collect();
        world.record(sequence, &said).await.expect("room enough");
        if sequence % 3 == 0 {
            world.lake.fold().await.expect("folds");
        }
        compare(&world.lake.snapshot(), dir.path(), &python);
    }
    assert!(!world.lake.snapshot().files(Table::Overlay).is_empty(), "corrections wait");
}

fn compare(snapshot: &Snapshot, dir: &Path, python: &str) {
    let view = outside_view_over(|table| {
        let files: Vec<String> = snapshot
            .files(table)
            .iter()
            .map(|f| format!("'{}/lake/{}/{}'", dir.display(), table.name(), f.path))
            .collect();
        match files.is_empty() {
            // Columns without rows.
            true => format!("(SELECT * FROM read_parquet('{}/lake/readings/**/*.parquet') LIMIT 0)", dir.display()),
            false => format!("read_parquet([{}])", files.join(", ")),
        }
    });
    let mut child = Command::new(python)
        .args(["-c", QUERY])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), view.as_bytes()).expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success());
    let mut expected = String::new();
    for (name, table) in [("readings", ScanTable::Readings), ("readings_history", ScanTable::ReadingsHistory)] {
        expected.push_str(&format!("{name}\n"));
        for (key, message, issued, (value, unit, unknown, quality, reason)) in seen(snapshot, &ScanRequest::all(table))
        {
            let key = format!("{}|{}|{}|{}", key.tenant.0, key.channel.0, key.start.0, key.span.0);
            expected.push_str(&format!("{key}|{message}|{issued}|{value}|{unit}|{unknown}|{quality}|{reason}|0\n"));
        }
    }
    let found = String::from_utf8(output.stdout).expect("text");
    assert_eq!(found, expected);
}
