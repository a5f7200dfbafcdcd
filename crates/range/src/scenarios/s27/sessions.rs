//! What belonged to sessions, where there are none.

use crate::{
    attack::{Attack, Wanted, wanted},
    ground::{ALLOWED, NOTES},
    http::{Answer, Request},
    message::{LEGACY, MODERN, initialize, legacy_call},
};

const UNSUPPORTED: Wanted = wanted(400, -32022, "unsupported-version");
const INVALID: Wanted = wanted(400, -32602, "invalid-params");
const NO_SUCH_VERB: Wanted = wanted(405, -32600, "http-method");
const SESSION: &str = "0123456789abcdef0123456789abcdef";

/// The handshake that would open a session.
pub(super) fn handshake() -> Attack {
    Attack::new("initialize", Request::post(NOTES, initialize()).bytes(), UNSUPPORTED)
}

/// The refusal says what would have been accepted.
pub(super) fn names_versions(answer: &Answer) -> Option<String> {
    let supported = answer.json().pointer("/error/data/supported").cloned().unwrap_or_default();
    (supported != serde_json::json!([MODERN])).then(|| format!("and it says {supported} is supported"))
}

pub(super) fn attacks() -> Vec<Attack> {
    let legacy = || Request::post(NOTES, legacy_call(ALLOWED));
    let rows = [
        ("a call as if in a session", legacy().header("mcp-session-id", SESSION), INVALID),
        (
            "a call as if in a session of 2025-11-25",
            legacy().header("mcp-session-id", SESSION).header("mcp-protocol-version", LEGACY),
            UNSUPPORTED,
        ),
        ("a call of 2025-11-25", legacy().header("mcp-protocol-version", LEGACY), UNSUPPORTED),
        ("a call of 2024-11-05", legacy().header("mcp-protocol-version", "2024-11-05"), UNSUPPORTED),
        ("a call of no version", legacy(), INVALID),
        ("a call of a version to come", legacy().header("mcp-protocol-version", "2099-01-01"), UNSUPPORTED),
        (
            "initialize in a session",
            Request::post(NOTES, initialize()).header("mcp-session-id", SESSION),
            UNSUPPORTED,
        ),
        (
            "a message to an HTTP+SSE connection",
            Request::post("/message/notes?sessionId=0123456789abcdef", legacy_call(ALLOWED)),
            wanted(404, -32600, "no-session"),
        ),
    ];
    rows.into_iter().map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted)).collect()
}

/// Methods of HTTP other than POST.
pub(super) fn verbs() -> Vec<Attack> {
    let events = |request: Request| request.header("accept", "text/event-stream");
    let rows = [
        ("GET", Request::new("GET", NOTES)),
        ("GET of a stream", events(Request::new("GET", NOTES))),
        ("GET of a session's stream", events(Request::new("GET", NOTES)).header("mcp-session-id", SESSION)),
        (
            "GET of the rest of a stream",
            events(Request::new("GET", NOTES))
                .header("mcp-session-id", SESSION)
                .header("last-event-id", "0-0"),
        ),
        ("GET of an HTTP+SSE connection", events(Request::new("GET", "/sse/notes"))),
        (
            "GET for a WebSocket",
            Request::new("GET", NOTES).header("connection", "upgrade, close").header("upgrade", "websocket"),
        ),
        ("DELETE", Request::new("DELETE", NOTES)),
        ("DELETE of a session", Request::new("DELETE", NOTES).header("mcp-session-id", SESSION)),
        ("PUT", Request::new("PUT", NOTES)),
        ("PATCH", Request::new("PATCH", NOTES)),
        ("TRACE", Request::new("TRACE", NOTES)),
        ("a verb of nobody", Request::new("BREW", NOTES)),
        ("post in lower case", Request::new("post", NOTES)),
    ];
    rows.into_iter().map(|(name, request)| Attack::new(name, request.bytes(), NO_SUCH_VERB)).collect()
}
