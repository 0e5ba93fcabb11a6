//! The door behind TLS: certificates, their change, and peers that do not shake hands.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::Limits;
use ingest::http::Tls;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::house::{House, Request, body, limits};

type Pair = (&'static [u8], &'static [u8]);

const ONE: Pair = (include_bytes!("tls/one.crt"), include_bytes!("tls/one.key"));
const TWO: Pair = (include_bytes!("tls/two.crt"), include_bytes!("tls/two.key"));

fn tls() -> Tls {
    Tls::new(ONE.0, ONE.1).expect("a pair")
}

/// A connection of a client that trusts this certificate and no other.
fn trusting(house: &House, pair: Pair) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pair.0).expect("a certificate")).expect("can be trusted");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), house.connect())
}

/// What is answered to a body of readings, or why nothing is.
fn sent(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> std::io::Result<String> {
    stream.write_all(&Request::readings(&body(1, 3)).bytes())?;
    let mut start = [0; 15];
    stream.read_exact(&mut start)?;
    Ok(String::from_utf8_lossy(&start).into_owned())
}

#[test]
fn readings_come_in_over_tls_and_a_stranger_certificate_is_seen() {
    let house = House::with_tls(tls(), limits());
    assert_eq!(sent(&mut trusting(&house, ONE)).expect("an answer"), "HTTP/1.1 200 OK");
    let error = sent(&mut trusting(&house, TWO)).expect_err("it is another certificate");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(house.records().len(), 1);
}

#[test]
fn a_new_certificate_is_for_new_connections_and_a_broken_one_for_none() {
    let shown = tls();
    let house = House::with_tls(shown.clone(), limits());
    let mut open = trusting(&house, ONE);
    assert_eq!(sent(&mut open).expect("an answer"), "HTTP/1.1 200 OK");
    for (certificate, key, says) in [
        (TWO.0, ONE.1, "no pair"),
        (ONE.1, ONE.1, "no certificate"),
        (b"".as_slice(), TWO.1, "no certificate"),
        (TWO.0, TWO.0, "the key"),
        (b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n".as_slice(), TWO.1, "the certificate"),
        (&TWO.0[..TWO.0.len() / 2], TWO.1, "the certificate"),
    ] {
        let error = shown.replace(certificate, key).expect_err(says).to_string();
        assert!(error.contains(says), "{error:?} should say {says:?}");
    }
    assert_eq!(sent(&mut trusting(&house, ONE)).expect("an answer"), "HTTP/1.1 200 OK");
    shown.replace(TWO.0, TWO.1).expect("a pair");
    assert_eq!(sent(&mut trusting(&house, TWO)).expect("an answer"), "HTTP/1.1 200 OK");
    assert!(sent(&mut trusting(&house, ONE)).is_err());
    // The connection from before is what it was.
    let mut rest = [0; 4096];
    let _ = open.read(&mut rest).expect("the rest of the first answer");
    assert_eq!(sent(&mut open).expect("an answer"), "HTTP/1.1 200 OK");
}

#[test]
fn who_does_not_shake_hands_is_left() {
    let quick = Limits { handshake_wait_max: Duration::from_millis(200), handshakes_max: 2, ..limits() };
    let house = House::with_tls(tls(), quick);
    let closed = |mut stream: TcpStream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    };
    // Nothing at all, half a hello, plain HTTP, and bytes of no protocol.
    let mut peers: Vec<TcpStream> = (0..5).map(|_| house.connect()).collect();
    peers[1].write_all(b"\x16\x03\x01\x02\x00\x01").expect("sends");
    peers[2].write_all(&Request::readings(&body(1, 3)).bytes()).expect("sends");
    peers[3].write_all(&[0xff; 4_000]).expect("sends");
    peers.into_iter().for_each(closed);
    house.wait_until("all are gone", |house| house.metric("connections") == 0);
    assert_eq!(sent(&mut trusting(&house, ONE)).expect("an answer"), "HTTP/1.1 200 OK");
    assert_eq!(house.records().len(), 1);
}

#[test]
fn handshakes_that_hang_keep_nobody_out() {
    let long = Limits { handshake_wait_max: Duration::from_secs(60), handshakes_max: 1, ..limits() };
    let house = House::with_tls(tls(), long);
    // Nothing at all, half a hello, and a whole one whose answer is left lying.
    let _silent: Vec<TcpStream> = (0..20).map(|_| house.connect()).collect();
    let mut half = house.connect();
    half.write_all(b"\x16\x03\x01\x02\x00\x01").expect("sends");
    let _greeted: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = trusting(&house, ONE);
            stream.conn.write_tls(&mut stream.sock).expect("sends");
            stream
        })
        .collect();
    house.wait_until("all hang", |house| house.metric("connections") == 41);
    let begun = Instant::now();
    assert_eq!(sent(&mut trusting(&house, ONE)).expect("an answer"), "HTTP/1.1 200 OK");
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited for those that hang");
}
