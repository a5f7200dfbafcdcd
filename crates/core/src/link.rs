//! The port to upstream servers.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use portcullis_wire::{RequestId, Version};
use tokio::sync::broadcast;

use crate::OnBehalf;

/// A boxed future, for ports.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What makes two callers share, or not share, a connection to a server.
///
/// A stateless (2026-07-28) server is reached over one shared link. Any other keeps state per
/// connection, so links are never shared across principals, tenants, declared capability sets or
/// downstream sessions (control ISO-03), nor across actors and grants where the server is shown a credential
/// of its caller's (control IAM-04).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkProfile {
    /// On whose behalf.
    pub on_behalf: OnBehalf,
    /// In which tenant, when the deployment has more than one.
    pub tenant: Option<Arc<str>>,
    /// The downstream session, when the downstream side has one.
    pub session: Option<Arc<str>>,
    /// Client capabilities to declare upstream: a JSON object in canonical form.
    pub capabilities: Bytes,
    /// `clientInfo` to present upstream: a JSON object.
    pub client_info: Bytes,
}

/// What a server said about itself.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The version spoken on this link.
    pub version: Version,
    /// `capabilities`, a JSON object.
    pub capabilities: Bytes,
    /// `serverInfo`, a JSON object, when given.
    pub server_info: Option<Bytes>,
    /// `instructions`, a JSON string, when given. Untrusted text.
    pub instructions: Option<Bytes>,
}

/// A request to an upstream server, already in that server's protocol version.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The JSON-RPC request. The link may replace its id on the wire and restores it on the answer.
    pub body: Bytes,
    /// The id in `body`.
    pub id: RequestId,
    /// MCP method.
    pub method: Arc<str>,
    /// HTTP headers that repeat what is in the body (`Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`, trace context); nothing on
    /// stdio and on HTTP+SSE.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// How long to wait for the first and for each further message.
    pub idle_timeout: Duration,
    /// How long the whole exchange may take, whatever progress it reports.
    pub total_timeout: Duration,
}

/// One message of an exchange, exactly as the server sent it except that the response carries the
/// request's own id again.
#[derive(Clone, Debug)]
pub enum UpstreamEvent {
    /// A notification that belongs to this request.
    Notification(Bytes),
    /// A request from the server (legacy versions only); answer it through [`Exchange::replier`].
    ServerRequest(Bytes),
    /// The response. Nothing follows.
    Response(Bytes),
}

/// Carries the client's answer to a server's request back to the server.
pub trait Replier: Send + Sync {
    /// Sends a JSON-RPC response whose id is the server's own.
    fn reply(&self, response: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>>;
}

/// One request under way. Dropping it before the response cancels it upstream in the way the server's
/// version prescribes (close the stream, or `notifications/cancelled`).
pub trait Exchange: Send {
    /// The next message. After [`UpstreamEvent::Response`] or an error there is nothing more.
    fn next(&mut self) -> BoxFuture<'_, Result<UpstreamEvent, UpstreamError>>;

    /// The way back for answers to server requests; stays valid while the link does.
    fn replier(&self) -> Arc<dyn Replier>;
}

/// A connection to one server on behalf of one profile.
pub trait Link: Send + Sync {
    /// What the server said about itself when the link was made.
    fn info(&self) -> &ServerInfo;

    /// Sends a request.
    fn request(&self, outbound: Outbound) -> BoxFuture<'_, Result<Box<dyn Exchange>, UpstreamError>>;

    /// Sends a notification (legacy versions, and stdio).
    fn notify(&self, body: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>>;

    /// Messages that belong to no request: list changes, resource updates, logs, and server requests on
    /// a legacy GET stream. Slow receivers lose the oldest and are told so by the channel.
    fn unsolicited(&self) -> broadcast::Receiver<Bytes>;

    /// The way back for unsolicited server requests.
    fn replier(&self) -> Arc<dyn Replier>;

    /// Another token of whom the link was made for. What is sent from now on is sent with it, where
    /// the server is shown a credential of its caller's.
    fn renew(&self, on_behalf: &OnBehalf) {
        let _ = on_behalf;
    }

    /// Whether the link can still carry requests.
    fn is_alive(&self) -> bool;

    /// Ends the link in the way its transport prescribes and waits for that, within the grace time.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A configured server that links can be made to.
pub trait Upstream: Send + Sync {
    /// Connects, negotiates the version and returns a link ready for requests.
    fn connect<'a>(&'a self, profile: &'a LinkProfile)
    -> BoxFuture<'a, Result<Arc<dyn Link>, UpstreamError>>;

    /// Ends the links that were made for a downstream session. Links of other profiles stay.
    fn end_session(&self, session: &str) {
        let _ = session;
    }

    /// Ends the links of callers whose access was taken back, where the server is shown a credential of theirs.
    fn end_links_of(&self, gone: &dyn Fn(&OnBehalf) -> bool) {
        let _ = gone;
    }

    /// Ends every link now. New ones can be made.
    fn end_links(&self) {}

    /// Ends every link and waits for that, within the grace time.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether the server is shown a credential of its caller's, so that no link is shared.
    fn is_per_caller(&self) -> bool {
        false
    }

    /// Why the server cannot be used at the moment, for readiness and metrics; none when it can, or has not
    /// been tried.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Plain words for operators: the command or the URL, without secrets.
    fn describe(&self) -> String;
}

/// Why an upstream did not do what was asked. `retryable` failures happened before the request could
/// have had an effect.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Could not be reached or started; nothing was sent.
    #[error("server could not be reached: {0}")]
    Unreachable(String),
    /// Its program could not be executed; nothing was sent.
    #[error("server could not be started: {0}")]
    NotStarted(String),
    /// The connection ended while the request was under way; its effect is unknown.
    #[error("server broke off: {0}")]
    Broken(String),
    /// It answered something that is not MCP.
    #[error("server answered outside the protocol: {0}")]
    Invalid(String),
    /// It did not answer in time.
    #[error("server did not answer within {0:?}")]
    Timeout(Duration),
    /// It said the session is gone; nothing was done.
    #[error("server ended the session")]
    SessionGone,
    /// It refused over HTTP before reading the request as MCP.
    #[error("server answered HTTP {status}")]
    Http {
        /// HTTP status.
        status: u16,
        /// JSON-RPC error body, when it sent one.
        body: Option<Bytes>,
    },
    /// Larger than the configured limit.
    #[error("server sent more than {limit} bytes in one message")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// There is no credential to call it with; nothing was sent.
    #[error("there is no credential for the server: {reason}")]
    NoCredential {
        /// Why, without anything secret.
        reason: String,
        /// The scopes that the caller's token lacks, when it is for want of them.
        scopes: Option<Arc<str>>,
        /// The types of `authorization_details` that the caller's token lacks, when it is for want of them.
        details: Option<Arc<str>>,
        /// What the caller can do about it, when it is the caller's to do.
        remedy: Option<Arc<str>>,
        /// The page that the caller has to open for it, when there is one.
        page: Option<Arc<str>>,
    },
    /// Too many requests are waiting for this server.
    #[error("too many requests are waiting for this server")]
    Busy,
}

impl UpstreamError {
    /// Whether sending the same request again cannot do anything twice.
    pub fn nothing_happened(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NotStarted(_) | Self::SessionGone | Self::Busy)
    }
}
