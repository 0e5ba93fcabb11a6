//! Which part of a `where` the lake can answer by itself.
//!
//! Promise: a filter taken over here lets exactly the rows through that the
//! engine would have let through; every other filter is left to the engine.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, Operator, TryCast, expr::InList};
use meter::{ChannelId, Timestamp};

use crate::names::{Channel, Names};

/// What is known about the rows wanted. Nothing known is everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub start_from: Option<Timestamp>,
    pub start_before: Option<Timestamp>,
    /// No channel before it.
    pub channel_from: Option<i64>,
    channels: Option<BTreeSet<i64>>,
    /// All of them have to hold.
    named: Vec<Named>,
}

/// A column of the channel is one of these texts.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    attribute: Attribute,
    texts: BTreeSet<String>,
}

enum List<'a> {
    Channels(&'a BTreeSet<i64>),
    Named(&'a Named),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    Point,
    Register,
    Kind,
    Commodity,
    Flow,
    Phase,
}

impl Attribute {
    fn of(column: &str) -> Option<Attribute> {
        Some(match column {
            "point" => Attribute::Point,
            "register" => Attribute::Register,
            "kind" => Attribute::Kind,
            "commodity" => Attribute::Commodity,
            "flow" => Attribute::Flow,
            "phase" => Attribute::Phase,
            _ => return None,
        })
    }

    fn text<'a>(self, channel: &Channel<'a>) -> &'a str {
        match self {
            Attribute::Point => channel.point,
            Attribute::Register => channel.register,
            Attribute::Kind => channel.kind.word(),
            Attribute::Commodity => channel.commodity.word(),
            Attribute::Flow => channel.flow.word(),
            Attribute::Phase => channel.phase.word(),
        }
    }
}

impl Wanted {
    /// What this filter says, if the lake can answer all of it.
    pub(crate) fn from_filter(filter: &Expr) -> Option<Wanted> {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Some(Wanted::from_filter(left)?.and(Wanted::from_filter(right)?))
            }
            // The engine writes short lists as comparisons joined by `or`.
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Wanted::from_filter(left)?.or(Wanted::from_filter(right)?)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                compared(left, *op, right).or_else(|| compared(right, op.swap()?, left))
            }
            Expr::Between(Between { expr, negated: false, low, high }) => {
                Some(compared(expr, Operator::GtEq, low)?.and(compared(expr, Operator::LtEq, high)?))
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let literals: Option<Vec<&ScalarValue>> = list.iter().map(literal).collect();
                one_of(column(expr)?, &literals?)
            }
            _ => None,
        }
    }

    /// Both hold.
    pub(crate) fn and(mut self, other: Wanted) -> Wanted {
        self.start_from = self.start_from.max(other.start_from);
        self.channel_from = self.channel_from.max(other.channel_from);
        self.start_before = match (self.start_before, other.start_before) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.channels = match (self.channels, other.channels) {
            (Some(ours), Some(theirs)) => Some(ours.intersection(&theirs).copied().collect()),
            (ours, theirs) => ours.or(theirs),
        };
        self.named.extend(other.named);
        self
    }

    /// One of them holds; `None` where that is more than one list.
    fn or(self, other: Wanted) -> Option<Wanted> {
        match (self.only_list()?, other.only_list()?) {
            (List::Channels(ours), List::Channels(theirs)) => {
                Some(Wanted { channels: Some(ours.union(theirs).copied().collect()), ..Wanted::default() })
            }
            (List::Named(ours), List::Named(theirs)) if ours.attribute == theirs.attribute => {
                let texts = ours.texts.union(&theirs.texts).cloned().collect();
                Some(Wanted { named: vec![Named { attribute: ours.attribute, texts }], ..Wanted::default() })
            }
            _ => None,
        }
    }

    fn only_list(&self) -> Option<List<'_>> {
        if self.start_from.is_some() || self.start_before.is_some() || self.channel_from.is_some() {
            return None;
        }
        match (&self.channels, &self.named[..]) {
            (Some(ids), []) => Some(List::Channels(ids)),
            (None, [named]) => Some(List::Named(named)),
            _ => None,
        }
    }

    /// Whether names are needed to tell which channels are wanted.
    pub(crate) fn by_name(&self) -> bool {
        !self.named.is_empty()
    }

    /// The channels wanted, by id; `None` is all of them.
    pub(crate) fn channels(&self, names: Option<&Names>) -> Option<Vec<ChannelId>> {
        let ids = self.channels.as_ref();
        let Some(names) = names.filter(|_| self.by_name()) else {
            return ids.map(|ids| ids.iter().map(|id| ChannelId(*id)).collect());
        };
        let passes = |channel: &Channel<'_>| {
            ids.is_none_or(|ids| ids.contains(&channel.id.0))
                && self.named.iter().all(|n| n.texts.contains(n.attribute.text(channel)))
        };
        let points = self.named.iter().find(|named| named.attribute == Attribute::Point);
        Some(match points {
            Some(points) => names.channels_of(&points.texts, passes),
            None => names.channels_where(passes),
        })
    }
}

/// A comparison with a constant.
fn compared(tested: &Expr, op: Operator, constant: &Expr) -> Option<Wanted> {
    let constant = literal(constant)?;
    if let Some(name) = column(tested)
        && op == Operator::Eq
        && name != "start"
    {
        return one_of(name, &[constant]);
    }
    if column(tested) == Some("channel") {
        let ScalarValue::Int64(Some(id)) = constant else { return None };
        let first = match op {
            Operator::GtEq => *id,
            Operator::Gt => id.checked_add(1)?,
            _ => return None,
        };
        return Some(Wanted { channel_from: Some(first), ..Wanted::default() });
    }
    start_compared(tested, op, constant)
}

/// `start` against a constant; also where the engine widens `start` to
/// nanoseconds first because the constant has them.
fn start_compared(tested: &Expr, op: Operator, constant: &ScalarValue) -> Option<Wanted> {
    let finer = match tested {
        Expr::Cast(Cast { expr, field }) if column(expr) == Some("start") => {
            matches!(field.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)).then_some(())?;
            true
        }
        other if column(other) == Some("start") => false,
        _ => return None,
    };
    // The first microsecond at or after the constant, and whether it is the constant.
    let (at, exact) = match (constant, finer) {
        (ScalarValue::TimestampMicrosecond(Some(at), _), false) => (*at, true),
        (ScalarValue::TimestampNanosecond(Some(nanos), _), true) => {
            let exact = nanos.rem_euclid(1_000) == 0;
            (nanos.div_euclid(1_000) + i64::from(!exact), exact)
        }
        _ => return None,
    };
    let after = if exact { at.checked_add(1)? } else { at };
    let (from, before) = match op {
        Operator::GtEq => (Some(at), None),
        Operator::Gt => (Some(after), None),
        Operator::Lt => (None, Some(at)),
        Operator::LtEq => (None, Some(after)),
        Operator::Eq => (Some(at), Some(after)),
        _ => return None,
    };
    Some(Wanted { start_from: from.map(Timestamp), start_before: before.map(Timestamp), ..Wanted::default() })
}

fn one_of(column: &str, constants: &[&ScalarValue]) -> Option<Wanted> {
    if column == "channel" {
        let ids = constants.iter().map(|c| match c {
            ScalarValue::Int64(Some(id)) => Some(*id),
            _ => None,
        });
        return Some(Wanted { channels: Some(ids.collect::<Option<_>>()?), ..Wanted::default() });
    }
    let attribute = Attribute::of(column)?;
    let texts = constants.iter().map(|c| c.try_as_str().flatten().map(str::to_owned)).collect::<Option<_>>()?;
    Some(Wanted { named: vec![Named { attribute, texts }], ..Wanted::default() })
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(value),
        _ => None,
    }
}

/// The column, also where the engine only changes how its text is kept.
fn column(expr: &Expr) -> Option<&str> {
    let text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) if text(field.data_type()) => {
            // Only columns that are texts already: a number's text is another comparison.
            column(expr).filter(|name| Attribute::of(name).is_some())
        }
        _ => None,
    }
}
