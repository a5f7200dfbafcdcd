//! Why a server could not be connected.

use super::StoreFault;
use crate::{CredentialFault, FetchFault};

/// Why somebody could not be connected to a server. Holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFault {
    /// Something could not be reached.
    #[error(transparent)]
    Unreachable(#[from] FetchFault),
    /// What the server or its authorization server says about itself cannot be relied on.
    #[error("`{place}`: {what}")]
    Metadata {
        /// Where it says so.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// The gateway is nobody there, and cannot become somebody.
    #[error("the gateway is no client of `{issuer}`: {what}")]
    Registration {
        /// The authorization server.
        issuer: String,
        /// Why.
        what: String,
    },
    /// What came back from the person's browser is not the answer to what was asked.
    #[error("the answer cannot be used: {0}")]
    Answer(&'static str),
    /// The person or the authorization server said no.
    #[error("the authorization server answered `{0}`")]
    Declined(String),
    /// The token endpoint said no, or something that cannot be used.
    #[error(transparent)]
    Token(#[from] CredentialFault),
    /// What has to be kept could not be.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Randomness,
}

impl ConnectFault {
    pub(super) fn metadata(place: impl ToString, what: impl Into<String>) -> Self {
        Self::Metadata { place: place.to_string(), what: what.into() }
    }
}
