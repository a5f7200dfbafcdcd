//! HTTP headers that repeat parts of a message (2026-07-28 basic/transports/streamable-http).

mod agree;
mod build;
mod mirror;
mod value;

use http::HeaderName;

pub use agree::{HeaderMismatch, Mismatch, agree, agree_on_version};
pub use build::{BuildFault, build};
pub use mirror::{
    AnnotationFault, AnnotationFaultKind, MAX_MIRRORED, MirroredParam, MirroredType, mirrored_params,
};
pub use value::{decode_value, encode_value};

/// `MCP-Protocol-Version`: the version of the request.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Mcp-Method`: repeats `method`.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `Mcp-Name`: repeats the tool or prompt name, the resource URI or the task id.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// `Mcp-Session-Id`: the session, in the legacy era.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// `Last-Event-ID`: where to resume a stream, in the legacy era.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// `Mcp-Param-`: how the headers that repeat tool arguments start, in lower case.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// Whether `byte` may occur in a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
        | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}
