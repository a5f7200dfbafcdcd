//! A certificate for a gateway, and clients that trust it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{http::connect, trouble::Trouble};

/// Makes connections to one gateway.
pub(crate) struct Client(TlsConnector);

impl Client {
    /// Writes a certificate and its key into `home` and returns a client that trusts it, with the section
    /// `[tls]` that names them.
    pub(crate) fn for_gateway_in(home: &Path) -> Result<(Self, String), Trouble> {
        let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(Trouble::other)?;
        let (cert, key) = (home.join("cert.pem"), home.join("key.pem"));
        fs::write(&cert, issued.cert.pem()).map_err(Trouble::io("writing the certificate"))?;
        let private = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key);
        let written =
            private.and_then(|mut file| file.write_all(issued.signing_key.serialize_pem().as_bytes()));
        written.map_err(Trouble::io("writing the key"))?;
        let mut roots = RootCertStore::empty();
        roots.add(issued.cert.der().clone()).map_err(Trouble::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(Trouble::other)?.with_root_certificates(roots).with_no_client_auth();
        let section = format!("[tls]\ncert = {cert:?}\nkey = {key:?}\n");
        Ok((Self(TlsConnector::from(Arc::new(config))), section))
    }

    /// A connection with its handshake done.
    pub(crate) async fn connect(&self, to: SocketAddr) -> Result<TlsStream<TcpStream>, Trouble> {
        let stream = connect(to, None).await?;
        self.0.connect(ServerName::from(to.ip()), stream).await.map_err(Trouble::io("shaking hands"))
    }
}
