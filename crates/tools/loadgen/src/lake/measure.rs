//! What is measured of a lake that stands.
//!
//! Promise: every answer that is timed is compared with the shape as well.

use std::time::Duration;

use anyhow::{Context, ensure};
use meter::Timestamp;
use serde_json::{Map, Value, json};

use crate::ask::{self, Answer};
use crate::server::Server;
use crate::shape::{Shape, Total};

/// May 2024, where the shape has it all, else January 2023.
const MONTHS: [(&str, &str, Timestamp, Timestamp); 2] = [
    ("2024-05-01", "2024-06-01", Timestamp(1_714_521_600_000_000), Timestamp(1_717_200_000_000_000)),
    ("2023-01-01", "2023-02-01", Timestamp(1_672_531_200_000_000), Timestamp(1_675_209_600_000_000)),
];
/// Questions before those that count.
const WARM: usize = 2;
/// Rows of a page of `/v1/latest`, the most there are.
const PAGE: u32 = 10_000;

const COUNTED: [&str; 5] = ["files", "row_groups", "pages", "bytes", "rows"];

/// Times of one question, and what its last one read.
struct Timed {
    times: Vec<Duration>,
    /// Of the server, a question.
    cpu_s: f64,
    read: Map<String, Value>,
}

impl Timed {
    fn median_ms(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
    }

    fn told(&self) -> Value {
        let of = |time: Option<&Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        json!({
            "median_ms": self.median_ms(),
            "least_ms": of(self.times.iter().min()),
            "most_ms": of(self.times.iter().max()),
            "cpu_ms": self.cpu_s * 1e3,
            "read": self.read,
        })
    }
}

/// Asks `question` of each turn and looks at its answer with `fits`.
async fn timed(
    server: &Server,
    runs: usize,
    question: impl Fn(usize) -> Question,
    fits: impl Fn(usize, &Answer) -> anyhow::Result<()>,
) -> anyhow::Result<Timed> {
    let mut timed = Timed { times: Vec::new(), cpu_s: 0.0, read: Map::new() };
    for turn in 0..WARM {
        fits(turn, &question(turn).ask(server).await?)?;
    }
    let before_cpu = server.cost()?.cpu_s;
    let mut before = [0; COUNTED.len()];
    for turn in WARM..WARM + runs {
        if turn + 1 == WARM + runs {
            before = counted(server).await?;
        }
        let answer = question(turn).ask(server).await?;
        fits(turn, &answer)?;
        timed.times.push(answer.took);
    }
    timed.cpu_s = (server.cost()?.cpu_s - before_cpu) / runs as f64;
    let after = counted(server).await?;
    for (place, name) in COUNTED.iter().enumerate() {
        timed.read.insert((*name).to_owned(), (after[place] - before[place]).into());
    }
    Ok(timed)
}

async fn counted(server: &Server) -> anyhow::Result<[u64; COUNTED.len()]> {
    let mut counts = [0; COUNTED.len()];
    for (count, name) in counts.iter_mut().zip(COUNTED) {
        *count = server.counter(&format!("meterhouse_query_scanned_{name}_total")).await?;
    }
    Ok(counts)
}

enum Question {
    Get(String),
    Sql(&'static str, String),
}

impl Question {
    async fn ask(&self, server: &Server) -> anyhow::Result<Answer> {
        match self {
            Question::Get(path) => ask::get(server, path).await,
            Question::Sql(format, sql) => ask::sql(server, format, sql).await,
        }
    }
}

/// Compares every day's count and sum with what was sent.
pub async fn check(server: &Server, shape: &Shape) -> anyhow::Result<()> {
    let sql = "select local_day(start, 'UTC') as day, count(*), sum(value) from readings group by day order by day";
    let answer = ask::sql(server, "csv", sql).await?;
    let expected = shape.by_day();
    let stored = ask::rows(&answer)?;
    ensure!(stored.len() == expected.len(), "{} days are stored, {} were sent", stored.len(), expected.len());
    for (row, (day, total)) in stored.iter().zip(expected) {
        let found = Total { count: row[1].parse()?, digits: row[2].parse()? };
        ensure!(found == total, "day {day} ({}): {found:?} is stored, {total:?} was sent", row[0]);
    }
    Ok(())
}

/// A channel's month, over REST and in SQL.
pub async fn months(server: &Server, shape: &Shape, runs: usize) -> anyhow::Result<Value> {
    let last = shape.at(shape.readings);
    let (from, to, start, end) = MONTHS.into_iter().find(|month| last >= month.3).unwrap_or(MONTHS[1]);
    let channel = |turn: usize| (turn as u32).wrapping_mul(2_654_435_761) % shape.channels;
    let within = |turn| shape.within(channel(turn), start, end);
    let rest = |turn| {
        let point = shape.point(channel(turn));
        Question::Get(format!("/v1/readings?point={point}&from={from}&to={to}&limit=10000"))
    };
    let rest_fits = |turn, answer: &Answer| {
        let page: Value = serde_json::from_slice(&answer.body)?;
        let mut found = Total::default();
        for row in page["rows"].as_array().context("rows")? {
            found.add(row["value"].as_i64().context("a value")?);
        }
        same(found, within(turn))
    };
    let sql = |turn| {
        let point = shape.point(channel(turn));
        let asked = format!(
            "select start, value, quantity from readings \
             where point = '{point}' and start >= '{from}' and start < '{to}' order by start"
        );
        Question::Sql("csv", asked)
    };
    let sql_fits = |turn, answer: &Answer| {
        let mut found = Total::default();
        for row in ask::rows(answer)? {
            found.add(row[1].parse()?);
        }
        same(found, within(turn))
    };
    Ok(json!({
        "month": from,
        "rows": within(0).count,
        "rest": timed(server, runs, rest, rest_fits).await?.told(),
        "sql": timed(server, runs, sql, sql_fits).await?.told(),
    }))
}

fn same(found: Total, sent: Total) -> anyhow::Result<()> {
    ensure!(found == sent, "{found:?} is answered, {sent:?} was sent");
    Ok(())
}

/// Daily sums over all of it, in several spellings.
pub async fn sums(server: &Server, shape: &Shape, runs: usize) -> anyhow::Result<Value> {
    let ways = [
        ("local_day, sum(value)", "local_day(start, 'UTC')", "sum(value)", "1"),
        ("local_day of Berlin, sum(value)", "local_day(start, 'Europe/Berlin')", "sum(value)", "1"),
        ("local_day of Berlin, sum(quantity)", "local_day(start, 'Europe/Berlin')", "sum(quantity)", "1000"),
        ("date_trunc, sum(value)", "date_trunc('day', start)", "sum(value)", "1"),
        ("time_bucket, sum(quantity)", "time_bucket('1 day', start)", "sum(quantity)", "1000"),
    ];
    let mut told = Map::new();
    let all: i64 = shape.by_day().iter().map(|(_, total)| total.digits).sum();
    for (name, day, sum, times) in ways {
        eprintln!("daily sums: {name}");
        // The total of the days is exact whatever the day is.
        let sql = format!(
            "select count(*), cast(sum(total) * {times} as bigint) from \
             (select {day} as day, {sum} as total from readings group by day)"
        );
        let fits = |_, answer: &Answer| {
            let rows = ask::rows(answer)?;
            let total: i64 = rows.first().context("a row")?[1].parse()?;
            ensure!(total == all, "{name}: {total} is answered, {all} was sent");
            Ok(())
        };
        let timed = timed(server, runs, |_| Question::Sql("csv", sql.clone()), fits).await?;
        let mut one = timed.told();
        one["rows_per_s"] = (shape.rows() as f64 / timed.median_ms() * 1e3).into();
        told.insert(name.to_owned(), one);
    }
    Ok(Value::Object(told))
}

/// The latest reading of every channel.
pub async fn latest(server: &Server, shape: &Shape, runs: usize) -> anyhow::Result<Value> {
    let channels = u64::from(shape.channels);
    let all = |_| Question::Sql("arrow", "select channel, start, value, scale from latest".to_owned());
    let count = |_| Question::Sql("csv", "select count(*), sum(value), min(start) from latest".to_owned());
    let digits: i64 = (0..shape.channels).map(|channel| shape.digits(channel, shape.readings - 1)).sum();
    let counts = |_, answer: &Answer| {
        let rows = ask::rows(answer)?;
        let row = rows.first().context("a row")?;
        same(Total { count: row[0].parse()?, digits: row[1].parse()? }, Total { count: channels, digits })
    };
    let page = |_| Question::Get(format!("/v1/latest?limit={PAGE}"));
    let mut told = json!({
        "sql_all_rows": timed(server, runs, all, |_, _| Ok(())).await?.told(),
        "sql_summed": timed(server, runs, count, counts).await?.told(),
        "rest_page": timed(server, runs, page, |_, _| Ok(())).await?.told(),
    });
    for (name, rows) in [("sql_all_rows", channels), ("sql_summed", channels), ("rest_page", channels.min(PAGE.into()))]
    {
        let median_ms = told[name]["median_ms"].as_f64().context("a median")?;
        told[name]["us_per_channel"] = (median_ms * 1e3 / rows as f64).into();
    }
    Ok(told)
}
