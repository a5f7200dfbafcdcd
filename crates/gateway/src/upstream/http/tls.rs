//! TLS towards servers.

use std::{path::Path, sync::Arc, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{client::HttpConfigError, identity::ClientCertificate};

/// The oldest version of TLS that will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oldest {
    /// For servers (control NET-01).
    Tls13,
    /// For what the operator names besides servers, and for servers by a setting with `danger` in its name.
    Tls12,
}

static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

impl Oldest {
    fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls13 => &NEWEST,
            Self::Tls12 => &BOTH,
        }
    }
}

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
    connector(tcp, tls, ca_file, Oldest::Tls12, None)
}

/// How the gateway speaks TLS to what is no server. `ca_file` holds authorities trusted besides the system's.
///
/// # Errors
/// [`HttpConfigError`] when there is nobody to trust, or TLS cannot be set up.
pub fn tls_client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, HttpConfigError> {
    config(true, ca_file, Oldest::Tls12, None).map(Arc::new)
}

/// A connector for `http` and `https`. `ca_file` holds authorities trusted besides the system's.
pub(super) fn connector(
    mut tcp: HttpConnector,
    tls: bool,
    ca_file: Option<&Path>,
    oldest: Oldest,
    shown: Option<Arc<ClientCertificate>>,
) -> Result<HttpsConnector<HttpConnector>, HttpConfigError> {
    tcp.enforce_http(false);
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config(tls, ca_file, oldest, shown)?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp))
}

fn config(
    tls: bool,
    ca_file: Option<&Path>,
    oldest: Oldest,
    shown: Option<Arc<ClientCertificate>>,
) -> Result<ClientConfig, HttpConfigError> {
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
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(oldest.and_later())
        .map_err(|error| HttpConfigError::Tls(error.to_string()))?
        .with_root_certificates(roots);
    Ok(match shown {
        Some(certificate) => builder.with_client_cert_resolver(certificate),
        None => builder.with_no_client_auth(),
    })
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
