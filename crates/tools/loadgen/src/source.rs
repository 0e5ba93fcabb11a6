//! What a scenario sends, body by body, made while it is sent.

use std::ops::Range;

use bytes::Bytes;

use crate::plugs::Plugs;
use crate::sent::Sent;
use crate::shape::Shape;

/// A request, and how many messages are in it.
#[derive(Clone, Debug)]
pub struct Body {
    pub bytes: Bytes,
    pub messages: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum Source {
    Plugs(Plugs),
    Shape(Shape),
}

/// Which message of a meter goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    #[default]
    OldestFirst,
    NewestFirst,
}

impl Source {
    /// These steps of all meters, `request` messages a body.
    pub fn bodies(&self, steps: Range<u32>, request: usize, order: Order) -> Box<dyn Iterator<Item = Body> + Send> {
        match self {
            Source::Plugs(plugs) => Box::new(plugs.bodies(steps, request)),
            Source::Shape(shape) => Box::new(shape.bodies(steps, request, order)),
        }
    }

    /// How many there are of them.
    pub fn readings(&self) -> u64 {
        match self {
            Source::Plugs(plugs) => plugs.readings(),
            Source::Shape(shape) => shape.rows(),
        }
    }

    /// All readings, each once, however often they are sent.
    pub fn sent(&self) -> Sent {
        match self {
            Source::Plugs(plugs) => plugs.sent(),
            Source::Shape(shape) => shape.sent(),
        }
    }
}

/// Bodies of which so many in a hundred come twice, the second time a little later.
pub fn again(bodies: impl Iterator<Item = Body> + Send, percent: u32) -> impl Iterator<Item = Body> + Send {
    let mut bodies = bodies.fuse();
    let mut hundred = 0;
    let mut kept: Vec<Body> = Vec::new();
    let mut repeating = Vec::new().into_iter();
    std::iter::from_fn(move || {
        if let Some(body) = repeating.next() {
            return Some(body);
        }
        let Some(body) = bodies.next() else {
            repeating = std::mem::take(&mut kept).into_iter();
            return repeating.next();
        };
        if hundred < percent {
            kept.push(body.clone());
        }
        hundred += 1;
        if hundred == 100 {
            hundred = 0;
            repeating = std::mem::take(&mut kept).into_iter();
        }
        Some(body)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: u32) -> impl Iterator<Item = Body> + Send {
        (0..count).map(|messages| Body { bytes: Bytes::new(), messages })
    }

    #[test]
    fn a_tenth_comes_twice_and_nothing_is_lost() {
        let sent: Vec<u32> = again(numbered(1_000), 10).map(|body| body.messages).collect();
        assert_eq!(sent.len(), 1_100);
        let mut once = sent.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once, (0..1_000).collect::<Vec<_>>());
        assert_eq!(again(numbered(250), 0).count(), 250);
        assert_eq!(again(numbered(5), 100).count(), 10, "what is left at the end comes again too");
    }
}
