//! TLS towards servers.

use std::{path::Path, sync::Arc, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::client::HttpConfigError;

/// A connector as the one to servers is, for what the gateway itself sends elsewhere. `ca_file` holds authorities
/// trusted besides the system's.
///
/// # Errors
/// [`HttpConfigError`] when there is nobody to trust, or TLS cannot be set up.
pub fn https(
    tls: bool,
    ca_file: Option<&Path>,
    connect_timeout: Duration,
) -> Result<HttpsConnector<HttpConnector>, HttpConfigError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    connector(tcp, tls, ca_file)
}

/// How the gateway speaks TLS to what is no server. `ca_file` holds authorities trusted besides the system's.
///
/// # Errors
/// [`HttpConfigError`] when there is nobody to trust, or TLS cannot be set up.
pub fn tls_client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, HttpConfigError> {
    config(true, ca_file).map(Arc::new)
}

/// A connector for `http` and `https`. `ca_file` holds authorities trusted besides the system's.
pub(super) fn connector(
    mut tcp: HttpConnector,
    tls: bool,
    ca_file: Option<&Path>,
) -> Result<HttpsConnector<HttpConnector>, HttpConfigError> {
    tcp.enforce_http(false);
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config(tls, ca_file)?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp))
}

fn config(tls: bool, ca_file: Option<&Path>) -> Result<ClientConfig, HttpConfigError> {
    let mut roots = RootCertStore::empty();
    if tls {
        // Certificates that cannot be read are as good as absent; none at all is an error below.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(file) = ca_file {
        add(&mut roots, file)?;
    }
    if tls && roots.is_empty() {
        return Err(HttpConfigError::NoAuthorities);
    }
    Ok(ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpConfigError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Every certificate of the file, or an error: a half-read file would silently trust less than was asked.
fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), HttpConfigError> {
    let unusable = |reason: String| HttpConfigError::CaFile { path: file.display().to_string(), reason };
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(unusable("no certificate in it".into())) } else { Ok(()) }
}
