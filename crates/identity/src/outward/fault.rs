//! Why there is nothing to show a server.

use std::sync::Arc;

use crate::{FetchFault, StoreFault};

/// Why a server cannot be called with a credential. Never holds anything secret: what an authorization server says
/// about a refusal may repeat what it was sent, so only its error code is taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// The caller brought no access token.
    #[error("the caller has no access token that could be exchanged")]
    NoSubject,
    /// The caller's token is of somebody who is not to see it.
    #[error("the caller's token is not of the identity provider that vouches for callers")]
    OtherProvider,
    /// The caller's token grants none of the scopes that may be asked for.
    #[error("the caller's token grants none of the scopes that may be asked for: `{0}`")]
    Scopes(Arc<str>),
    /// The caller's token grants nothing in detail of the types that are asked for.
    #[error("the caller's token has no `authorization_details` of the types that may be asked for: {0}")]
    Details(Arc<str>),
    /// The person on whose behalf the server is called has to agree to it first.
    #[error("{why}")]
    NotConnected {
        /// What is wrong.
        why: &'static str,
        /// What the caller can do.
        remedy: Arc<str>,
        /// The page to open, where that is it.
        url: Option<Arc<str>>,
    },
    /// What is kept of the connection could not be read or written.
    #[error("the connection cannot be used: {0}")]
    Unkept(#[from] StoreFault),
    /// The other side could not be reached.
    #[error(transparent)]
    Unreachable(#[from] FetchFault),
    /// It said no.
    #[error("`{from}` answered {status}{}", code.as_deref().map(|code| format!(" `{code}`")).unwrap_or_default())]
    Refused {
        /// Whom was asked.
        from: Arc<str>,
        /// HTTP status.
        status: u16,
        /// `error` of RFC 6749 section 5.2, where it has that form.
        code: Option<Arc<str>>,
    },
    /// It answered something that cannot be used, or must not.
    #[error("what was answered cannot be used: {0}")]
    Unfit(&'static str),
    /// It could not be asked in the configured way.
    #[error("no request could be made: {0}")]
    Request(&'static str),
}

impl CredentialFault {
    /// What the caller can do about it, where it is the caller's to do.
    pub fn remedy(&self) -> Option<&Arc<str>> {
        match self {
            Self::NotConnected { remedy, .. } => Some(remedy),
            _ => None,
        }
    }

    /// The page that the caller has to open, where that is what to do.
    pub fn page(&self) -> Option<&Arc<str>> {
        match self {
            Self::NotConnected { url, .. } => url.as_ref(),
            _ => None,
        }
    }

    /// The types of `authorization_details`, between blanks, that a token would need some of, where it is for want of them.
    pub fn lacking_details(&self) -> Option<&str> {
        match self {
            Self::Details(types) => Some(types),
            _ => None,
        }
    }

    /// The scopes that a token would need some of, where it is for want of them.
    pub fn lacking_scopes(&self) -> Option<&str> {
        match self {
            Self::Scopes(scopes) => Some(scopes),
            _ => None,
        }
    }
}
