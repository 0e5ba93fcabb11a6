//! Ports and sockets: what the server would take, or has.

use std::net::TcpListener;

use super::finding::Finding;
use super::{Life, Patient};
use crate::control;

const CHECK: &str = "ports";

pub fn look(patient: &Patient) -> Vec<Finding> {
    let free = TcpListener::bind(patient.listen).map(|_| ());
    let mut findings = vec![judge_port(patient, free)];
    if !control::fits(&patient.dir) {
        findings.push(Finding::watch(
            CHECK,
            format!("{} is too long for the name of a socket", patient.dir.display()),
            "no backup can be taken while the server runs",
            "choose a data directory with a shorter path",
        ));
    }
    if !patient.listen.ip().is_loopback() && patient.settings.server.tls_cert.as_os_str().is_empty() {
        findings.push(Finding::watch(
            CHECK,
            format!("{} is reached from outside, without TLS", patient.listen),
            "tokens and readings can be read on their way",
            "set server.tls_cert and server.tls_key, or let a proxy in front speak TLS",
        ));
    }
    findings
}

fn judge_port(patient: &Patient, free: std::io::Result<()>) -> Finding {
    let listen = patient.listen;
    let awake = patient.life == Life::Awake;
    match free {
        Ok(()) if awake => Finding::watch(
            CHECK,
            format!("nobody listens on {listen}"),
            "a process works on the data directory, a server that listens elsewhere or another command",
            "give doctor the same --config and --listen as the server",
        ),
        Ok(()) => Finding::good(CHECK, format!("{listen} is free"), "the server can listen there"),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && awake => {
            Finding::good(CHECK, format!("someone listens on {listen}"), "as it should be with a server at work")
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::bad(
            CHECK,
            format!("another program listens on {listen}"),
            "no server works on this data directory, and none could start",
            "stop that program (`ss -ltnp` names it), or choose another server.http_listen or --listen",
        ),
        Err(error) => Finding::bad(
            CHECK,
            format!("{listen} cannot be listened on: {error}"),
            "the server could not start",
            "choose an address of this machine, and a port above 1023 or the right to lower ones",
        ),
    }
}
