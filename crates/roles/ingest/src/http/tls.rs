//! TLS on the door: who connects proves nothing, the server proves who it is.
//!
//! Promise: a handshake has a limit in time, so many at once make their keys, and
//! who waits for its peer keeps no one from it. A certificate is replaced whole or not at all: connections that are open keep
//! theirs, and a pair that does not fit leaves the one before in place.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, LazyConfigAcceptor, StartHandshake};

use crate::Limits;

/// A certificate chain or key that is longer is none.
pub const PEM_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what happened, and to what")]
pub enum TlsError {
    #[error("the certificate is no PEM file that holds one: {0}")]
    Certificate(String),
    #[error("the key is no PEM file that holds one: {0}")]
    Key(String),
    #[error("certificate and key are no pair that can be used: {0}")]
    Pair(rustls::Error),
}

/// The certificate that new connections are shown; clones share it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl Tls {
    /// From the text of two PEM files; the server's own certificate comes first.
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Tls, TlsError> {
        Ok(Tls { config: Arc::new(Mutex::new(config(certificates, key)?)) })
    }

    /// Whoever connects from now on is shown the new one.
    pub fn replace(&self, certificates: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let new = config(certificates, key)?;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn config(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let chain = chain.map_err(|error| TlsError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::Certificate("there is no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
    // Named here: with two providers in the build, rustls would not choose one.
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Shakes hands with any number of peers, of whom few at once cost anything.
#[derive(Clone)]
pub(super) struct Handshakes {
    tls: Tls,
    free: Arc<Semaphore>,
    wait_max: Duration,
}

impl Handshakes {
    pub(super) fn new(tls: Tls, limits: &Limits) -> Handshakes {
        let free = Arc::new(Semaphore::new(limits.handshakes_max));
        Handshakes { tls, free, wait_max: limits.handshake_wait_max }
    }

    pub(super) async fn shake<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let shaking = async {
            let greeted = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            self.answered(greeted).await?.await
        };
        tokio::time::timeout(self.wait_max, shaking).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Keys and a signature, which is what a handshake costs. A place is held for as long as
    /// that takes us, never for as long as a peer takes.
    async fn answered<S: AsyncRead + AsyncWrite + Unpin>(&self, greeted: StartHandshake<S>) -> io::Result<Accept<S>> {
        let _place = self.free.acquire().await.map_err(io::Error::other)?;
        // Those that wait for the thread come between.
        tokio::task::yield_now().await;
        Ok(greeted.into_stream(self.tls.config()))
    }
}
