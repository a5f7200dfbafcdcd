//! Who is asking.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Details, OnBehalf, SubjectToken};

/// What kind of thing a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// The operating-system user on the other end of a pipe or loopback socket.
    LocalUser,
    /// A name from the configuration, for development only.
    Dev,
    /// The subject of an access token, under the configured name of its issuer.
    Oauth,
    /// The gateway itself, for example when it lists a server's tools.
    Gateway,
}

impl PrincipalKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::LocalUser, Self::Dev, Self::Oauth, Self::Gateway];

    /// The kind as policies and records write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalUser => "local-user",
            Self::Dev => "dev",
            Self::Oauth => "oauth",
            Self::Gateway => "gateway",
        }
    }
}

/// An authenticated identity. `kind` and `id` together are unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// What kind of identity this is.
    pub kind: PrincipalKind,
    /// The identity within its kind, for example `alice`, `uid:1000` or, with the name of its issuer,
    /// `corp:alice`.
    pub id: Arc<str>,
}

/// A text that is no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no principal: write kind and id as in records and policies, such as `oauth:corp:alice`, `dev:alice` or `local-user:loopback`"
)]
pub struct PrincipalFault(String);

/// As policies write it, `<kind>:<id>`. A kind has no colon, so no two principals are written alike.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

/// The same form and no other. The id of a subject of access tokens begins with the name of their issuer.
impl FromStr for Principal {
    type Err = PrincipalFault;

    fn from_str(text: &str) -> Result<Self, PrincipalFault> {
        let fault = || PrincipalFault(text.chars().take(80).filter(|it| !it.is_control()).collect());
        let (kind, id) = text.split_once(':').ok_or_else(fault)?;
        let kind = PrincipalKind::ALL.into_iter().find(|it| it.as_str() == kind).ok_or_else(fault)?;
        let whole = match kind {
            PrincipalKind::Oauth => {
                id.split_once(':').is_some_and(|(issuer, subject)| !issuer.is_empty() && !subject.is_empty())
            }
            _ => !id.is_empty(),
        };
        if !whole || id.chars().any(char::is_control) {
            return Err(fault());
        }
        Ok(Self { kind, id: id.into() })
    }
}

/// How the identity was established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMethod {
    /// The peer owns the other end of our standard input.
    StdioPeer,
    /// A loopback connection to a listener configured for local use.
    LoopbackPeer,
    /// A static name from the configuration (`danger_dev_principal`).
    StaticDev,
    /// An OAuth access token that whoever holds it may use (RFC 6750).
    BearerToken,
    /// One that its caller proved to have the key for (RFC 9449).
    DpopToken,
    /// One that is bound to the certificate its caller connected with (RFC 8705).
    MtlsToken,
    /// The gateway's own activity.
    Internal,
}

impl AuthMethod {
    /// Whether the caller proved to have a key that nobody who has only the token has.
    pub const fn is_proven(self) -> bool {
        matches!(self, Self::DpopToken | Self::MtlsToken)
    }
}

/// What an access token grants besides an identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Who issued it: the `iss` of the token, which is the issuer's identifier to the letter.
    pub issuer: Arc<str>,
    /// The client it was issued to (`client_id`, RFC 9068 section 2.2).
    pub client: Option<Arc<str>>,
    /// What it is good for, each scope once, in the order of the token.
    pub scopes: Arc<[Arc<str>]>,
    /// What it is good for in detail (RFC 9396). Written down as types alone.
    #[serde(rename = "authorization_detail_types", skip_deserializing, skip_serializing_if = "is_empty")]
    pub details: Details,
    /// Which token it is among all of its issuer (`jti`). Not a secret, and not usable as the token.
    pub token_id: Option<Arc<str>>,
    /// The token itself, where servers are called with one that is made from it. Never written down.
    #[serde(skip)]
    pub token: Option<SubjectToken>,
}

fn is_empty(details: &Details) -> bool {
    details.is_empty()
}

/// Everything the decision needs to know about the asker. Made by `identity` alone; every field that a
/// later credential adds (actor, tenant, scopes) is explicit, so that absence can be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// On whose authority.
    pub principal: Principal,
    /// Which agent acts for the principal, when a delegation names one.
    pub actor: Option<Principal>,
    /// Tenant, when the deployment has more than one.
    pub tenant: Option<Arc<str>>,
    /// How it was established.
    pub method: AuthMethod,
    /// What the credential grants, when there was one.
    pub grant: Option<Arc<Grant>>,
}

impl Caller {
    /// On whose behalf a server is called for it.
    pub fn on_behalf(&self) -> OnBehalf {
        OnBehalf { principal: self.principal.clone(), actor: self.actor.clone(), grant: self.grant.clone() }
    }
}
