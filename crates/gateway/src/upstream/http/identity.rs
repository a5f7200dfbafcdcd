//! The certificate that the gateway shows to a server (control NET-03).
//!
//! Its files are looked at with each new connection, so that a renewed certificate is shown without ending what is under
//! way. What cannot be read then leaves the one before in use, and an expired one is the server's to refuse.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use parking_lot::Mutex;
use rustls::{SignatureScheme, client::ResolvesClientCert, crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// When both files were written last, and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// A certificate with its private key, in files that may be replaced.
pub struct ClientCertificate {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<(Stamp, Arc<CertifiedKey>)>,
}

impl ClientCertificate {
    /// Reads a chain and its private key, both in PEM.
    ///
    /// # Errors
    /// What is wrong with them: the file, and why.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, (PathBuf, String)> {
        let stamp = stamp(certificate, key);
        let read = read(certificate, key)?;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Arc::new(Self { certificate, key, current: Mutex::new((stamp, Arc::new(read))) }))
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let now = stamp(&self.certificate, &self.key);
        let mut current = self.current.lock();
        if current.0 != now
            && let Ok(read) = read(&self.certificate, &self.key)
        {
            *current = (now, Arc::new(read));
        }
        current.1.clone()
    }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let about = fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, (PathBuf, String)> {
    let of = |path: &Path, what: String| (path.to_owned(), what);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(of(certificate, "there is no certificate in it".to_owned()));
    }
    refuse_open(key).map_err(|what| of(key, what))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, error.to_string()))?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map_err(|error| of(key, format!("it does not go with the certificate: {error}")))
}

#[cfg(unix)]
fn refuse_open(key: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(key).map_err(|error| error.to_string())?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err("others can read it: `chmod 600` it".to_owned()) }
}

#[cfg(not(unix))]
fn refuse_open(_: &Path) -> Result<(), String> {
    Ok(())
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
