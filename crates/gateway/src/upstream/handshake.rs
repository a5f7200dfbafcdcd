//! Finding out which version a server speaks.
//!
//! 2026-07-28 basic/versioning: ask `server/discover`. A discover result, or the error that names the
//! versions the server does speak, means a modern server; anything else, including silence, means one that
//! wants `initialize`.

use std::time::Duration;

use bytes::Bytes;
use portcullis_core::{Exchange, LinkProfile, Outbound, ServerInfo, UpstreamError, UpstreamEvent};
use portcullis_wire::{
    Era, Message, Node, RequestId, Response, Version, code, decode_one,
    json::{Kind, Limits, write},
    message, meta,
};

/// What the answer to `server/discover` says.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// A modern server.
    Modern(Box<ServerInfo>),
    /// Not a modern server.
    Legacy,
    /// A modern server of versions unknown here.
    Foreign(String),
    /// A modern server that refused the version it was asked in and named the same as one it speaks. Several
    /// processes of different age behind one address do that; the next may answer.
    Undecided,
}

/// The request that asks for the versions.
pub(crate) fn discover(profile: &LinkProfile, patience: Duration) -> Outbound {
    let mut params = Vec::new();
    let mut object = write::Object::start(&mut params);
    let mut fields = write::Object::start(object.key("_meta"));
    fields.str(meta::PROTOCOL_VERSION, Version::LATEST.as_str());
    fields.raw(meta::CLIENT_CAPABILITIES, &profile.capabilities).raw(meta::CLIENT_INFO, &profile.client_info);
    fields.end();
    object.end();
    outbound("server/discover", &params, patience)
}

/// The request that begins a legacy session. It never names a modern version: one server was seen to echo
/// it, and then to behave as neither.
pub(crate) fn initialize(profile: &LinkProfile, patience: Duration) -> Outbound {
    let mut params = Vec::new();
    let mut object = write::Object::start(&mut params);
    object.str("protocolVersion", Version::LATEST_LEGACY.as_str());
    object.raw("capabilities", &profile.capabilities).raw("clientInfo", &profile.client_info);
    object.end();
    outbound("initialize", &params, patience)
}

/// The notification that ends the legacy handshake.
pub(crate) fn initialized() -> Bytes {
    message::notification("notifications/initialized", None)
}

fn outbound(method: &str, params: &[u8], patience: Duration) -> Outbound {
    let id = RequestId::from_u64(1);
    let body = message::request(&id, method, Some(params));
    Outbound {
        body,
        id,
        method: method.into(),
        headers: Vec::new(),
        idle_timeout: patience,
        total_timeout: patience,
    }
}

/// The response of an exchange, everything before it ignored.
pub(crate) async fn response(mut exchange: Box<dyn Exchange>) -> Result<Bytes, UpstreamError> {
    loop {
        if let UpstreamEvent::Response(bytes) = exchange.next().await? {
            return Ok(bytes);
        }
    }
}

/// Reads the answer to `server/discover`.
pub(crate) fn read_discover(answer: Bytes) -> Verdict {
    let Ok(response) = read(answer) else { return Verdict::Legacy };
    if let Some(error) = response.error() {
        let supported = error.data.and_then(|data| data.get("supported"));
        return match supported {
            Some(supported) if error.code == code::UNSUPPORTED_PROTOCOL_VERSION => {
                if offers(supported, Version::LATEST) { Verdict::Undecided } else { unsupported(supported) }
            }
            _ if error.code == code::UNSUPPORTED_PROTOCOL_VERSION => {
                Verdict::Foreign("none that it names".into())
            }
            _ => Verdict::Legacy,
        };
    }
    let Some(result) = response.result() else { return Verdict::Legacy };
    match result.get("supportedVersions") {
        // Some legacy servers answer with the versions of their own era only.
        Some(versions) if versions.kind() == Kind::Array && offers(versions, Version::LATEST) => {
            Verdict::Modern(Box::new(discovered(result)))
        }
        Some(versions) if versions.kind() == Kind::Array => unsupported(versions),
        _ => Verdict::Legacy,
    }
}

/// A server without the newest version: a legacy one if it has any legacy version.
fn unsupported(supported: Node<'_>) -> Verdict {
    if Version::ALL.into_iter().any(|version| version.era() == Era::Legacy && offers(supported, version)) {
        return Verdict::Legacy;
    }
    let names = supported
        .elements()
        .take(8)
        .filter_map(|name| name.as_str().map(|name| name.chars().take(32).collect()));
    Verdict::Foreign(names.collect::<Vec<String>>().join(", "))
}

fn offers(versions: Node<'_>, version: Version) -> bool {
    versions.elements().any(|name| name.as_str().as_deref() == Some(version.as_str()))
}

fn discovered(result: Node<'_>) -> ServerInfo {
    ServerInfo {
        version: Version::LATEST,
        capabilities: object(result.get("capabilities")).unwrap_or(Bytes::from_static(b"{}")),
        server_info: object(result.path(&["_meta", meta::SERVER_INFO])),
        instructions: instructions(result),
    }
}

/// Reads the answer to `initialize`.
pub(crate) fn read_initialize(answer: Bytes) -> Result<ServerInfo, UpstreamError> {
    let response = read(answer)?;
    if let Some(error) = response.error() {
        return Err(UpstreamError::Invalid(format!("`initialize` was answered with error {}", error.code)));
    }
    let result =
        response.result().ok_or_else(|| UpstreamError::Invalid("`initialize` was not answered".into()))?;
    let named = result.get("protocolVersion").and_then(|version| version.as_str());
    let version =
        named.as_deref().and_then(|name| name.parse::<Version>().ok()).filter(|v| v.era() == Era::Legacy);
    let Some(version) = version else {
        let named: String = named.unwrap_or_default().chars().take(32).collect();
        return Err(UpstreamError::Invalid(format!(
            "`initialize` was answered with version `{named}`, which was not offered"
        )));
    };
    Ok(ServerInfo {
        version,
        capabilities: object(result.get("capabilities")).unwrap_or(Bytes::from_static(b"{}")),
        server_info: object(result.get("serverInfo")),
        instructions: instructions(result),
    })
}

/// The error of a server of versions unknown here.
pub(crate) fn foreign(versions: &str) -> UpstreamError {
    UpstreamError::Invalid(format!("it speaks no protocol version known here: {versions}"))
}

/// The error of a server that goes on contradicting itself.
pub(crate) fn undecided() -> UpstreamError {
    let latest = Version::LATEST;
    UpstreamError::Invalid(format!("it refuses protocol version {latest} and says that it speaks {latest}"))
}

/// Whether an answer to `initialize` comes from a server that has settled on the modern era.
pub(crate) fn wants_modern(answer: &Bytes) -> bool {
    let response = read(answer.clone());
    response.is_ok_and(|response| {
        response.error().is_some_and(|error| error.code == code::UNSUPPORTED_PROTOCOL_VERSION)
    })
}

fn read(answer: Bytes) -> Result<Response, UpstreamError> {
    match decode_one(answer, &Limits { max_bytes: usize::MAX, ..Limits::default() }) {
        Ok(Message::Response(response)) => Ok(response),
        Ok(_) => Err(UpstreamError::Invalid("the handshake was not answered with a response".into())),
        Err(error) => Err(UpstreamError::Invalid(error.to_string())),
    }
}

/// Copied, so that a kept description does not keep the whole answer in memory.
fn object(node: Option<Node<'_>>) -> Option<Bytes> {
    node.filter(|node| node.kind() == Kind::Object).map(|node| Bytes::copy_from_slice(node.raw()))
}

fn instructions(result: Node<'_>) -> Option<Bytes> {
    let text = result.get("instructions").filter(|text| text.kind() == Kind::String);
    text.map(|text| Bytes::copy_from_slice(text.raw()))
}

/// Whether the client of this profile can be asked back by a legacy server.
pub(crate) fn can_be_asked(profile: &LinkProfile) -> bool {
    let document = portcullis_wire::Document::parse(profile.capabilities.clone(), &Limits::default());
    let asked =
        |root: Node<'_>| ["sampling", "elicitation", "roots"].iter().any(|name| root.get(name).is_some());
    // Unreadable capabilities are our own mistake; the careful answer is yes.
    document.map_or(true, |document| asked(document.root()))
}
