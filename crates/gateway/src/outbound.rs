//! Requests to servers: the gateway's own, and the pieces shared with forwarded ones.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use portcullis_core::{
    Challenge, ControlId, Digest, Link, Outbound, Refusal, RefusalKind, ServerName, UpstreamError,
    wire::{
        Document, Era, Limits, Message, Patch, Request, RequestId, Version, decode_one, header, message, meta,
    },
};

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For the first and each further message.
    pub idle: Duration,
    /// For the whole exchange, whatever progress it reports.
    pub total: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), total: Duration::from_secs(600) }
    }
}

/// `clientInfo` of the gateway itself.
pub const CLIENT_INFO: &str =
    concat!(r#"{"name":"portcullis","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);

/// An id no client can have chosen for the same link, because links are not shared between the gateway
/// and a session that numbers its own requests.
pub fn fresh_id() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    RequestId::from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A request of the gateway's own. `params` is a JSON object without `_meta`.
///
/// # Errors
/// [`RefusalKind::Internal`] when `params` is not one.
pub fn own(
    link: &dyn Link,
    method: &'static str,
    params: &[u8],
    timing: Timing,
) -> Result<Outbound, Refusal> {
    let version = link.info().version;
    if version.era() == Era::Legacy {
        return own_with(link, method, params, timing);
    }
    let params = set_member(&Bytes::copy_from_slice(params), &["_meta"], &own_meta(version, b"{}"))
        .ok_or_else(|| internal("params is not an object"))?;
    own_with(link, method, &params, timing)
}

/// The same with params that say all there is to say.
pub(crate) fn own_with(
    link: &dyn Link,
    method: &'static str,
    params: &[u8],
    timing: Timing,
) -> Result<Outbound, Refusal> {
    outbound(message::request(&fresh_id(), method, Some(params)), link.info().version, &[], timing)
}

/// `_meta` of a request of the gateway's own.
pub(crate) fn own_meta(version: Version, capabilities: &[u8]) -> Vec<u8> {
    request_meta(version, capabilities, CLIENT_INFO.as_bytes(), None)
}

/// `_meta` of a 2026-07-28 request (basic/index, `_meta`).
pub fn request_meta(
    version: Version,
    capabilities: &[u8],
    client_info: &[u8],
    log_level: Option<&str>,
) -> Vec<u8> {
    let mut out = format!(r#"{{"{}":"{version}","{}":"#, meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES)
        .into_bytes();
    out.extend_from_slice(capabilities);
    out.extend_from_slice(format!(r#","{}":"#, meta::CLIENT_INFO).as_bytes());
    out.extend_from_slice(client_info);
    if let Some(level) = log_level {
        out.extend_from_slice(format!(r#","{}":"{level}""#, meta::LOG_LEVEL).as_bytes());
    }
    out.push(b'}');
    out
}

/// Wraps a request body that is already in the server's version, with the headers that mirror it.
///
/// # Errors
/// [`RefusalKind::Internal`] when the body is not a request, which is a defect of the translation.
pub fn outbound(
    body: Bytes,
    version: Version,
    mirrored: &[header::MirroredParam],
    timing: Timing,
) -> Result<Outbound, Refusal> {
    let message = decode_one(body, &GENEROUS).map_err(|e| internal(&e.to_string()))?;
    let Message::Request(request) = message else { return Err(internal("not a request")) };
    let headers = match version.era() {
        Era::Modern => mirror(&request, mirrored, version)?,
        Era::Legacy => Vec::new(),
    };
    Ok(Outbound {
        id: request.id().clone(),
        method: Arc::from(request.method()),
        body: request.bytes().clone(),
        headers,
        idle_timeout: timing.idle,
        total_timeout: timing.total,
    })
}

/// The headers that repeat what is in the body (2026-07-28 basic/transports/streamable-http).
///
/// # Errors
/// [`RefusalKind::InvalidParams`] when a mirrored argument cannot be written as a header.
pub fn mirror(
    request: &Request,
    mirrored: &[header::MirroredParam],
    version: Version,
) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    header::build(request, mirrored, version)
        .map_err(|e| Refusal::new(RefusalKind::InvalidParams, e.to_string()))
}

/// Bounds for bytes the gateway wrote itself from parts that were already within their limits.
pub const GENEROUS: Limits = Limits {
    max_bytes: 1 << 30,
    max_depth: 1_000,
    max_string: 1 << 30,
    max_members: u32::MAX,
    max_nodes: u32::MAX,
};

/// `raw` with the member at `path` set to `value`. None when a parent on the path is missing.
pub fn set_member(raw: &Bytes, path: &[&str], value: &[u8]) -> Option<Bytes> {
    let document = Document::parse(raw.clone(), &GENEROUS).ok()?;
    let (last, parents) = path.split_last()?;
    let parent = document.root().path(parents)?;
    let mut patch = Patch::new(&document);
    patch.set(parent, last, value.to_vec()).ok()?;
    Some(patch.apply())
}

/// Reads a message from a server.
///
/// # Errors
/// In the operator's words.
pub fn decode(body: Bytes, limits: &Limits) -> Result<Message, String> {
    decode_one(body, limits).map_err(|e| e.to_string())
}

/// What the client is told when a server fails, and what the operator is.
pub fn refusal(server: &ServerName, error: &UpstreamError) -> Refusal {
    let (kind, public) = match error {
        UpstreamError::Unreachable(_) => (RefusalKind::UpstreamUnavailable, "cannot be reached"),
        UpstreamError::NotStarted(_) => (RefusalKind::UpstreamUnavailable, "could not be started"),
        UpstreamError::Broken(_) => {
            (RefusalKind::UpstreamUnavailable, "broke off; whether it did anything is not known")
        }
        UpstreamError::SessionGone => (RefusalKind::UpstreamUnavailable, "ended its session"),
        UpstreamError::Timeout(_) => (RefusalKind::UpstreamTimeout, "did not answer in time"),
        UpstreamError::Busy => (RefusalKind::TooMany, "has too many requests waiting"),
        UpstreamError::Invalid(_) => (RefusalKind::UpstreamInvalid, "answered outside the protocol"),
        UpstreamError::Http { .. } => (RefusalKind::UpstreamUnavailable, "refused the connection"),
        UpstreamError::NoCredential { scopes: Some(_), .. } => {
            (RefusalKind::Denied, "needs scopes that your access token does not grant")
        }
        UpstreamError::NoCredential { details: Some(_), .. } => {
            (RefusalKind::Denied, "needs `authorization_details` that your access token does not have")
        }
        UpstreamError::NoCredential { page: Some(_), .. } => {
            (RefusalKind::Consent, "needs you to agree that it is called for you")
        }
        UpstreamError::NoCredential { remedy: Some(_), .. } => {
            (RefusalKind::Denied, "needs you to agree that it is called for you")
        }
        UpstreamError::NoCredential { .. } => {
            (RefusalKind::UpstreamUnavailable, "cannot be called: there is no credential for it")
        }
        UpstreamError::TooLarge { .. } => {
            (RefusalKind::UpstreamInvalid, "sent more than the configured limit")
        }
    };
    let public = match error {
        UpstreamError::NoCredential { remedy: Some(remedy), .. } => format!("{public}: {remedy}"),
        _ => public.to_owned(),
    };
    let refusal = Refusal::new(kind, format!("server `{server}` {public}"));
    let refusal = refusal.operator(format!("server `{server}`: {error}"));
    match error {
        UpstreamError::NoCredential { scopes: Some(scopes), .. } => {
            refusal.by(ControlId::Az05).challenging(Challenge::Scopes(scopes.clone()))
        }
        UpstreamError::NoCredential { details: Some(types), .. } => {
            let wanted: Vec<_> = types.split(' ').map(|kind| serde_json::json!({ "type": kind })).collect();
            let data = serde_json::json!({ "authorization_details": wanted }).to_string();
            refusal.by(ControlId::Az05).data(data).challenging(Challenge::Details)
        }
        UpstreamError::NoCredential { page: Some(page), .. } => {
            refusal.by(ControlId::Az07).data(elicitation(server, page))
        }
        UpstreamError::NoCredential { .. } => refusal.by(ControlId::Az07),
        _ => refusal,
    }
}

/// `data` that names the page for programs. The id is that of the ticket in the page's address, which is sealed.
fn elicitation(server: &ServerName, page: &str) -> Bytes {
    let id = Digest::of(page.as_bytes()).to_string();
    let message = format!("Agree that server `{server}` is called for you");
    let asked = serde_json::json!({ "mode": "url", "elicitationId": id, "url": page, "message": message });
    serde_json::json!({ "elicitations": [asked] }).to_string().into()
}

fn internal(what: &str) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").operator(format!("outbound request: {what}"))
}
