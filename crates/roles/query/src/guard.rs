//! Which query texts may become plans.
//!
//! Promise: only reading statements pass; a hostile text, however nested or
//! long, ends in an error and never in a stack overflow: it is parsed and
//! planned on a thread whose stack holds [`WORDS_MAX`] levels, and a plan
//! deeper than [`DEPTH_MAX`] goes no further.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, Result};

mod reach;

/// The dialect people know best; in it `end` needs no quotes.
const DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// A list of 10,000 points of 20 characters fits.
pub const SQL_BYTES_MAX: usize = 256 << 10;

/// Words and signs besides commas and constants. Each can deepen a statement by
/// one level, and dropping a level takes below 4 KiB of stack in a debug build.
pub const WORDS_MAX: usize = 4_096;

/// [`WORDS_MAX`] levels of 12 KiB, and room for what the engine does between.
pub const PLANNING_STACK_BYTES: usize = 64 << 20;
const _: () = assert!(PLANNING_STACK_BYTES >= WORDS_MAX * (12 << 10));

/// Levels of parentheses and subqueries the parser follows.
pub const NESTING_MAX: usize = 50;

/// Levels of a plan, expressions included: what runs it has stacks of 2 MiB.
pub const DEPTH_MAX: usize = 200;

/// Expressions and plan steps of a statement once it is planned: a long list of values has as many.
pub const NODES_MAX: usize = 20_000;

/// Tables read by a statement once its `with`s are written out: one that names
/// its predecessor twice doubles them each time.
pub const TABLES_MAX: usize = 500;

/// The one reading statement in the text.
pub(crate) fn statement(sql: &str) -> Result<Statement> {
    check_size(sql)?;
    let failed = |error: DataFusionError| Error::from_engine(&error, 0);
    let mut parser =
        DFParserBuilder::new(sql).with_dialect(&DIALECT).with_recursion_limit(NESTING_MAX).build().map_err(failed)?;
    let mut statements = parser.parse_statements().map_err(failed)?;
    let statement = statements.pop_front().ok_or_else(|| plain("the query is empty; send a select"))?;
    if !statements.is_empty() {
        return Err(plain(&format!("{} statements in one query; send one at a time", statements.len() + 1)));
    }
    check_reads_only(&statement)?;
    check_measure(&statement)?;
    Ok(statement)
}

fn plain(message: &str) -> Error {
    Error::Sql { message: message.into(), place: None }
}

fn too_deep() -> Error {
    let what = format!("the query is nested more than {DEPTH_MAX} levels deep (use in (…) for long or-chains)");
    Error::TooComplex { what, max: DEPTH_MAX }
}

fn check_size(sql: &str) -> Result<()> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(Error::TooComplex { what: format!("the query has {} bytes", sql.len()), max: SQL_BYTES_MAX });
    }
    // What cannot be cut into words fails in the parser with its place.
    let Ok(tokens) = Tokenizer::new(&DIALECT, sql).tokenize() else { return Ok(()) };
    let deepens = |token: &&Token| {
        !matches!(token, Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_))
    };
    let words = tokens.iter().filter(deepens).count();
    if words > WORDS_MAX {
        let what = format!("the query has {words} words and signs besides constants");
        return Err(Error::TooComplex { what, max: WORDS_MAX });
    }
    Ok(())
}

fn check_reads_only(statement: &Statement) -> Result<()> {
    let refused = |what: &str| Err(Error::ReadOnly { what: what.into() });
    match statement {
        Statement::Statement(sql) => match &**sql {
            Sql::Query(_)
            | Sql::ExplainTable { .. }
            | Sql::ShowTables { .. }
            | Sql::ShowColumns { .. }
            | Sql::ShowVariable { .. }
            | Sql::ShowFunctions { .. } => Ok(()),
            other => refused(&first_words(&other.to_string())),
        },
        Statement::Explain(explain) => check_reads_only(&explain.statement),
        Statement::CreateExternalTable(_) => refused("CREATE EXTERNAL TABLE"),
        Statement::CopyTo(_) => refused("COPY"),
        Statement::Reset(_) => refused("RESET"),
    }
}

fn check_measure(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Explain(explain) => check_measure(&explain.statement),
        Statement::Statement(sql) => {
            let reach::Measure { tables, depth } = reach::measure(sql);
            if tables > TABLES_MAX {
                return Err(Error::TooComplex {
                    what: format!("the query reads {tables} tables or more"),
                    max: TABLES_MAX,
                });
            }
            if depth > DEPTH_MAX {
                return Err(too_deep());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `CREATE TABLE`, not the whole statement.
fn first_words(statement: &str) -> String {
    let upper = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase());
    let words: Vec<&str> = statement.split_whitespace().take_while(upper).take(3).collect();
    if words.is_empty() { "this statement".into() } else { words.join(" ") }
}

/// Refuses plans that write, and plans too large to be worked on.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    let options = datafusion::execution::context::SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let mut size = Size { nodes: 0 };
    size.plan(plan, 0).map_err(|e| Error::from_engine(&e, 0))?;
    options.verify_plan(plan).map_err(|e| match Error::from_engine(&e, 0) {
        Error::Sql { message, .. } => Error::ReadOnly { what: message.replace(" not supported", "") },
        other => other,
    })
}

struct Size {
    nodes: usize,
}

impl Size {
    fn plan(&mut self, plan: &LogicalPlan, depth: usize) -> datafusion::error::Result<()> {
        self.count(depth)?;
        plan.apply_expressions(|expr| {
            self.expr(expr, depth + 1)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        plan.inputs().into_iter().try_for_each(|input| self.plan(input, depth + 1))
    }

    fn expr(&mut self, expr: &Expr, depth: usize) -> datafusion::error::Result<()> {
        self.count(depth)?;
        if let Some(subquery) = subquery(expr) {
            self.plan(&subquery.subquery, depth + 1)?;
        }
        expr.apply_children(|child| {
            self.expr(child, depth + 1)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }

    fn count(&mut self, depth: usize) -> datafusion::error::Result<()> {
        self.nodes += 1;
        if depth > DEPTH_MAX {
            return Err(too_deep().into());
        }
        if self.nodes > NODES_MAX {
            return Err(Error::TooComplex { what: "the query's plan has too many steps".into(), max: NODES_MAX }.into());
        }
        Ok(())
    }
}

fn subquery(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(within) => Some(&within.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_only_read_is_refused_by_name() {
        for (sql, named) in [
            ("create table t (a int)", "CREATE TABLE"),
            ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "CREATE EXTERNAL TABLE"),
            ("copy (select 1) to '/tmp/x.csv'", "COPY"),
            ("insert into readings values (1)", "INSERT INTO"),
            ("delete from readings", "DELETE FROM"),
            ("drop table readings", "DROP TABLE"),
            ("create view v as select 1", "CREATE VIEW"),
            ("set datafusion.execution.batch_size = 1", "SET"),
            ("explain insert into readings values (1)", "INSERT INTO"),
        ] {
            match statement(sql) {
                Err(Error::ReadOnly { what }) => assert_eq!(what, named, "{sql}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_long_list_is_one_level_deep() {
        let points = (0..10_000).map(|n| format!("'NMI{n:010}'")).collect::<Vec<_>>().join(", ");
        assert!(statement(&format!("select 1 from readings where point in ({points})")).is_ok());
    }

    #[test]
    fn one_statement_at_a_time() {
        assert!(statement("select 1; select 2").expect_err("two").to_string().starts_with("2 statements"));
        assert!(statement(" ").is_err());
        assert!(statement("select 1;").is_ok());
    }
}
