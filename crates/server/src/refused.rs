//! `meterhouse refused`: what was not understood, and where it stands.

use std::process::ExitCode;

use crate::ask::Asked;
use crate::cli::{self, Common};
use crate::settings::Settings;
use crate::{output, sql};

pub async fn refused(common: Common, settings: Settings, command: cli::Refused) -> anyhow::Result<ExitCode> {
    match command {
        cli::Refused::List => {
            let query = "select r.seq, s.object, s.format, r.code, count(*) as refusals \
                from refused r join (select seq, max(object) as object, max(format) as format from sources group by seq) s \
                on r.seq = s.seq group by r.seq, s.object, s.format, r.code order by r.seq, r.code";
            let rows = sql::ask(&common, &settings, query).await?;
            print(&rows, &["seq", "object", "format", "code", "refusals"], common.json);
        }
        cli::Refused::Show { source } => {
            let query = format!(
                "select place_kind, place, code, reason, excerpt from refused where seq = {source} order by ordinal"
            );
            let rows = sql::ask(&common, &settings, &query).await?;
            show(&rows, common.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One refusal, of the columns `place_kind`, `place`, `reason` and `code`.
pub fn sentence(row: &Asked) -> String {
    let place = match row.text("place_kind").as_str() {
        "whole" => "the whole source".to_owned(),
        kind => format!("{kind} {}", row.text("place")),
    };
    format!("{place}: {} ({})", row.text("reason"), row.text("code"))
}

fn print(rows: &[Asked], columns: &[&str], json: bool) {
    if json {
        let values: Vec<serde_json::Value> = rows.iter().map(|row| row.json(columns)).collect();
        println!("{}", serde_json::Value::Array(values));
        return;
    }
    let mut table = vec![columns.iter().map(|column| (*column).to_owned()).collect()];
    table.extend(rows.iter().map(|row| columns.iter().map(|column| row.text(column)).collect::<Vec<_>>()));
    print!("{}", output::table(&table));
    if rows.is_empty() {
        eprintln!("nothing was refused");
    }
}

fn show(rows: &[Asked], json: bool) {
    if json {
        print(rows, &["place_kind", "place", "code", "reason", "excerpt"], true);
        return;
    }
    for row in rows {
        println!("{}", sentence(row));
        println!("    {}", row.text("excerpt"));
    }
    if rows.is_empty() {
        eprintln!("nothing was refused in this source, or there is no such source");
    }
}
