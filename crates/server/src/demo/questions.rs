//! Questions to the lake, in SQL like anyone's, and whether it holds the truth.

use anyhow::{Context, ensure};
use simulate::{Medium, STREAMS};

use super::past::Past;
use crate::ask;
use crate::remote::{Remote, escaped};

pub async fn ask(past: &Past, remote: &Remote, last: u64) -> anyhow::Result<()> {
    for (question, sql) in questions(past) {
        println!("\n{question}\n  {sql}\n");
        let path = format!("/v1/sql?format=table&wait={last}&q={}", escaped(&sql));
        println!("{}", String::from_utf8_lossy(&remote.get(&path).await?.good()?));
    }
    for medium in Medium::ALL {
        compare(past, remote, medium).await?;
    }
    Ok(())
}

fn questions(past: &Past) -> Vec<(&'static str, String)> {
    let period = format!("start >= '{}' and start < '{}'", past.from, past.to);
    let recent = past.last_days(3).unwrap_or(past.from);
    vec![
        (
            "What is stored?",
            "select register, kind, count(*) as readings, min(start) as first, max(start) as last \
             from readings group by register, kind order by register, kind"
                .to_owned(),
        ),
        (
            "Which five homes used the most electricity?",
            format!(
                "select point, sum(quantity) as kwh from readings where register = '1-0:1.29.0' \
                 and point like 'home-%' and {period} group by point order by kwh desc limit 5"
            ),
        ),
        (
            "When does the town use it?",
            format!(
                "select date_part('hour', start) as hour_utc, sum(quantity) as kwh from readings \
                 where register = '1-0:1.29.0' and point like 'home-%' and {period} group by hour_utc order by hour_utc"
            ),
        ),
        (
            "Where has water not stopped for three days?",
            format!(
                "select point, min(quantity) as least_m3, sum(quantity) as m3 from readings \
                 where register = '8-0:1.29.0' and start >= '{recent}' and start < '{}' \
                 group by point having min(quantity) > 0 order by m3 desc limit 10",
                past.to
            ),
        ),
    ]
}

/// The simulator knows what every meter counted: all of it must be there, none twice.
async fn compare(past: &Past, remote: &Remote, medium: Medium) -> anyhow::Result<()> {
    let stream = STREAMS[medium.half_hours() as usize];
    let sql = format!(
        "select cast(coalesce(sum(quantity), 0) * 1000 as bigint) as digits from readings where register = '{}' \
         and point like 'home-%' and start >= '{}' and start < '{}'",
        stream.register, past.from, past.to
    );
    let rows = ask::server(remote, &sql, None).await?;
    let stored = rows.first().and_then(|row| row.number("digits")).context("the sum is missing")?;
    let truth = past.metered(medium);
    let unit = if stream.unit == "kWh" { "Wh" } else { "l" };
    println!("{}: the simulator delivered {truth} {unit}, the lake holds {stored} {unit}.", medium.name());
    ensure!(
        stored == truth,
        "the lake and the simulator disagree; if another town lies in this directory, remove it, otherwise please report this"
    );
    Ok(())
}
