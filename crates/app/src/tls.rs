//! The certificate of the MCP endpoint, which can be exchanged while connections are open.

use std::{fs, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::config::{ClientCertificates, Tls, read_private};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct TlsError {
    /// Which of the settings is at fault.
    pub(crate) field: &'static str,
    what: String,
    pub(crate) remedy: String,
}

/// Everything that is wrong with a certificate and its key.
#[derive(Debug)]
pub(crate) struct TlsErrors(pub(crate) Vec<TlsError>);

impl std::fmt::Display for TlsErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<String> = self.0.iter().map(TlsError::to_string).collect();
        f.write_str(&all.join("; "))
    }
}

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    own: ArcSwap<CertifiedKey>,
    /// What is asked of clients; fixed when the gateway starts.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Certificate {
    /// Reads the certificate and its key.
    pub(crate) fn load(tls: &Tls) -> Result<Arc<Self>, TlsErrors> {
        let clients = tls.clients.as_ref().map(verifier).transpose();
        match (read(tls), clients) {
            (Ok(own), Ok(clients)) => Ok(Arc::new(Self { own: ArcSwap::from_pointee(own), clients })),
            (own, clients) => {
                let errors = own.err().map(|errors| errors.0).unwrap_or_default();
                Err(TlsErrors(errors.into_iter().chain(clients.err()).collect()))
            }
        }
    }

    /// Reads them again; new connections get the new certificate. On an error the old one stays.
    pub(crate) fn reload(&self, tls: &Tls) -> Result<(), TlsErrors> {
        self.own.store(Arc::new(read(tls)?));
        Ok(())
    }

    /// What a TLS acceptor needs: TLS 1.3 alone (control NET-01), HTTP/2 or HTTP/1.1, and of clients what was asked for.
    pub(crate) fn server_config(self: Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?;
        let builder = match &self.clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(self);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.own.load_full())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";
const CLIENT_CA: &str = "tls.client_ca";

fn error(field: &'static str, what: String, remedy: &str) -> TlsError {
    TlsError { field, what, remedy: remedy.to_owned() }
}

/// Both files are read before the first error ends it, so that both errors are told.
fn read(tls: &Tls) -> Result<CertifiedKey, TlsErrors> {
    let (chain, key) = match (read_chain(&tls.cert), read_key(&tls.key)) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(TlsErrors(chain.err().into_iter().chain(key.err()).collect())),
    };
    CertifiedKey::from_der(chain, key, &provider()).map_err(|refused| {
        let what = format!("the key cannot be used with the certificate: {refused}");
        TlsErrors(vec![error(KEY, what, "name the key the certificate was made for")])
    })
}

/// Who vouches for clients (RFC 8705 section 2.1): a certificate that nobody vouches for ends the handshake.
fn verifier(clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    const REMEDY: &str = "name a PEM file with the certificates of authorities";
    let unusable = |what: String| error(CLIENT_CA, what, REMEDY);
    let mut roots = RootCertStore::empty();
    for authority in certificates(CLIENT_CA, &clients.authorities, REMEDY)? {
        roots
            .add(authority)
            .map_err(|refused| unusable(format!("an authority cannot be used: {refused}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|refused| unusable(refused.to_string()))?;
    Ok(verifier)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates(CERT, path, "name a PEM file with the certificate chain")
}

/// Every certificate of a file, at least one.
fn certificates(
    field: &'static str,
    path: &Path,
    remedy: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let name = path.display();
    let pem = fs::read(path).map_err(|io| {
        error(field, format!("`{name}` could not be read: {io}"), "check the path and its permissions")
    })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|_| error(field, format!("`{name}` is not PEM"), remedy))?;
    if chain.is_empty() {
        return Err(error(field, format!("`{name}` has no certificate in it"), remedy));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read_private(path).map_err(|refused| error(KEY, refused.to_string(), &refused.remedy()))?;
    PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| {
        let what = format!("`{}` has no private key in it", path.display());
        error(KEY, what, "name a PEM file with the key")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

    use super::*;

    struct Files(PathBuf);

    impl Files {
        fn new() -> Self {
            let directory = std::env::temp_dir().join(format!("portcullis-tls-{}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            Self(directory)
        }

        fn tls(&self) -> Tls {
            Tls { cert: self.0.join("cert.pem"), key: self.0.join("key.pem"), clients: None }
        }

        /// Writes a new certificate with its key.
        fn renew(&self) {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(self.tls().cert, made.cert.pem()).unwrap();
            fs::write(self.tls().key, made.signing_key.serialize_pem()).unwrap();
            self.chmod(0o600);
        }

        fn chmod(&self, mode: u32) {
            fs::set_permissions(self.tls().key, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_certificate_is_exchanged_and_a_bad_one_is_not_taken() {
        let files = Files::new();
        let refusal = || Certificate::load(&files.tls()).unwrap_err();
        assert_eq!(refusal().0.len(), 2);
        files.renew();
        let certificate = Certificate::load(&files.tls()).unwrap();
        let first = certificate.own.load_full();
        files.renew();
        certificate.reload(&files.tls()).unwrap();
        let second = certificate.own.load_full();
        assert_ne!(first.cert, second.cert);

        files.chmod(0o644);
        assert!(refusal().to_string().contains("can be read by others"));
        files.chmod(0o600);
        let old_key = fs::read(files.tls().key).unwrap();
        files.renew();
        fs::write(files.tls().key, old_key).unwrap();
        assert!(refusal().to_string().contains("cannot be used with the certificate"));
        assert!(certificate.reload(&files.tls()).is_err());
        assert_eq!(certificate.own.load_full().cert, second.cert);
        let asking = |authorities: PathBuf| {
            let clients = Some(ClientCertificates { authorities, required: true });
            Certificate::load(&Tls { clients, ..files.tls() }).map(|it| it.clients.is_some())
        };
        files.renew();
        assert!(asking(files.tls().cert).unwrap());
        for authorities in [files.0.join("none.pem"), files.tls().key] {
            let refused = asking(authorities.clone()).unwrap_err();
            assert_eq!((refused.0.len(), refused.0[0].field), (1, CLIENT_CA), "{authorities:?}: {refused}");
        }
        fs::write(files.tls().cert, "nothing").unwrap();
        assert!(refusal().to_string().contains("has no certificate in it"));
        let config = certificate.server_config().unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }
}
