//! The way to a running server: plainly, or over TLS to one that proves who it is.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::exit::Usage;
use crate::tls;

pub type Connector = HttpsConnector<HttpConnector>;

/// To a server at an `http://` or `https://` address. It is believed if a certificate in
/// `ca_file` vouches for it; without a file, one of those that this machine trusts.
pub fn connector(address: &str, ca_file: Option<&Path>) -> anyhow::Result<Connector> {
    // Named here: with two providers in the build, rustls would not choose one.
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .context("the versions of TLS")?;
    let config = match ca_file {
        Some(file) => config.with_root_certificates(roots(file)?),
        // Reading all that the machine trusts takes longer than a plain answer.
        None if address.starts_with("http://") => config.with_root_certificates(RootCertStore::empty()),
        None => config.with_native_roots().context("this machine trusts no certificate; give --ca-file")?,
    };
    let config = config.with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build())
}

fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let wrong = |what: String| Usage(format!("--ca-file {}: {what}", file.display()));
    let text = tls::read(file).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()).into());
    }
    Ok(roots)
}
