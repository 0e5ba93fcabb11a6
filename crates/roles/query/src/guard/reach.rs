//! How large a statement is before anything is planned.
//!
//! Promise: never less than what the engine will plan: forty lines of `with`,
//! each naming the one before twice, are a trillion tables, and are counted in
//! forty steps. Planning takes the square of an expression's depth in time, so
//! that is measured here as well.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Query, Select, Statement, Visit, Visitor};

/// What was counted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Measure {
    /// Tables read once every `with` is written out; `usize::MAX` where it is more.
    pub tables: usize,
    /// Levels of the deepest expression.
    pub depth: usize,
}

pub(super) fn measure(statement: &Statement) -> Measure {
    let mut reach =
        Reach { named: HashMap::new(), waiting: HashMap::new(), open: vec![Open::default()], depth: 0, deepest: 0 };
    // Never broken off.
    let _ = statement.visit(&mut reach);
    let tables = reach.open.first().map_or(0, |whole| whole.tables);
    Measure { tables, depth: reach.deepest }
}

/// A query that is being looked at.
#[derive(Default)]
struct Open {
    tables: usize,
    selects: usize,
}

struct Reach {
    /// Tables behind a name of a `with`; of equal names the largest.
    named: HashMap<String, usize>,
    /// Queries that stand behind a name, by their place in memory.
    waiting: HashMap<*const Query, String>,
    /// The queries around this place, outermost first.
    open: Vec<Open>,
    /// Expressions around this place, and the most there were.
    depth: usize,
    deepest: usize,
}

impl Reach {
    fn add(&mut self, tables: usize) {
        if let Some(here) = self.open.last_mut() {
            here.tables = here.tables.saturating_add(tables);
        }
    }
}

impl Visitor for Reach {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for named in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.waiting.insert(std::ptr::from_ref(&*named.query), named.alias.name.value.to_lowercase());
        }
        self.open.push(Open::default());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // A select without a table is worth one: it too becomes part of a plan.
        let tables = self.open.pop().map_or(1, |query| query.tables.max(query.selects).max(1));
        match self.waiting.remove(&std::ptr::from_ref(query)) {
            Some(name) => {
                let known = self.named.entry(name).or_insert(0);
                *known = tables.max(*known);
            }
            None => self.add(tables),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        if let Some(here) = self.open.last_mut() {
            here.selects += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let behind = self.named.get(&relation.to_string().trim_matches('"').to_lowercase());
        let tables = behind.copied().unwrap_or(1);
        self.add(tables);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn check(sql: &str, tables: usize) {
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect("parses");
        assert_eq!(measure(&statements[0]).tables, tables, "{sql}");
    }

    #[test]
    fn a_long_sum_is_deep_and_a_long_list_is_not() {
        let depth = |sql: &str| measure(&Parser::parse_sql(&PostgreSqlDialect {}, sql).expect("parses")[0]).depth;
        assert_eq!(depth(&format!("select 1{}", " + 1".repeat(300))), 301);
        assert_eq!(depth(&format!("select a in (1{})", ", 1".repeat(300))), 2);
    }

    #[test]
    fn names_count_as_often_as_they_are_used() {
        check("select 1", 1);
        check("select 1 union all select 2 union all select 3", 3);
        check("select * from a, b join c on true", 3);
        check("select * from (select * from a) x where exists (select 1 from b)", 2);
        check("with x as (select * from a, b) select * from x, x", 4);
        check(
            "with x as (select * from a), y as (select * from x, x), z as (select * from Y, \"y\") select * from z, z",
            8,
        );
        check("select * from (with x as (select * from a, a) select * from x, x) q", 4);
    }

    #[test]
    fn forty_doublings_are_counted_at_once() {
        let mut sql = "with t0 as (select 1)".to_owned();
        for step in 1..70 {
            sql.push_str(&format!(", t{step} as (select * from t{0}, t{0})", step - 1));
        }
        check(&(sql + " select * from t69"), usize::MAX);
    }
}
