//! Somebody between two ends of a TLS connection, with a certificate of their own or the right one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::trouble::Trouble;

/// An authority that certificates are made by.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

impl Authority {
    /// A new one, whose certificate is written into `directory`.
    pub(crate) fn new(directory: &Path, name: &str) -> Result<Self, Trouble> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(Trouble::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(Trouble::other)?;
        let file = directory.join(format!("{name}.pem"));
        std::fs::write(&file, issuer.pem()).map_err(Trouble::io("writing a certificate"))?;
        Ok(Self { issuer, file })
    }

    /// A certificate for somebody, with its key.
    pub(crate) fn client(
        &self,
        name: &str,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Trouble> {
        let key = KeyPair::generate().map_err(Trouble::other)?;
        let mut params = CertificateParams::new(vec![format!("{name}.test")]).map_err(Trouble::other)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = params.signed_by(&key, &self.issuer).map_err(Trouble::other)?;
        Ok((leaf.der().clone(), PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))))
    }

    fn server(
        &self,
        host: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<TlsAcceptor, Trouble> {
        let key = KeyPair::generate().map_err(Trouble::other)?;
        let params = CertificateParams::new(vec![host.to_owned()]).map_err(Trouble::other)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(Trouble::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = config
            .map_err(Trouble::other)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .map_err(Trouble::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// What somebody in the middle does with connections.
enum Way {
    /// Ends TLS with this certificate.
    Tls(TlsAcceptor),
    /// Speaks without encryption.
    Plain,
}

/// Passes on what it understands, and keeps all of it.
pub(crate) struct Middle {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    accepting: JoinHandle<()>,
}

impl Middle {
    /// With a certificate for `host` by `authority`, in front of `to`.
    pub(crate) async fn tls(
        authority: &Authority,
        host: &str,
        versions: &[&'static SupportedProtocolVersion],
        to: SocketAddr,
    ) -> Result<Self, Trouble> {
        Self::start(Way::Tls(authority.server(host, versions)?), to).await
    }

    /// Without TLS.
    pub(crate) async fn plain(to: SocketAddr) -> Result<Self, Trouble> {
        Self::start(Way::Plain, to).await
    }

    async fn start(way: Way, to: SocketAddr) -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Trouble::io("listening"))?;
        let address = listener.local_addr().map_err(Trouble::io("listening"))?;
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let (way, ears) = (Arc::new(way), heard.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(way.clone(), stream, to, ears.clone()));
            }
        });
        Ok(Self { address, heard, accepting })
    }

    /// What it understood of what it was sent.
    pub(crate) fn heard(&self) -> String {
        let heard = self.heard.lock().map(|heard| heard.clone()).unwrap_or_default();
        String::from_utf8_lossy(&heard).into_owned()
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(way: Arc<Way>, stream: TcpStream, to: SocketAddr, heard: Arc<Mutex<Vec<u8>>>) {
    match &*way {
        Way::Plain => relay(stream, to, heard).await,
        Way::Tls(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => relay(stream, to, heard).await,
            Err(_) => None,
        },
    };
}

async fn relay(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
) -> Option<()> {
    let server = TcpStream::connect(to).await.ok()?;
    let (mut from_client, mut to_client) = tokio::io::split(stream);
    let (mut from_server, mut to_server) = server.into_split();
    let forth = async {
        let mut chunk = [0; 16 << 10];
        loop {
            let read = from_client.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
            let bytes = chunk.get(..read)?;
            heard.lock().ok()?.extend_from_slice(bytes);
            to_server.write_all(bytes).await.ok()?;
        }
    };
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        ended = forth => ended,
        _ = back => None,
    }
}
