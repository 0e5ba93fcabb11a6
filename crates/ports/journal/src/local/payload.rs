//! A body as the bytes inside a frame.
//!
//! ```text
//! tenant i32 · door u8 · where u8 (0 here, 1 archived) · format, object, message id: u16 length + UTF-8
//! · then the content itself, or sha-256 (32) + size u64
//! ```
//! All numbers are little-endian.

use bytes::Bytes;
use meter::TenantId;

use crate::{Body, Content, Door};

const HERE: u8 = 0;
const ARCHIVED: u8 = 1;

/// What a payload holds beside names and content, at most.
pub(super) const FIXED_BYTES: usize = 4 + 1 + 1 + 3 * 2 + 32 + 8;

/// What stands before the content: for archived bodies that is all.
pub(super) fn encode_head(body: &Body) -> Vec<u8> {
    let names = [&body.format, &body.object, &body.message_id];
    let mut head = Vec::with_capacity(FIXED_BYTES + names.iter().map(|name| name.len()).sum::<usize>());
    head.extend(body.tenant.0.to_le_bytes());
    head.push(body.door.code());
    head.push(match body.content {
        Content::Bytes(_) => HERE,
        Content::Archived { .. } => ARCHIVED,
    });
    for name in names {
        head.extend(u16::try_from(name.len()).expect("the body was checked").to_le_bytes());
        head.extend(name.as_bytes());
    }
    if let Content::Archived { sha256, size } = &body.content {
        head.extend(sha256);
        head.extend(size.to_le_bytes());
    }
    head
}

/// Reads what [`encode_head`] and the content made; the error says what is wrong.
pub(super) fn decode(payload: Bytes) -> Result<Body, &'static str> {
    let mut rest = Rest { payload };
    let tenant = TenantId(i32::from_le_bytes(rest.array()?));
    let [door, place] = rest.array()?;
    let door = Door::from_code(door).ok_or("a door that is not known")?;
    let (format, object, message_id) = (rest.name()?, rest.name()?, rest.name()?);
    let content = match place {
        HERE => Content::Bytes(rest.payload),
        ARCHIVED => {
            let content = Content::Archived { sha256: rest.array()?, size: u64::from_le_bytes(rest.array()?) };
            if !rest.payload.is_empty() {
                return Err("bytes after an archive reference");
            }
            content
        }
        _ => return Err("content in a place that is not known"),
    };
    Ok(Body { tenant, door, format, object, message_id, content })
}

struct Rest {
    payload: Bytes,
}

impl Rest {
    fn take(&mut self, len: usize) -> Result<Bytes, &'static str> {
        if len > self.payload.len() {
            return Err("a body that ends too early");
        }
        Ok(self.payload.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        Ok(self.take(N)?[..].try_into().expect("as many as were asked for"))
    }

    fn name(&mut self) -> Result<String, &'static str> {
        let len = u16::from_le_bytes(self.array()?);
        let bytes = self.take(usize::from(len))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| "a name that is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Content::Bytes(bytes.into())),
            (any::<[u8; 32]>(), any::<u64>()).prop_map(|(sha256, size)| Content::Archived { sha256, size }),
        ]
    }

    proptest! {
        #[test]
        fn a_body_is_read_as_it_was_written(
            tenant: i32, http: bool, format in ".{0,10}", object in ".{0,40}", message_id in ".{0,20}", content in content(),
        ) {
            let door = if http { Door::Http } else { Door::File };
            let body = Body { tenant: TenantId(tenant), door, format, object, message_id, content };
            let mut payload = encode_head(&body);
            if let Content::Bytes(bytes) = &body.content {
                payload.extend(bytes);
            }
            prop_assert_eq!(decode(payload.into()), Ok(body));
        }

        #[test]
        fn no_bytes_make_reading_panic(payload in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(payload.into());
        }
    }
}
