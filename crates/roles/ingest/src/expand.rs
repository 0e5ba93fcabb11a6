//! Decompression that ends.
//!
//! Promise: never more than the limit is expanded, never more than
//! [`EXPANDED_RATIO_MAX`] to 1 beyond the first [`EXPANDED_RATIO_FREE_BYTES`], and
//! memory is asked for before it is filled.

use std::io::Read;

use axum::http::{HeaderMap, header};
use flate2::bufread::MultiGzDecoder;

use crate::limits::{EXPANDED_RATIO_FREE_BYTES, EXPANDED_RATIO_MAX};
use crate::{Error, Result};

/// What a body may be encoded with, as an `Accept-Encoding` says it.
pub(crate) const KNOWN: &str = "gzip, zstd, identity";

/// A zstd frame may ask for a window of up to 2^25 = 32 MiB, the most a body can need.
const ZSTD_WINDOW_LOG_MAX: u32 = 25;

const PIECE_BYTES: usize = 64 << 10;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Encoding> {
        let mut found = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = found.next() else { return Ok(Encoding::Identity) };
        let text = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
        match text.as_str() {
            _ if found.next().is_some() => Err(Error::ContentEncoding { found: "more than one".to_owned() }),
            "" | "identity" => Ok(Encoding::Identity),
            "gzip" | "x-gzip" => Ok(Encoding::Gzip),
            "zstd" => Ok(Encoding::Zstd),
            _ => Err(Error::ContentEncoding { found: text.chars().take(100).collect() }),
        }
    }

    /// Expands a compressed body. `admit` is asked before the expanded bytes
    /// reach a new total.
    pub(crate) fn expand(
        self,
        sent: &[u8],
        bytes_max: u64,
        admit: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Vec<u8>> {
        match self {
            Encoding::Identity => Ok(sent.to_vec()),
            Encoding::Gzip => expand_from(&mut MultiGzDecoder::new(sent), sent, bytes_max, admit),
            Encoding::Zstd => {
                let damaged = |error: std::io::Error| Error::Damaged { expanded: 0, what: error.to_string() };
                let mut decoder = zstd::stream::read::Decoder::with_buffer(sent).map_err(damaged)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(damaged)?;
                expand_from(&mut decoder, sent, bytes_max, admit)
            }
        }
    }
}

fn expand_from(
    decoder: &mut dyn Read,
    sent: &[u8],
    bytes_max: u64,
    admit: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<u8>> {
    let sent = sent.len() as u64;
    let ratio_max = EXPANDED_RATIO_FREE_BYTES.max(sent.saturating_mul(EXPANDED_RATIO_MAX));
    let (mut expanded, mut piece) = (Vec::new(), vec![0; PIECE_BYTES]);
    loop {
        let count = match decoder.read(&mut piece) {
            Ok(0) => return Ok(expanded),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::Damaged { expanded: expanded.len() as u64, what: error.to_string() }),
        };
        let total = (expanded.len() + count) as u64;
        if total > bytes_max {
            return Err(Error::ExpandsTooFar { limit: bytes_max });
        }
        if total > ratio_max {
            return Err(Error::Bomb { sent });
        }
        if total > expanded.capacity() as u64 {
            // Doubling by hand, so that what is admitted is what is held.
            let capacity = (expanded.capacity() * 2).max(2 * PIECE_BYTES).max(expanded.len() + count);
            admit(capacity as u64)?;
            expanded.reserve_exact(capacity - expanded.len());
        }
        expanded.extend_from_slice(&piece[..count]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use proptest::prelude::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("writes to memory");
        encoder.finish().expect("writes to memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).expect("writes to memory")
    }

    fn expand(encoding: Encoding, sent: &[u8]) -> Result<Vec<u8>> {
        encoding.expand(sent, 4 << 20, &mut |_| Ok(()))
    }

    #[test]
    fn a_bomb_is_stopped_soon_after_its_first_megabyte() {
        let zeros = vec![0; 3 << 20];
        for (encoding, sent) in [(Encoding::Gzip, gzip(&zeros)), (Encoding::Zstd, zstd(&zeros))] {
            let mut asked = 0;
            let outcome = encoding.expand(&sent, 4 << 20, &mut |bytes| {
                asked = asked.max(bytes);
                Ok(())
            });
            assert!(matches!(outcome, Err(Error::Bomb { sent: bytes }) if bytes == sent.len() as u64));
            assert!(asked <= 2 << 20, "{asked} bytes for a bomb");
        }
    }

    #[test]
    fn too_much_is_stopped_at_the_limit_even_at_an_honest_ratio() {
        let noise: Vec<u8> = (0..5_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (encoding, sent) in [(Encoding::Gzip, gzip(&noise)), (Encoding::Zstd, zstd(&noise))] {
            assert!(matches!(expand(encoding, &sent), Err(Error::ExpandsTooFar { .. } | Error::Bomb { .. })));
        }
    }

    #[test]
    fn a_short_body_of_zeros_is_honest() {
        let zeros = vec![0; 1 << 20];
        assert_eq!(expand(Encoding::Gzip, &gzip(&zeros)).expect("expands"), zeros);
        assert_eq!(expand(Encoding::Zstd, &zstd(&zeros)).expect("expands"), zeros);
    }

    #[test]
    fn memory_that_is_not_admitted_is_not_taken() {
        let sent = gzip(&[0; 500_000]);
        let outcome = Encoding::Gzip.expand(&sent, 4 << 20, &mut |bytes| match bytes {
            0..=200_000 => Ok(()),
            _ => Err(Error::InFlight { limit: 200_000 }),
        });
        assert!(matches!(outcome, Err(Error::InFlight { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_was_compressed_comes_back(bytes in proptest::collection::vec(0_u8..8, 0..30_000)) {
            prop_assert_eq!(&expand(Encoding::Gzip, &gzip(&bytes)).expect("expands"), &bytes);
            prop_assert_eq!(&expand(Encoding::Zstd, &zstd(&bytes)).expect("expands"), &bytes);
        }

        #[test]
        fn a_body_cut_anywhere_is_refused(bytes in proptest::collection::vec(0_u8..8, 1..1_000), cut: prop::sample::Index) {
            for (encoding, sent) in [(Encoding::Gzip, gzip(&bytes)), (Encoding::Zstd, zstd(&bytes))] {
                let sent = &sent[..cut.index(sent.len() - 1) + 1];
                if sent.len() < gzip(&bytes).len().min(zstd(&bytes).len()) {
                    prop_assert!(matches!(expand(encoding, sent), Err(Error::Damaged { .. })), "{encoding:?}");
                }
            }
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = expand(Encoding::Gzip, &bytes);
            let _ = expand(Encoding::Zstd, &bytes);
        }
    }
}
