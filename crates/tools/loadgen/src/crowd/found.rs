//! Whether what is stored is what was acknowledged, and nothing that was refused.

use std::collections::HashSet;

use super::file::Plan;
use super::slow::{self, Pressed};
use crate::sent::Sent;
use crate::server::Server;
use crate::{ask, check};

#[derive(Debug)]
pub struct Found {
    pub file: bool,
    pub slow: bool,
    pub ordinary: bool,
    /// What does not agree, for people.
    pub wrong: Vec<String>,
}

pub async fn compare(
    server: &Server,
    plan: &Plan,
    sequence: u64,
    pressed: &Pressed,
    sent: &Sent,
) -> anyhow::Result<Found> {
    let mut wrong = Vec::new();
    let file = the_file(server, plan, sequence).await?;
    wrong.extend(file.clone());
    let slow = the_slow(server, pressed).await?;
    wrong.extend(slow.clone());
    let others = format!("point not like '{}' and point not like '{}'", Plan::POINTS, slow::POINTS);
    let ordinary = check::stored_where(server, sent, &others).await;
    wrong.extend(ordinary.as_ref().err().map(|error| format!("posts: {error:#}")));
    Ok(Found { file: file.is_none(), slow: slow.is_none(), ordinary: ordinary.is_ok(), wrong })
}

async fn the_file(server: &Server, plan: &Plan, sequence: u64) -> anyhow::Result<Option<String>> {
    let counted = format!(
        "select sum(accepted), sum(duplicate), sum(corrected), sum(refused) from sources where seq = {sequence}"
    );
    let summed = format!(
        "select count(*), sum(value), min(scale), max(scale) from readings where point like '{}'",
        Plan::POINTS
    );
    let found = (one_row(server, &counted).await?, one_row(server, &summed).await?);
    let (count, digits) = (plan.total.count, plan.total.digits);
    let expected = (format!("{count},0,0,0"), format!("{count},{digits},3,3"));
    let told = format!(
        "file: accepted, duplicate, corrected, refused {} and count, sum, scales {}; sent {} and {}",
        found.0, found.1, expected.0, expected.1
    );
    Ok((found != expected).then_some(told))
}

async fn one_row(server: &Server, query: &str) -> anyhow::Result<String> {
    let answer = ask::sql(server, "csv", query).await?;
    Ok(ask::rows(&answer)?.iter().map(|row| row.join(",")).collect())
}

async fn the_slow(server: &Server, pressed: &Pressed) -> anyhow::Result<Option<String>> {
    let query = format!("select point, count(*) from readings where point like '{}' group by point", slow::POINTS);
    let answer = ask::sql(server, "csv", &query).await?;
    let mut stored = HashSet::new();
    for row in ask::rows(&answer)? {
        let [point, count] = row.as_slice() else { continue };
        if *count != "1" {
            return Ok(Some(format!("slow uploads: {point} is stored {count} times")));
        }
        stored.insert((*point).to_owned());
    }
    let missing = pressed.kept.difference(&stored).count();
    let uninvited = stored.iter().filter(|point| !pressed.kept.contains(*point) && !pressed.unknown.contains(*point));
    let uninvited = uninvited.count();
    let told = format!("slow uploads: {missing} acknowledged are missing, {uninvited} refused are stored");
    Ok((missing + uninvited > 0).then_some(told))
}
