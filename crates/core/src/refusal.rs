//! Saying no.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;

use crate::{ControlId, RecordId};

/// Why a request ends without its effect. Closed, so that `gateway::reply` can map each to the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// No acceptable identity.
    Unauthenticated,
    /// Policy says no, or could not be evaluated.
    Denied,
    /// The caller has to agree first, on a page that the refusal names.
    Consent,
    /// `Origin` is not on the allow-list.
    BadOrigin,
    /// `Host` does not name this gateway.
    BadHost,
    /// Not JSON, or JSON that two readers could read differently.
    Malformed,
    /// JSON, but not a JSON-RPC message that may be sent here.
    InvalidRequest,
    /// A parameter is missing, unknown or of the wrong shape.
    InvalidParams,
    /// The arguments do not fit the tool's own schema.
    SchemaMismatch,
    /// A header does not agree with the body.
    HeaderMismatch,
    /// A required client capability was not declared.
    MissingCapability,
    /// The protocol version is not served here.
    UnsupportedVersion,
    /// The method is not served here.
    UnknownMethod,
    /// No tool, prompt or server of that name is visible to this caller.
    NotFound,
    /// No resource of that URI is visible to this caller.
    ResourceNotFound,
    /// The session is unknown, ended or somebody else's.
    NoSession,
    /// Larger than the configured limit.
    TooLarge,
    /// Too many at once, or too fast.
    TooMany,
    /// `Content-Type` is not what the transport requires.
    MediaType,
    /// `Accept` does not list what the transport answers with.
    NotAcceptable,
    /// The URL names no endpoint.
    NoSuchPath,
    /// HTTP method is not served on this path.
    HttpMethod,
    /// The peer took too long.
    Timeout,
    /// The upstream server could not be reached.
    UpstreamUnavailable,
    /// The upstream server answered something that cannot be passed on.
    UpstreamInvalid,
    /// The upstream server did not answer in time.
    UpstreamTimeout,
    /// What was asked cannot be expressed in the other side's protocol version.
    Untranslatable,
    /// The record could not be written, so nothing may happen.
    RecordUnavailable,
    /// An operator has stopped the server, the tool or the caller.
    Stopped,
    /// The gateway is shutting down.
    Draining,
    /// The request was cancelled by its sender.
    Cancelled,
    /// A defect of the gateway.
    Internal,
}

/// What a caller has to bring to be let in (RFC 6750 section 3). Becomes a `WWW-Authenticate` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token: none was sent.
    Token,
    /// Another token: this one is not accepted (`invalid_token`).
    AnotherToken,
    /// A request that says once, and in one way, which token it means (`invalid_request`).
    OneToken,
    /// A token that is bound to a key, with a proof (`invalid_token`, RFC 9449).
    BoundToken,
    /// Another proof (`invalid_dpop_proof`).
    Proof,
    /// A proof with this nonce (`use_dpop_nonce`).
    Nonce(Arc<str>),
    /// A token with these scopes (`insufficient_scope`).
    Scopes(Arc<str>),
    /// A token that grants this in detail (RFC 9396); `error.data` says what.
    Details,
}

/// A refusal with its two messages: what the peer may read and what the operator needs.
#[derive(Clone, Debug)]
pub struct Refusal(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: RefusalKind,
    control: Option<ControlId>,
    public: Cow<'static, str>,
    operator: Option<String>,
    data: Option<bytes::Bytes>,
    record: Option<RecordId>,
    challenge: Option<Challenge>,
    question: Option<Box<str>>,
}

impl Refusal {
    /// A refusal whose `public` text the peer may read.
    pub fn new(kind: RefusalKind, public: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            control: None,
            public: public.into(),
            operator: None,
            data: None,
            record: None,
            challenge: None,
            question: None,
        }))
    }

    /// Names the control that refused.
    #[must_use]
    pub fn by(mut self, control: ControlId) -> Self {
        self.0.control = Some(control);
        self
    }

    /// Adds what only the operator may read.
    #[must_use]
    pub fn operator(mut self, detail: impl Into<String>) -> Self {
        self.0.operator = Some(detail.into());
        self
    }

    /// Adds `error.data` as JSON the peer may read, where the protocol defines some.
    #[must_use]
    pub fn data(mut self, json: impl Into<bytes::Bytes>) -> Self {
        self.0.data = Some(json.into());
        self
    }

    /// Says what the caller has to bring.
    #[must_use]
    pub fn challenging(mut self, challenge: Challenge) -> Self {
        self.0.challenge = Some(challenge);
        self
    }

    /// Says that the consent of a person would lift it, and what that person has to see. Nobody else is shown it.
    #[must_use]
    pub fn unless_agreed_to(mut self, shown: impl Into<Box<str>>) -> Self {
        self.0.question = Some(shown.into());
        self
    }

    /// Links the refusal to its record.
    #[must_use]
    pub fn recorded(mut self, record: RecordId) -> Self {
        self.0.record = Some(record);
        self
    }

    /// Why.
    pub fn kind(&self) -> RefusalKind {
        self.0.kind
    }

    /// The control that refused, when one did.
    pub fn control(&self) -> Option<ControlId> {
        self.0.control
    }

    /// What the peer may read.
    pub fn public(&self) -> &str {
        &self.0.public
    }

    /// What the operator needs; the public text when there is nothing more to say.
    pub fn detail(&self) -> &str {
        self.0.operator.as_deref().unwrap_or(&self.0.public)
    }

    /// `error.data`, when the protocol defines some.
    pub fn error_data(&self) -> Option<&bytes::Bytes> {
        self.0.data.as_ref()
    }

    /// What the caller has to bring, where that would help.
    pub fn challenge(&self) -> Option<&Challenge> {
        self.0.challenge.as_ref()
    }

    /// What a person has to agree to, where that would lift it.
    pub fn question(&self) -> Option<&str> {
        self.0.question.as_deref()
    }

    /// The record that says so.
    pub fn record(&self) -> Option<&RecordId> {
        self.0.record.as_ref()
    }
}
