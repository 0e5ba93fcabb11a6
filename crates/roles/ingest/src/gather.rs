//! A body gathered in memory.
//!
//! Promise: a sender is charged for the room its bytes take, made as they
//! arrive, and for nothing that it only says it will send: who declares much and
//! dawdles keeps nobody out.

use bytes::Bytes;

use crate::Result;
use crate::admission::Permit;
use crate::limits::REQUEST_BYTES_MIN;

/// The bytes so far.
#[derive(Default)]
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// What is to come in all; 0 if nobody said.
    declared: u64,
}

impl Gathered {
    pub(crate) fn new(declared: u64) -> Gathered {
        Gathered { bytes: Vec::new(), declared }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Room is doubled, up to what was declared, and charged before it is made:
    /// it is never more than twice what came, or what every request counts.
    pub(crate) fn add(&mut self, piece: &[u8], permit: &mut Permit) -> Result<()> {
        let total = self.len() + piece.len() as u64;
        let room = self.bytes.capacity() as u64;
        if total > room {
            let most = if self.declared > 0 { self.declared } else { u64::MAX };
            let wanted = (2 * room).max(REQUEST_BYTES_MIN).min(most).max(total);
            permit.grow_to(wanted)?;
            self.bytes.reserve_exact(wanted as usize - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use meter::TenantId;
    use proptest::prelude::*;

    use super::*;
    use crate::Limits;
    use crate::admission::Admission;

    proptest! {
        #[test]
        fn what_is_held_is_charged_and_what_is_charged_has_come(
            pieces in prop::collection::vec(1_usize..40_000, 1..60),
            says_how_much in any::<bool>(),
        ) {
            let admission = Admission::new(&Limits::default());
            let mut permit = admission.admit(TenantId(1), 0).expect("there is room");
            let all: usize = pieces.iter().sum();
            let mut gathered = Gathered::new(if says_how_much { all as u64 } else { 0 });
            for (place, piece) in pieces.iter().enumerate() {
                gathered.add(&vec![place as u8; *piece], &mut permit).expect("there is room");
                let charged = admission.in_flight_bytes();
                prop_assert!(gathered.bytes.capacity() as u64 <= charged);
                prop_assert!(charged <= REQUEST_BYTES_MIN.max(2 * gathered.len()));
                prop_assert!(!says_how_much || charged <= REQUEST_BYTES_MIN.max(all as u64));
            }
            let expected: Vec<u8> =
                pieces.iter().enumerate().flat_map(|(place, piece)| vec![place as u8; *piece]).collect();
            prop_assert_eq!(gathered.into_bytes(), expected);
        }
    }
}
