//! From when and until when a certificate holds (RFC 5280, 4.1.2.5).
//!
//! Of the DER only the way there is read: the outer sequence, in it that which
//! is signed, and of that the fifth part. Who shows a certificate checks nothing
//! of it, so no library of the build tells its times.

use meter::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub from: Timestamp,
    pub to: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `None` if these bytes are no certificate.
pub fn of(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = sequence(der)?;
    let (signed, _) = sequence(certificate)?;
    let (first, _, behind) = element(signed)?;
    // The version is left out where it is 1; then this was the serial number.
    let behind = if first == VERSION { element(behind)?.2 } else { behind };
    let (_, _, behind_algorithm) = element(behind)?;
    let (_, _, behind_issuer) = element(behind_algorithm)?;
    let (validity, _) = sequence(behind_issuer)?;
    let (from, behind_from) = time(validity)?;
    let (to, _) = time(behind_from)?;
    Some(Validity { from, to })
}

fn sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, content, behind) = element(bytes)?;
    (tag == SEQUENCE).then_some((content, behind))
}

/// Tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            (digits.iter().fold(0, |all, digit| all << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// `YYMMDDHHMMSSZ` with years from 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, behind) = element(bytes)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let text = match tag {
        UTC_TIME if text.len() == 12 => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED_TIME if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (date, clock) = text.split_at(8);
    let said =
        format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &clock[..2], &clock[2..4], &clock[4..]);
    Some((Timestamp::parse(&said).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;

    use super::*;

    const ONE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../roles/ingest/tests/door/tls/one.crt"));

    fn one() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(ONE).expect("it is one")
    }

    #[test]
    fn the_times_of_a_certificate_are_those_that_openssl_tells() {
        let validity = of(&one()).expect("readable");
        let told = [validity.from, validity.to].map(|at| at.to_string());
        assert_eq!(told, ["2026-11-21T14:02:33Z", "2126-10-28T14:02:33Z"]);
    }

    #[test]
    fn a_certificate_that_is_cut_short_is_none() {
        let der = one();
        assert!((0..der.len()).all(|end| of(&der[..end]).is_none()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, byte: u8) {
            of(&bytes);
            let mut der = one().to_vec();
            let at = at % der.len();
            der[at] = byte;
            of(&der);
        }
    }
}
