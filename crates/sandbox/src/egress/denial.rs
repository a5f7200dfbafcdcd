//! Why something may not leave, in two texts: what the server may read and what the operator needs.

use std::net::IpAddr;

use http::StatusCode;
use portcullis_core::{AuthorityFault, ControlId, RefusalKind, Special};

use super::{HelloFault, LookupFault};

/// Why an attempt was refused or cut off. Displayed, it is the operator's text: it may name addresses that the
/// server must not learn.
#[derive(Debug, thiserror::Error)]
pub enum Denial {
    /// Not a request that a proxy takes.
    #[error("{0}")]
    Malformed(&'static str),
    /// The destination cannot be read in one way only.
    #[error("the destination cannot be used: {0}")]
    Destination(#[from] AuthorityFault),
    /// No rule names the destination.
    #[error("no rule allows it")]
    NotListed,
    /// Only TLS is allowed there.
    #[error("the destination is allowed with TLS only")]
    Plain,
    /// Neither http in absolute form nor `CONNECT`.
    #[error("the scheme is not http")]
    Scheme,
    /// An answer of the resolver is not a public address.
    #[error("{address} is {special}")]
    Address {
        /// The address.
        address: IpAddr,
        /// What is special about it.
        special: Special,
    },
    /// The name could not be resolved.
    #[error(transparent)]
    Lookup(#[from] LookupFault),
    /// The decision could not be recorded.
    #[error("the attempt could not be recorded: {0}")]
    Unrecorded(String),
    /// None of the addresses answered.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The first bytes are not an acceptable TLS ClientHello.
    #[error("the tunnel does not begin with TLS: {0}")]
    Hello(#[from] HelloFault),
    /// TLS to somebody else.
    #[error("the TLS client names {named}, not the host it asked for")]
    OtherName {
        /// The name in the ClientHello.
        named: String,
    },
    /// More was sent than is allowed.
    #[error("more than {limit} bytes would have been sent {span}")]
    Upload {
        /// How much is allowed.
        limit: u64,
        /// Over what.
        span: &'static str,
    },
    /// More came back than is allowed.
    #[error("more than {limit} bytes came back on one connection")]
    Download {
        /// How much is allowed.
        limit: u64,
    },
    /// More connections were asked for than may be.
    #[error("more than {limit} connections were asked for within a minute")]
    TooOften {
        /// How many may be.
        limit: u32,
    },
    /// Nothing was said for too long.
    #[error("{0} took too long")]
    Slow(&'static str),
}

/// A denial on the wire and on record.
struct Row {
    kind: RefusalKind,
    control: ControlId,
    status: StatusCode,
    /// `Proxy-Status` error type (RFC 9209).
    proxy_error: &'static str,
    public: &'static str,
}

impl Denial {
    /// The kind of refusal it is on record.
    pub fn kind(&self) -> RefusalKind {
        self.row().kind
    }

    /// The control that refused.
    pub fn control(&self) -> ControlId {
        self.row().control
    }

    /// The status the proxy answers with.
    pub(super) fn status(&self) -> StatusCode {
        self.row().status
    }

    /// The error type in `Proxy-Status` (RFC 9209).
    pub(super) fn proxy_error(&self) -> &'static str {
        self.row().proxy_error
    }

    /// What the server may read: nothing it could map the inner network with.
    pub fn public(&self) -> &'static str {
        self.row().public
    }

    fn row(&self) -> Row {
        use ControlId::{Log01, Net02, Net05, Ti06};
        use RefusalKind as K;

        let (kind, control, status, proxy_error, public) = match self {
            Self::Malformed(what) => (K::Malformed, Net05, 400, "http_protocol_error", *what),
            Self::Destination(_) => (
                K::Denied,
                Ti06,
                403,
                "http_request_denied",
                "this destination cannot be used; use a plain name",
            ),
            Self::NotListed => {
                (K::Denied, Net02, 403, "http_request_denied", "this destination is not allowed")
            }
            Self::Plain => {
                (K::Denied, Ti06, 403, "http_request_denied", "this destination is allowed with TLS only")
            }
            Self::Scheme => (
                K::Denied,
                Ti06,
                403,
                "http_request_denied",
                "only http is forwarded; use CONNECT for anything else",
            ),
            Self::Address { .. } => (
                K::Denied,
                Ti06,
                403,
                "destination_ip_prohibited",
                "the name leads to an address that is not allowed",
            ),
            Self::Lookup(_) => {
                (K::UpstreamUnavailable, Ti06, 502, "dns_error", "the name could not be resolved")
            }
            Self::Unrecorded(_) => (
                K::RecordUnavailable,
                Log01,
                503,
                "proxy_internal_error",
                "the attempt could not be recorded",
            ),
            Self::Unreachable(_) => (
                K::UpstreamUnavailable,
                Net02,
                502,
                "destination_unavailable",
                "the destination does not answer",
            ),
            Self::Hello(_) | Self::OtherName { .. } => (
                K::Denied,
                Net02,
                403,
                "http_request_denied",
                "only TLS to the host that was asked for is allowed",
            ),
            Self::Upload { .. } => (K::TooLarge, Net02, 413, "http_request_denied", "too much was sent"),
            Self::Download { .. } => {
                (K::TooLarge, Net05, 502, "http_response_body_size", "the answer is too large")
            }
            Self::TooOften { .. } => (
                K::TooMany,
                Net05,
                429,
                "connection_limit_reached",
                "too many connections were asked for; wait a minute",
            ),
            Self::Slow(_) => (K::Timeout, Net05, 504, "connection_timeout", "it took too long"),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        Row { kind, control, status, proxy_error, public }
    }
}
