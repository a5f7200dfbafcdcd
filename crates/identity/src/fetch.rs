//! Documents of issuers, fetched so that no answer can point us at what only this machine can reach.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use portcullis_core::{BoxFuture, Host, special_purpose};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;

use crate::MAX_KEY_SET;

/// Longest time for one document, from its name to its last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where documents of issuers come from.
pub trait Fetch: Send + Sync {
    /// Gets `url`. `home` is the issuer's own URL: whoever configured it chose the machine, so its address may be
    /// any; every other has to be public.
    fn get<'f>(&'f self, url: &'f Uri, home: &'f Uri) -> BoxFuture<'f, Result<Fetched, FetchFault>>;
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

/// Why a document could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}`: {what}")]
pub struct FetchFault {
    url: String,
    what: String,
}

impl FetchFault {
    pub(crate) fn new(url: &Uri, what: impl Into<String>) -> Self {
        Self { url: url.to_string(), what: what.into() }
    }
}

/// Fetches over HTTP/1.1, in TLS unless the issuer itself is on this machine. Nothing is kept between two
/// documents, and no redirect is followed: it would lead to a place nobody configured.
pub struct HttpFetch {
    tls: TlsConnector,
}

impl HttpFetch {
    /// Trusts the system's certificate authorities and those in `ca_file`.
    ///
    /// # Errors
    /// What is wrong with the file, or with TLS on this machine.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // Certificates that cannot be read are as good as absent.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = ca_file {
            let certificates = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Sends a request to its absolute URL. `home` is as for [`Fetch::get`].
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        home: &Uri,
    ) -> Result<Fetched, FetchFault> {
        let url = request.uri().clone();
        let fetched = tokio::time::timeout(PATIENCE, self.fetch(request, &url, home)).await;
        fetched.unwrap_or_else(|_| Err(late())).map_err(|what| FetchFault::new(&url, what))
    }

    /// The status and headers of an answer whose body nobody needs.
    pub(crate) async fn head(
        &self,
        request: Request<Full<Bytes>>,
        home: &Uri,
    ) -> Result<(u16, HeaderMap), FetchFault> {
        let url = request.uri().clone();
        let answered = tokio::time::timeout(PATIENCE, self.answer(request, &url, home)).await;
        let answered =
            answered.unwrap_or_else(|_| Err(late())).map_err(|what| FetchFault::new(&url, what))?;
        let (parts, _) = answered.into_parts();
        Ok((parts.status.as_u16(), parts.headers))
    }

    async fn fetch(&self, request: Request<Full<Bytes>>, url: &Uri, home: &Uri) -> Result<Fetched, String> {
        read(self.answer(request, url, home).await?).await
    }

    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        url: &Uri,
        home: &Uri,
    ) -> Result<Response<Incoming>, String> {
        let tls = url.scheme_str() == Some("https");
        let own = url.authority() == home.authority() && url.scheme() == home.scheme();
        if !tls && !own {
            return Err("it is not https".to_owned());
        }
        let name = url.host().ok_or("it has no host")?;
        let port = url.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let addresses = resolve(name, port).await?;
        if !own {
            addresses.iter().try_for_each(|address| check_public(address.ip()))?;
        }
        let stream = connect(&addresses).await?;
        if tls {
            let server = name.trim_start_matches('[').trim_end_matches(']').to_owned();
            let server = ServerName::try_from(server).map_err(|error| error.to_string())?;
            let stream = self.tls.connect(server, stream).await.map_err(|error| error.to_string())?;
            ask(stream, request).await
        } else {
            ask(stream, request).await
        }
    }
}

impl Fetch for HttpFetch {
    fn get<'f>(&'f self, url: &'f Uri, home: &'f Uri) -> BoxFuture<'f, Result<Fetched, FetchFault>> {
        Box::pin(async move {
            let request = Request::get(url.clone()).body(Full::default());
            let request = request.map_err(|error| FetchFault::new(url, error.to_string()))?;
            self.send(request, home).await
        })
    }
}

fn late() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

/// The one resolution: what is checked is what is connected to.
async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let addresses: Vec<SocketAddr> = match Host::parse(name).map_err(|fault| fault.to_string())? {
        Host::Address(address) => vec![SocketAddr::new(address, port)],
        Host::Name(name) => {
            let found = lookup_host((name.as_str(), port)).await;
            found.map_err(|error| format!("its name has no address: {error}"))?.collect()
        }
    };
    if addresses.is_empty() { Err("its name has no address".to_owned()) } else { Ok(addresses) }
}

/// Every address has to be public: which of them is used is the resolver's choice.
fn check_public(address: IpAddr) -> Result<(), String> {
    match special_purpose(address) {
        None => Ok(()),
        Some(special) => Err(format!("`{address}` is not a public address ({})", special.purpose())),
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut last = String::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the body.
    tokio::spawn(connection);
    let url = request.uri();
    let host = url.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| "its path is no path".to_owned())?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    sender.send_request(request).await.map_err(|error| error.to_string())
}

/// The body, no longer than any set of keys.
async fn read(response: Response<Incoming>) -> Result<Fetched, String> {
    let status: StatusCode = response.status();
    let (mut body, mut bytes) = (response.into_body(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let data = frame.into_data().unwrap_or_default();
        if bytes.len() + data.len() > MAX_KEY_SET {
            return Err(format!("it is larger than {MAX_KEY_SET} bytes"));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Fetched { status: status.as_u16(), body: bytes.freeze() })
}
