//! Error codes of JSON-RPC and MCP, and the ones of our own.
//!
//! JSON-RPC 2.0 section 5.1 reserves −32768…−32000. MCP 2026-07-28 (basic/index, Error Codes) takes
//! −32020…−32099 for itself and asks implementations to keep their own codes outside the reserved range.

/// JSON-RPC 2.0: the bytes are not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON-RPC 2.0: JSON, but not a request.
pub const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC 2.0: no such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC 2.0: wrong parameters. In MCP also an unknown tool or prompt, and from 2026-07-28 an
/// unknown resource.
pub const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC 2.0: the server failed.
pub const INTERNAL_ERROR: i64 = -32603;

/// MCP up to 2025-11-25: no such resource. Must not be sent from 2026-07-28 on.
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// MCP 2025-11-25 alone: the call needs the user to visit a URL first.
pub const URL_ELICITATION_REQUIRED: i64 = -32042;

/// MCP 2026-07-28: HTTP headers do not agree with the body.
pub const HEADER_MISMATCH: i64 = -32020;
/// MCP 2026-07-28: the request needs a capability the client did not declare.
pub const MISSING_REQUIRED_CLIENT_CAPABILITY: i64 = -32021;
/// MCP 2026-07-28: the server does not speak the requested version.
pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;

/// Ours: policy refused the call.
pub const POLICY_DENIED: i64 = 40301;
/// Ours: the caller has used up a limit or a quota.
pub const LIMIT_EXCEEDED: i64 = 42901;
/// Ours: the server behind the gateway failed, timed out or answered with something that was refused.
pub const UPSTREAM_FAILED: i64 = 50201;

/// Whether JSON-RPC 2.0 reserves `code`, so that we must not give it a meaning of our own.
pub const fn is_reserved(code: i64) -> bool {
    matches!(code, -32768..=-32000)
}
