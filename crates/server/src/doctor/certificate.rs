//! The server's certificate: whether it fits its key, and until when it holds.

mod validity;

use host::Clock;
use ingest::http::Tls;
use meter::Timestamp;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::Patient;
use super::finding::Finding;
use crate::tls;
use validity::Validity;

const CHECK: &str = "certificate";
const DAY_US: i64 = 86_400_000_000;
/// Those that renew themselves do it a month before.
const LEFT_DAYS_LOW: i64 = 21;

/// Nothing where none is configured.
pub fn look(patient: &Patient) -> Vec<Finding> {
    let (file, key) = (&patient.settings.server.tls_cert, &patient.settings.server.tls_key);
    if file.as_os_str().is_empty() && key.as_os_str().is_empty() {
        return Vec::new();
    }
    let advice = "give server.tls_cert the certificate with its chain, server.tls_key its key, both PEM";
    let pair = tls::read(file).and_then(|certificate| Ok((certificate, tls::read(key)?)));
    let (certificate, key) = match pair {
        Ok(pair) => pair,
        Err(error) => return vec![Finding::bad(CHECK, error.to_string(), "the server does not start", advice)],
    };
    let pair = match Tls::new(&certificate, &key) {
        Ok(_) => Finding::good(CHECK, format!("{} fits its key", file.display()), "the server can show it"),
        Err(error) => Finding::bad(CHECK, error.to_string(), "the server does not start", advice),
    };
    let mut findings = vec![pair];
    for (place, der) in CertificateDer::pem_slice_iter(&certificate).flatten().enumerate() {
        let whose = if place == 0 { "the server's".to_owned() } else { format!("number {} of the chain", place + 1) };
        findings.push(match validity::of(&der) {
            Some(validity) => judge(&whose, &validity, patient.clock.now()),
            None => Finding::bad(CHECK, format!("{whose} cannot be read"), "peers cannot either", advice),
        });
    }
    findings
}

fn judge(whose: &str, validity: &Validity, now: Timestamp) -> Finding {
    let Validity { from, to } = *validity;
    let advice = "put a new pair in its place: a running server takes it up within seconds";
    if now > to {
        let seen = format!("{whose} ended at {to}, {} days ago", (now.0 - to.0) / DAY_US);
        return Finding::bad(CHECK, seen, "senders and browsers refuse to talk to the server", advice);
    }
    let left_days = (to.0 - now.0) / DAY_US;
    let seen = format!("{whose} holds from {from} to {to}, {left_days} days more");
    if now < from {
        let means = "it does not hold yet: peers refuse it, or the clock is behind";
        return Finding::bad(CHECK, seen, means, "compare the clock with another machine's, or wait");
    }
    if left_days < LEFT_DAYS_LOW {
        return Finding::watch(CHECK, seen, format!("less than {LEFT_DAYS_LOW} days"), advice);
    }
    Finding::good(CHECK, seen, "peers that trust its issuer accept it")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn an_expired_certificate_is_bad_and_one_that_ends_soon_is_told() {
        let day = |days: i64| Timestamp(days * DAY_US);
        let validity = Validity { from: day(100), to: day(200) };
        let check = |now, expected| assert_eq!(judge("x", &validity, day(now)).verdict, expected, "day {now}");
        check(99, Verdict::Bad);
        check(100, Verdict::Good);
        check(190, Verdict::Watch);
        check(201, Verdict::Bad);
    }
}
