//! The `_meta` member of params and results.

use std::borrow::Cow;

use crate::code;
use crate::json::{Kind, Node};
use crate::message::{Request, RequestId};
use crate::version::Version;

mod trace;

pub use trace::{
    ListedBaggage, TraceContext, TraceParent, is_baggage, is_traceparent, is_tracestate, listed_baggage,
};

/// Version of a request (2026-07-28, required).
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Capabilities the client grants for a request (2026-07-28, required).
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Name and version of the client, as it claims.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Name and version of the server, as it claims; in results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Least severe log message the client wants for a request.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The listen request a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// The task a message belongs to (2025-11-25).
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// Asks for progress notifications under this token.
pub const PROGRESS_TOKEN: &str = "progressToken";
/// W3C Trace Context: the caller's span.
pub const TRACEPARENT: &str = "traceparent";
/// W3C Trace Context: vendor data.
pub const TRACESTATE: &str = "tracestate";
/// W3C Baggage.
pub const BAGGAGE: &str = "baggage";
/// Asks the gateway for a receipt; in results, the receipt. Ours.
pub const RECEIPT: &str = "portcullis/receipt";

/// Whom a key speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// The next hop: an intermediary writes its own value.
    PerHop,
    /// The far end: an intermediary passes it on.
    EndToEnd,
}

/// The category of every well-known key. Keys that are not listed are end to end.
pub const CATEGORIES: &[(&str, Category)] = &[
    (PROTOCOL_VERSION, Category::PerHop),
    // An intermediary cannot promise what only the far client can do, but it may promise less.
    (CLIENT_CAPABILITIES, Category::PerHop),
    (CLIENT_INFO, Category::EndToEnd),
    (SERVER_INFO, Category::EndToEnd),
    (LOG_LEVEL, Category::EndToEnd),
    // Tokens and ids are renumbered where one connection serves several callers.
    (SUBSCRIPTION_ID, Category::PerHop),
    (RELATED_TASK, Category::PerHop),
    (PROGRESS_TOKEN, Category::PerHop),
    // Each hop is a span of its own, with the same trace id.
    (TRACEPARENT, Category::PerHop),
    (TRACESTATE, Category::PerHop),
    (BAGGAGE, Category::EndToEnd),
    // What a gateway behind this one has on record is asked of that one.
    (RECEIPT, Category::PerHop),
];

/// The category of `key`.
pub fn category(key: &str) -> Category {
    CATEGORIES.iter().find(|(known, _)| *known == key).map_or(Category::EndToEnd, |(_, category)| *category)
}

/// Severity of a log message (RFC 5424), least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of RFC 5424")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    /// Every level, least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The level as written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// What a modern request says about itself.
#[derive(Clone, Debug)]
pub struct RequestMeta<'a> {
    /// The protocol version of the request.
    pub version: Version,
    /// The capabilities the client grants: an object.
    pub capabilities: Node<'a>,
    /// The client's name and version, unverified: an object.
    pub client_info: Option<Node<'a>>,
    /// The least severe log message wanted; none at all if absent.
    pub log_level: Option<LogLevel>,
    /// The token for progress notifications.
    pub progress_token: Option<RequestId>,
    /// Where the request belongs in a trace.
    pub trace: TraceContext<'a>,
}

/// Why a request's `_meta` is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// A required key is missing, or there is no `_meta` at all.
    #[error("`_meta` lacks the required key `{0}`")]
    Missing(&'static str),
    /// A well-known key has a value of the wrong type or format.
    #[error("`_meta` key `{0}` has an invalid value")]
    Invalid(&'static str),
    /// A key outside the key grammar (2026-07-28 basic/index, `_meta`).
    #[error("`_meta` key `{0}` is not a valid key name")]
    Key(String),
    /// A version this build does not know.
    #[error("protocol version `{0}` is not supported")]
    UnsupportedVersion(String),
}

impl MetaError {
    /// The JSON-RPC error code to answer with.
    pub fn code(&self) -> i64 {
        match self {
            Self::UnsupportedVersion(_) => code::UNSUPPORTED_PROTOCOL_VERSION,
            _ => code::INVALID_PARAMS,
        }
    }
}

impl<'a> RequestMeta<'a> {
    /// Reads and checks the `_meta` of a request in the modern era.
    pub fn read(request: &'a Request) -> Result<Self, MetaError> {
        let meta = request.meta().filter(|meta| meta.kind() == Kind::Object);
        let meta = meta.ok_or(MetaError::Missing(PROTOCOL_VERSION))?;
        check_keys(meta)?;
        let version = text(meta, PROTOCOL_VERSION)?.ok_or(MetaError::Missing(PROTOCOL_VERSION))?;
        Ok(Self {
            version: version.parse().map_err(|_| MetaError::UnsupportedVersion(version.into_owned()))?,
            capabilities: object(meta, CLIENT_CAPABILITIES)?
                .ok_or(MetaError::Missing(CLIENT_CAPABILITIES))?,
            client_info: object(meta, CLIENT_INFO)?,
            log_level: text(meta, LOG_LEVEL)?
                .map(|level| LogLevel::parse(&level).ok_or(MetaError::Invalid(LOG_LEVEL)))
                .transpose()?,
            progress_token: progress_token(meta)?,
            trace: TraceContext::read(meta)?,
        })
    }
}

/// Whether `request` says that it belongs to the modern era: it names a version in `_meta`.
pub fn names_version(request: &Request) -> bool {
    request.meta().is_some_and(|meta| meta.get(PROTOCOL_VERSION).is_some())
}

/// The progress token in a `_meta` object, of any version: a string or an integer.
pub fn progress_token(meta: Node<'_>) -> Result<Option<RequestId>, MetaError> {
    let invalid = |_| MetaError::Invalid(PROGRESS_TOKEN);
    meta.get(PROGRESS_TOKEN).map(RequestId::from_node).transpose().map_err(invalid)
}

fn text<'a>(meta: Node<'a>, key: &'static str) -> Result<Option<Cow<'a, str>>, MetaError> {
    meta.get(key).map(|node| node.as_str().ok_or(MetaError::Invalid(key))).transpose()
}

fn object<'a>(meta: Node<'a>, key: &'static str) -> Result<Option<Node<'a>>, MetaError> {
    match meta.get(key) {
        Some(node) if node.kind() != Kind::Object => Err(MetaError::Invalid(key)),
        other => Ok(other),
    }
}

/// Checks every key of a `_meta` object against the key grammar.
pub fn check_keys(meta: Node<'_>) -> Result<(), MetaError> {
    match meta.members().find(|(key, _)| !is_key(key)) {
        Some((key, _)) => Err(MetaError::Key(key.into_owned())),
        None => Ok(()),
    }
}

/// Whether `key` follows the key grammar: an optional prefix of dot-separated labels and a slash, then a
/// name that is empty or starts and ends with a letter or digit.
pub fn is_key(key: &str) -> bool {
    CATEGORIES.iter().any(|(known, _)| *known == key) || follows_grammar(key)
}

fn follows_grammar(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => prefix.split('.').all(is_label) && is_name(name),
        None => is_name(key),
    }
}

/// Whether MCP reserves the prefix of `key`: its second label is `modelcontextprotocol` or `mcp`.
pub fn is_reserved(key: &str) -> bool {
    let label = key.split_once('/').and_then(|(prefix, _)| prefix.split('.').nth(1));
    matches!(label, Some("modelcontextprotocol" | "mcp"))
}

fn is_label(label: &str) -> bool {
    label.starts_with(|c: char| c.is_ascii_alphabetic())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_name(name: &str) -> bool {
    name.is_empty()
        || name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
