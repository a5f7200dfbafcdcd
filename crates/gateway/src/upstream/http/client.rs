//! A pooled HTTP client bound to one server.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{Clock as _, Secret, SystemClock, UpstreamError};
use portcullis_identity::{Credential, MessageSigner};
use portcullis_wire::json::Limits;

use super::tls::{self, Oldest};
use crate::upstream::config::Endpoint;

/// Why a server cannot be reached as configured.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpConfigError {
    /// Neither `http` nor `https`, or no host.
    #[error("`url` has to be an absolute `http` or `https` URL without user name and fragment")]
    Url,
    /// A header the transport writes itself.
    #[error("header `{0}` is written by the gateway itself and cannot be configured")]
    ReservedHeader(HeaderName),
    /// A header value with a control character.
    #[error("the value of header `{0}` has characters that no header may have")]
    HeaderValue(HeaderName),
    /// The file of certificate authorities is unusable.
    #[error("`ca_file` `{path}`: {reason}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No authority to trust.
    #[error("the system has no certificate authorities: set `ca_file`")]
    NoAuthorities,
    /// The TLS library refused.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Headers that carry the transport's own meaning.
const RESERVED: [HeaderName; 10] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    portcullis_wire::header::LAST_EVENT_ID,
];

/// What every POST accepts (2026-07-28 and 2025-11-25 basic/transports).
const ACCEPT_BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const ACCEPT_EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How long a quiet connection, such as a standing stream, is trusted before the peer has to prove that it is
/// still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How long a connection may be idle and still be used. Servers on Node or uvicorn close theirs after five seconds, and a request
/// that crosses with that is lost without anybody knowing whether it took effect (RFC 9112 section 9.3.1).
const IDLE: Duration = Duration::from_secs(3);

/// A client for one server, with its configured headers.
pub(crate) struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    headers: HeaderMap,
    credential: Option<Arc<Credential>>,
    signer: Option<Arc<MessageSigner>>,
    reading: Limits,
}

impl HttpClient {
    pub(crate) fn new(
        endpoint: &Endpoint,
        connect_timeout: Duration,
        reading: Limits,
    ) -> Result<Self, HttpConfigError> {
        let tls = check(&endpoint.url)?;
        let oldest = if endpoint.danger_tls12 { Oldest::Tls12 } else { Oldest::Tls13 };
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let connector =
            tls::connector(tcp, tls, endpoint.ca_file.as_deref(), oldest, endpoint.certificate.clone())?;
        let inner = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .build(connector);
        let headers = configured(&endpoint.headers)?;
        let credential = endpoint.credential.clone();
        if credential.is_some() && headers.contains_key(header::AUTHORIZATION) {
            return Err(HttpConfigError::ReservedHeader(header::AUTHORIZATION));
        }
        let signer = endpoint.signer.clone();
        Ok(Self { inner, url: endpoint.url.clone(), headers, credential, signer, reading })
    }

    /// What the server is shown besides the configured headers.
    pub(super) fn credential(&self) -> Option<&Arc<Credential>> {
        self.credential.as_ref()
    }

    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        self.reading.max_bytes
    }

    /// Bounds for finding out what a message is.
    pub(crate) fn reading(&self) -> &Limits {
        &self.reading
    }

    /// A message for the server.
    pub(crate) fn post(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = self.request(Method::POST, body, ACCEPT_BOTH);
        request.headers_mut().insert(header::CONTENT_TYPE, JSON);
        request
    }

    /// A question for an event stream.
    pub(crate) fn get(&self) -> Request<Full<Bytes>> {
        self.request(Method::GET, Bytes::new(), ACCEPT_EVENTS)
    }

    /// The end of a session.
    pub(crate) fn delete(&self) -> Request<Full<Bytes>> {
        self.request(Method::DELETE, Bytes::new(), ACCEPT_BOTH)
    }

    fn request(&self, method: Method, body: Bytes, accept: HeaderValue) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::ACCEPT, accept);
        request
    }

    /// Sends a request and waits for the head of the answer. Redirects are answers like any other: following
    /// one would send credentials and arguments to a place nobody configured.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        authorization: Option<HeaderValue>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        if let Some(signer) = &self.signer {
            request = signed(signer, request).await?;
        }
        self.inner.request(request).await.map_err(|error| {
            let connecting = error.is_connect();
            let reason = root_cause(&error);
            if connecting { UpstreamError::Unreachable(reason) } else { UpstreamError::Broken(reason) }
        })
    }
}

/// The request with the signature of what it is by now (RFC 9421).
async fn signed(
    signer: &MessageSigner,
    request: Request<Full<Bytes>>,
) -> Result<Request<Full<Bytes>>, UpstreamError> {
    let (mut parts, mut body) = request.into_parts();
    // All of it is there, in one piece: nothing is waited for.
    let whole = body.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
    let (body, now) = (whole.unwrap_or_default(), SystemClock.now_ms() / 1000);
    let signed = signer.sign(&parts.method, &parts.uri, &mut parts.headers, &body, now);
    signed.map_err(|what| UpstreamError::Unreachable(format!("the request cannot be signed: {what}")))?;
    Ok(Request::from_parts(parts, Full::new(body)))
}

/// Whether the URL wants TLS.
fn check(url: &Uri) -> Result<bool, HttpConfigError> {
    let authority = url.authority().ok_or(HttpConfigError::Url)?;
    match url.scheme_str() {
        Some(scheme @ ("http" | "https")) if !authority.as_str().contains('@') => Ok(scheme == "https"),
        _ => Err(HttpConfigError::Url),
    }
}

fn configured(headers: &[(HeaderName, Secret)]) -> Result<HeaderMap, HttpConfigError> {
    let mut map = HeaderMap::with_capacity(headers.len() + 8);
    for (name, value) in headers {
        if RESERVED.contains(name) || name.as_str().starts_with("mcp-") {
            return Err(HttpConfigError::ReservedHeader(name.clone()));
        }
        let unusable = |_| HttpConfigError::HeaderValue(name.clone());
        let mut value = HeaderValue::from_bytes(value.expose()).map_err(unusable)?;
        value.set_sensitive(true);
        map.append(name.clone(), value);
    }
    Ok(map)
}

/// The last of a chain of errors, which is the one that says what happened.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
