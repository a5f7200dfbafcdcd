//! The one place where a refusal becomes a code and a public message.

use bytes::Bytes;
use portcullis_core::{
    Refusal, RefusalKind,
    wire::{Era, RequestId, Version, code, message},
};

use crate::outflow::Answered;

/// What a refusal looks like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// HTTP status.
    pub http: u16,
    /// JSON-RPC error code.
    pub code: i64,
}

/// One row per kind. Statuses and codes: MCP 2026-07-28 basic/transports/streamable-http and basic/index;
/// our own denial code lies outside the range JSON-RPC and MCP reserve.
pub const fn wire(kind: RefusalKind) -> Wire {
    use RefusalKind as K;
    let (http, code) = match kind {
        K::Unauthenticated => (401, code::POLICY_DENIED),
        K::Denied | K::Stopped | K::Consent => (403, code::POLICY_DENIED),
        K::BadOrigin | K::BadHost => (403, code::POLICY_DENIED),
        K::Malformed => (400, code::PARSE_ERROR),
        K::InvalidRequest => (400, code::INVALID_REQUEST),
        K::InvalidParams | K::SchemaMismatch => (400, code::INVALID_PARAMS),
        K::NotFound | K::ResourceNotFound => (200, code::INVALID_PARAMS),
        K::HeaderMismatch => (400, code::HEADER_MISMATCH),
        K::MissingCapability => (400, code::MISSING_REQUIRED_CLIENT_CAPABILITY),
        K::UnsupportedVersion => (400, code::UNSUPPORTED_PROTOCOL_VERSION),
        K::UnknownMethod => (404, code::METHOD_NOT_FOUND),
        K::NoSession => (404, code::INVALID_REQUEST),
        K::TooLarge => (413, code::INVALID_REQUEST),
        K::TooMany => (429, code::LIMIT_EXCEEDED),
        K::MediaType => (415, code::INVALID_REQUEST),
        K::NotAcceptable => (406, code::INVALID_REQUEST),
        K::NoSuchPath => (404, code::INVALID_REQUEST),
        K::HttpMethod => (405, code::INVALID_REQUEST),
        K::Timeout => (408, code::INVALID_REQUEST),
        K::UpstreamUnavailable | K::UpstreamInvalid => (502, code::UPSTREAM_FAILED),
        K::UpstreamTimeout => (504, code::UPSTREAM_FAILED),
        K::Untranslatable => (200, code::UPSTREAM_FAILED),
        K::RecordUnavailable | K::Draining => (503, code::INTERNAL_ERROR),
        K::Cancelled => (200, code::INVALID_REQUEST),
        K::Internal => (500, code::INTERNAL_ERROR),
    };
    Wire { http, code }
}

/// Who reads the refusal, which decides details the two eras differ in.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Version of the conversation; none before it is known.
    pub version: Option<Version>,
    /// Whether the request belongs to a session, where 404 would make the client initialise again.
    pub in_session: bool,
    /// The request, when it could be told.
    pub id: Option<&'a RequestId>,
}

/// Writes a refusal as a JSON-RPC error with `data.record`, so that a person can find the reason.
pub fn refusal(refusal: &Refusal, reader: Reader<'_>) -> Answered {
    let Wire { http, code } = match refusal.challenge() {
        // The client has to see the status to look for the challenge, whatever its version.
        Some(_) => wire(refusal.kind()),
        None => wire_for(refusal.kind(), reader),
    };
    let data = data(refusal);
    let body = message::response_error(reader.id, code, refusal.public(), data.as_deref());
    Answered { status: http, body }
}

fn wire_for(kind: RefusalKind, reader: Reader<'_>) -> Wire {
    let mut wire = wire(kind);
    let legacy = reader.version.is_some_and(|v| v.era() == Era::Legacy);
    let said_in_body = matches!(
        kind,
        RefusalKind::UnknownMethod
            | RefusalKind::Denied
            | RefusalKind::Stopped
            | RefusalKind::Consent
            | RefusalKind::InvalidParams
            | RefusalKind::SchemaMismatch
    );
    // A legacy client reads 404 as "session gone" and other errors as a broken transport, and would drop
    // the JSON-RPC error that explains the refusal.
    if reader.in_session && legacy && said_in_body {
        wire.http = 200;
    }
    // What makes a client of this version open a page (2025-11-25 client/elicitation, "URL Mode Elicitation Required").
    if kind == RefusalKind::Consent && reader.version == Some(Version::V2025_11_25) {
        wire = Wire { http: 200, code: code::URL_ELICITATION_REQUIRED };
    }
    if legacy && kind == RefusalKind::ResourceNotFound {
        wire.code = code::RESOURCE_NOT_FOUND;
    }
    if legacy && wire.code == code::UNSUPPORTED_PROTOCOL_VERSION {
        wire.code = code::INVALID_PARAMS;
    }
    wire
}

/// `error.data`: what the protocol defines for the error, and the record that explains it.
fn data(refusal: &Refusal) -> Option<Bytes> {
    let Some(record) = refusal.record() else { return refusal.error_data().cloned() };
    let members = refusal.error_data().and_then(|data| data.strip_prefix(b"{")).filter(|rest| *rest != b"}");
    let mut out = format!(r#"{{"record":"{record}""#).into_bytes();
    match members {
        Some(rest) => {
            out.push(b',');
            out.extend_from_slice(rest);
        }
        None => out.push(b'}'),
    }
    Some(out.into())
}

/// The HTTP status under which an upstream's own JSON-RPC error travels to a 2026-07-28 client.
pub fn status_of_error(error_code: i64) -> u16 {
    match error_code {
        code::PARSE_ERROR
        | code::INVALID_REQUEST
        | code::HEADER_MISMATCH
        | code::MISSING_REQUIRED_CLIENT_CAPABILITY
        | code::UNSUPPORTED_PROTOCOL_VERSION => 400,
        code::METHOD_NOT_FOUND => 404,
        _ => 200,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use super::*;

    #[test]
    fn a_page_to_open_is_named_in_the_way_of_each_version() {
        let data = r#"{"elicitations":[{"mode":"url","url":"https://gw.test/connect/notes"}]}"#;
        let consent = Refusal::new(RefusalKind::Consent, "agree first").data(data);
        for (version, http, code) in [
            (Version::V2025_06_18, 200, code::POLICY_DENIED),
            (Version::V2025_11_25, 200, code::URL_ELICITATION_REQUIRED),
            (Version::V2026_07_28, 403, code::POLICY_DENIED),
        ] {
            let answered = refusal(&consent, Reader { version: Some(version), in_session: true, id: None });
            let body: serde_json::Value = serde_json::from_slice(&answered.body).unwrap();
            assert_eq!((answered.status, &body["error"]["code"]), (http, &code.into()), "{version}");
            assert_eq!(body["error"]["data"]["elicitations"][0]["mode"], "url");
        }
    }
}
