//! Is the body JSON, and one of ours? Asked by a door before it takes it in.

use super::fields::place_of;
use super::scan::{Scan, Text, Value};
use crate::protobuf::Summary;
use crate::protobuf::schema::REQUEST;

/// A request is four deep; what a newer version may nest fits.
pub const DEPTH_MAX: usize = 32;
/// Of a key, in a path.
const KEY_CHARS_MAX: usize = 40;

/// A body that cannot be read: nothing of it may be taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a readable request at byte {byte}{}{path}: {what}", if path.is_empty() { "" } else { ", in " })]
pub struct EnvelopeError {
    /// Counted from 0 in the decompressed body.
    pub byte: usize,
    /// The value around it, such as `containers[3].measurements[7].number`;
    /// empty outside all.
    pub path: String,
    /// What is wrong there.
    pub what: EnvelopeFault,
}

/// What makes a body unreadable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum EnvelopeFault {
    #[error("the body is empty; send at least one container")]
    Empty,
    #[error("there is no container in it; send {{\"containers\": [...]}}")]
    NoContainer,
    #[error("the body ends here; was it cut off?")]
    Ends,
    #[error("there is no value of JSON here")]
    NoValue,
    #[error("a key in quotes is missing")]
    Key,
    #[error("{wanted} is missing")]
    Mark { wanted: &'static str },
    #[error("a control character in a text; write it as \\u00XX")]
    Control,
    #[error("an escape that JSON does not have")]
    Escape,
    #[error("objects and lists are nested deeper than {DEPTH_MAX}")]
    Depth,
    #[error("{found} where a request is expected: {{\"containers\": [...]}}")]
    NoRequest { found: &'static str },
    #[error("{key:?} is no field of a request; containers and streams are")]
    Unknown { key: String },
    #[error("{field} stands there twice")]
    Twice { field: &'static str },
    #[error("{found} where a list is expected")]
    NoList { found: &'static str },
}

/// The lists of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) containers: Option<Value<'a>>,
    pub(super) streams: Option<Value<'a>>,
}

/// Walks the whole body: every bracket, text and number at every depth, and the
/// lists of each request. What stands in them is not looked at.
pub fn check(body: &[u8]) -> Result<Summary, EnvelopeError> {
    let mut scan = Scan::new(body);
    if scan.peek().is_none() {
        return Err(EnvelopeError { byte: 0, path: String::new(), what: EnvelopeFault::Empty });
    }
    let mut path = Path { request: 1, around: Vec::new() };
    while scan.peek().is_some() {
        walk(&mut scan, &mut path).map_err(|what| path.error(scan.at, what))?;
        path.request += 1;
    }
    let mut summary = Summary::default();
    for (value, number) in Scan::new(body).requests().zip(1..) {
        let request = Request::read(value, number)?;
        for container in request.containers() {
            summary.containers += 1;
            summary.measurements += measurements(container);
        }
    }
    if summary.containers == 0 {
        return Err(EnvelopeError { byte: 0, path: String::new(), what: EnvelopeFault::NoContainer });
    }
    Ok(summary)
}

/// How many there are in a container, whatever they are.
pub(super) fn measurements(container: Value<'_>) -> u64 {
    let Some(members) = container.members() else { return 0 };
    let lists = members.filter(|(key, _)| key.is("measurements")).filter_map(|(_, value)| value.elements());
    lists.map(|list| list.count() as u64).sum()
}

/// Whether a body, or as much of its beginning as is at hand, opens as a request
/// does: an object whose first key is one of ours.
pub fn looks_like(head: &[u8]) -> bool {
    let mut scan = Scan::new(head);
    scan.takes(b'{') && scan.peek() == Some(b'"') && scan.text().is_ok_and(|key| place_of(&REQUEST, key).is_some())
}

impl<'a> Request<'a> {
    /// `number` counts the body's requests from 1.
    pub(super) fn read(value: Value<'a>, number: u64) -> Result<Request<'a>, EnvelopeError> {
        let error = |value: Value<'_>, field: &str, what| {
            let path = format!("{}{field}", request_named(number));
            EnvelopeError { byte: value.at, path: path.trim_end_matches(", ").to_owned(), what }
        };
        let found = value.kind();
        let members = value.members().ok_or_else(|| error(value, "", EnvelopeFault::NoRequest { found }))?;
        let mut request = Request::default();
        for (key, value) in members {
            let Some(place) = place_of(&REQUEST, key) else {
                return Err(error(value, "", EnvelopeFault::Unknown { key: shown(key) }));
            };
            let (field, _) = REQUEST.fields[place];
            let list = if field == "containers" { &mut request.containers } else { &mut request.streams };
            if list.is_some() {
                return Err(error(value, "", EnvelopeFault::Twice { field }));
            }
            if value.elements().is_none() && !value.is_null() {
                return Err(error(value, field, EnvelopeFault::NoList { found: value.kind() }));
            }
            *list = Some(value);
        }
        Ok(request)
    }

    pub(super) fn containers(self) -> impl Iterator<Item = Value<'a>> {
        self.containers.and_then(Value::elements).into_iter().flatten()
    }

    pub(super) fn streams(self) -> impl Iterator<Item = Value<'a>> {
        self.streams.and_then(Value::elements).into_iter().flatten()
    }
}

/// What a path begins with, where a body holds several requests.
pub(super) fn request_named(number: u64) -> String {
    if number == 1 { String::new() } else { format!("request {number}, ") }
}

/// A few characters of a hostile text.
pub(super) fn shown(text: Text<'_>) -> String {
    let beginning = &text.0[..text.0.len().min(4 * KEY_CHARS_MAX)];
    String::from_utf8_lossy(beginning).chars().take(KEY_CHARS_MAX).collect()
}

/// The objects and lists around a place.
struct Path<'a> {
    request: u64,
    around: Vec<Around<'a>>,
}

enum Around<'a> {
    Key(Text<'a>),
    Index(usize),
}

impl Path<'_> {
    fn error(&self, byte: usize, what: EnvelopeFault) -> EnvelopeError {
        let mut path = request_named(self.request);
        for around in &self.around {
            match around {
                Around::Key(key) if path.is_empty() || path.ends_with(' ') => path.push_str(&shown(*key)),
                Around::Key(key) => path.push_str(&format!(".{}", shown(*key))),
                Around::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        EnvelopeError { byte, path: path.trim_end_matches(", ").to_owned(), what }
    }
}

/// One value from its first byte to its last, without recursion.
fn walk<'a>(scan: &mut Scan<'a>, path: &mut Path<'a>) -> Result<(), EnvelopeFault> {
    loop {
        // At a value.
        match scan.peek() {
            Some(b'"') => drop(scan.text()?),
            Some(bracket @ (b'{' | b'[')) => {
                if path.around.len() == DEPTH_MAX {
                    return Err(EnvelopeFault::Depth);
                }
                scan.takes(bracket);
                if !scan.takes(if bracket == b'{' { b'}' } else { b']' }) {
                    path.around.push(if bracket == b'{' { Around::Key(key(scan)?) } else { Around::Index(0) });
                    continue;
                }
            }
            _ => scan.scalar()?,
        }
        // Behind a value.
        loop {
            match path.around.last_mut() {
                None => return Ok(()),
                Some(Around::Index(index)) if scan.takes(b',') => *index += 1,
                Some(Around::Key(last)) if scan.takes(b',') => *last = key(scan)?,
                Some(around) => {
                    let (end, wanted) = match around {
                        Around::Key(_) => (b'}', "a comma or }"),
                        Around::Index(_) => (b']', "a comma or ]"),
                    };
                    if !scan.takes(end) {
                        let ends = scan.peek().is_none();
                        return Err(if ends { EnvelopeFault::Ends } else { EnvelopeFault::Mark { wanted } });
                    }
                    path.around.pop();
                    continue;
                }
            }
            break;
        }
    }
}

fn key<'a>(scan: &mut Scan<'a>) -> Result<Text<'a>, EnvelopeFault> {
    match scan.peek() {
        Some(b'"') => {}
        None => return Err(EnvelopeFault::Ends),
        Some(_) => return Err(EnvelopeFault::Key),
    }
    let key = scan.text()?;
    match scan.takes(b':') {
        true => Ok(key),
        false if scan.peek().is_none() => Err(EnvelopeFault::Ends),
        false => Err(EnvelopeFault::Mark { wanted: "the colon behind a key" }),
    }
}
