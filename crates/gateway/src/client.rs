//! Under which version a request is to be read, and what its client says it can do.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use portcullis_core::{
    ControlId, Refusal, RefusalKind,
    wire::{
        Era, Method, Request, Version, header,
        meta::{LogLevel, MetaError, RequestMeta, names_version},
    },
};

use crate::{inbound::Inbound, outbound::CLIENT_INFO, session::Session};

/// The client's side of one request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The version the request is read and answered under.
    pub version: Version,
    /// Declared capabilities, a JSON object.
    pub capabilities: Bytes,
    /// `clientInfo`, a JSON object. Unverified.
    pub info: Bytes,
    /// Log messages wanted; none means none (2026-07-28), or the session's level (legacy).
    pub log_level: Option<LogLevel>,
    /// The session, for legacy versions and for pipes.
    pub session: Option<Arc<Session>>,
}

impl Client {
    /// Which family of versions.
    pub(crate) fn era(&self) -> Era {
        self.version.era()
    }

    /// Whether it may use tasks: in 2026-07-28 it has to declare the extension with every request.
    ///
    /// # Errors
    /// [`RefusalKind::MissingCapability`].
    pub(crate) fn check_tasks(&self) -> Result<(), Refusal> {
        const TASKS: &str = "io.modelcontextprotocol/tasks";
        let declared = serde_json::from_slice::<serde_json::Value>(&self.capabilities).ok();
        let declares =
            declared.is_some_and(|it| it.get("extensions").is_some_and(|all| all.get(TASKS).is_some()));
        if self.era() == Era::Legacy || declares {
            return Ok(());
        }
        let required = format!(r#"{{"requiredCapabilities":{{"extensions":{{"{TASKS}":{{}}}}}}}}"#);
        Err(Refusal::new(RefusalKind::MissingCapability, "the client has not declared that it knows tasks")
            .data(required))
    }

    /// Reads the client's side of a request.
    ///
    /// # Errors
    /// [`RefusalKind::UnsupportedVersion`], [`RefusalKind::HeaderMismatch`], [`RefusalKind::InvalidParams`]
    /// or [`RefusalKind::InvalidRequest`], as 2026-07-28 basic/versioning and 2025-11-25 basic/lifecycle ask.
    pub(crate) fn of(inbound: &Inbound, request: &Request, floor: Version) -> Result<Self, Refusal> {
        let session = inbound.session.clone();
        if request.method_kind() == Method::Initialize && !is_stateless(inbound, request) {
            return handshake(request, session, floor);
        }
        if let Some(terms) = session.as_ref().and_then(|s| s.terms()) {
            agreed_version(inbound.headers.as_ref(), terms.version)?;
            let terms = terms.clone();
            let log_level = session.as_ref().map(|s| s.log_level());
            return Ok(Self {
                version: terms.version,
                capabilities: terms.capabilities,
                info: terms.client_info,
                log_level,
                session,
            });
        }
        if let Some(why) = session.as_ref().and_then(|it| it.failure()).filter(|_| !names_version(request)) {
            let what = format!("`initialize` failed, so nothing can be asked here: {why}");
            return Err(Refusal::new(RefusalKind::InvalidRequest, what));
        }
        stateless(inbound, request, session, floor)
    }
}

/// `initialize`: the version is negotiated by its answer, so the newest legacy one stands in.
fn handshake(request: &Request, session: Option<Arc<Session>>, floor: Version) -> Result<Client, Refusal> {
    if floor.era() == Era::Modern {
        let asked =
            request.params().and_then(|params| params.get("protocolVersion")).and_then(|v| v.as_str());
        return Err(unsupported(asked.as_deref().unwrap_or_default(), floor));
    }
    Ok(Client {
        version: Version::LATEST_LEGACY,
        capabilities: Bytes::from_static(b"{}"),
        info: anonymous(),
        log_level: None,
        session,
    })
}

/// Whether a request says of itself that it belongs to 2026-07-28, where `initialize` is no method.
fn is_stateless(inbound: &Inbound, request: &Request) -> bool {
    let named = inbound.headers.as_ref().and_then(|h| h.get(header::PROTOCOL_VERSION));
    names_version(request) && named.is_some_and(|v| v == Version::LATEST.as_str())
}

fn stateless(
    inbound: &Inbound,
    request: &Request,
    session: Option<Arc<Session>>,
    floor: Version,
) -> Result<Client, Refusal> {
    let named = named_version(inbound.headers.as_ref())?;
    if let (Some(headers), Some(_), true) = (&inbound.headers, &named, names_version(request)) {
        // Which of two versions would be unsupported cannot be said.
        header::agree_on_version(headers, request).map_err(mismatch)?;
    }
    match named.as_deref().map(str::parse::<Version>) {
        Some(Err(_)) => return Err(unsupported(named.as_deref().unwrap_or_default(), floor)),
        Some(Ok(version)) if version.era() == Era::Legacy => {
            let supported = floor.era() == Era::Legacy;
            return Err(if supported { needs_session() } else { unsupported(version.as_str(), floor) });
        }
        Some(Ok(_)) | None => {}
    }
    let meta = RequestMeta::read(request).map_err(|e| match e {
        MetaError::UnsupportedVersion(requested) => unsupported(&requested, floor),
        other => Refusal::new(RefusalKind::InvalidParams, format!("`params`: {other}")),
    })?;
    if meta.version.era() == Era::Legacy || meta.version < floor {
        return Err(unsupported(meta.version.as_str(), floor));
    }
    Ok(Client {
        version: meta.version,
        capabilities: meta.capabilities.to_bytes(),
        info: meta.client_info.map_or_else(anonymous, |info| info.to_bytes()),
        log_level: meta.log_level,
        session,
    })
}

/// Headers that do not agree with the body (control NET-04).
pub(crate) fn mismatch(fault: header::HeaderMismatch) -> Refusal {
    Refusal::new(RefusalKind::HeaderMismatch, fault.to_string()).by(ControlId::Net04)
}

fn named_version(headers: Option<&HeaderMap>) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.and_then(|h| h.get(header::PROTOCOL_VERSION)) else { return Ok(None) };
    let text = value.to_str().map_err(|_| {
        Refusal::new(RefusalKind::HeaderMismatch, "`MCP-Protocol-Version` is not visible ASCII")
    })?;
    Ok(Some(text.to_owned()))
}

/// A client that does not say who it is appears to servers as this gateway: `initialize` requires a name.
pub(crate) fn anonymous() -> Bytes {
    Bytes::from_static(CLIENT_INFO.as_bytes())
}

/// On a session the header, where it is sent, names the version `initialize` settled
/// (2025-06-18 basic/transports, Protocol Version Header).
fn agreed_version(headers: Option<&HeaderMap>, agreed: Version) -> Result<(), Refusal> {
    match named_version(headers)? {
        None => Ok(()),
        Some(named) if named == agreed.as_str() => Ok(()),
        Some(named) => Err(Refusal::new(
            RefusalKind::InvalidRequest,
            format!("`MCP-Protocol-Version` is `{}` but this session speaks `{agreed}`", shortened(&named)),
        )),
    }
}

fn needs_session() -> Refusal {
    Refusal::new(
        RefusalKind::InvalidRequest,
        "no session: send `initialize` first and repeat its `Mcp-Session-Id`, or use 2026-07-28",
    )
}

/// The refusal that names what would have been accepted (2026-07-28 basic/versioning).
pub(crate) fn unsupported(requested: &str, floor: Version) -> Refusal {
    let supported: Vec<_> =
        Version::ALL.iter().rev().filter(|v| **v >= floor).map(|v| format!("\"{v}\"")).collect();
    let supported = supported.join(",");
    let requested = shortened(requested);
    let mut quoted = Vec::new();
    portcullis_core::wire::json::write::push_str(&mut quoted, &requested);
    let quoted = String::from_utf8_lossy(&quoted).into_owned();
    Refusal::new(
        RefusalKind::UnsupportedVersion,
        format!(
            "protocol version `{requested}` is not served here; use one of {}",
            supported.replace('"', "")
        ),
    )
    .by(ControlId::Net04)
    .data(format!(r#"{{"supported":[{supported}],"requested":{quoted}}}"#))
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
