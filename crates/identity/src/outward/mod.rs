//! What a server is shown: a credential of the gateway's own, never the token of its caller (controls IAM-04, IAM-05,
//! AZ-05, AZ-07).
//!
//! | kind | the server sees | made from |
//! |---|---|---|
//! | stored | the gateway | a secret in a store that speaks Vault's HTTP API |
//! | client credentials | the gateway | a token that the gateway is given (RFC 6749 section 4.4) |
//! | exchange | the caller, through the gateway | the caller's token and the gateway's, exchanged (RFC 8693) |
//! | ID-JAG | the caller, through the gateway | what the caller's identity provider says about them (`id_jag`) |
//! | authorization code | the caller, through the gateway | what the caller agreed to in a browser (`connect`) |
//!
//! Tokens are kept in memory until shortly before they expire, one for each caller's token where they are made from
//! one: what is taken back from a caller is asked for by nobody.

mod assertion;
mod client;
mod detailed;
mod endpoint;
mod fault;
mod grant;
mod held;
mod id_jag;
mod response;
mod server;
mod stored;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_core::{Clock, Digest, OnBehalf, PrincipalKind, Secret, SubjectToken};

pub use client::ClientAuthentication;
pub(crate) use endpoint::Endpoint;
pub use endpoint::OauthClient;
pub use fault::CredentialFault;
pub use id_jag::IdJagConfig;
pub use server::IssuedConfig;
pub use stored::StoredConfig;

use crate::connect::{ConnectConfig, Connector, Wanted as Demanded};
pub(crate) use grant::Form;
use grant::{Delegation, Grant};
use held::{Held, HeldTokens};
use id_jag::IdJag;
pub(crate) use response::{is_token, refusal};
use server::TokenEndpoint;

/// How the credential for a server comes about.
#[derive(Clone, Debug)]
pub enum CredentialConfig {
    /// A secret from a store.
    Stored(StoredConfig),
    /// A token for the gateway itself.
    ClientCredentials(IssuedConfig),
    /// A token for each caller.
    Exchange {
        /// From whom.
        issued: IssuedConfig,
        /// Whether a token of the gateway's is sent beside the caller's, so that the new one names both.
        actor: bool,
        /// Asks for scopes that the caller's token does not have.
        danger_beyond_caller_scopes: bool,
    },
    /// A token for each caller, whose identity provider vouches for them.
    IdJag(IdJagConfig),
    /// A token that each caller agreed to.
    AuthorizationCode(ConnectConfig),
}

/// What one server is shown.
pub struct Credential {
    source: Source,
    held: HeldTokens,
    clock: Arc<dyn Clock>,
}

enum Source {
    Stored(StoredConfig),
    ClientCredentials(TokenEndpoint),
    Exchange { server: TokenEndpoint, actor: bool, beyond: bool },
    IdJag(Box<IdJag>),
    Person(Arc<Connector>),
}

/// A header to send, and whether it was at hand.
pub struct Shown {
    /// The value of `Authorization`; marked as sensitive.
    pub header: HeaderValue,
    /// It was good before. If the server refuses it now, another may be taken.
    pub is_kept: bool,
    token: Secret,
}

impl Credential {
    /// A credential as configured; nothing is asked before it is needed.
    pub fn new(config: &CredentialConfig, clock: Arc<dyn Clock>) -> Self {
        let source = match config {
            CredentialConfig::Stored(stored) => Source::Stored(stored.clone()),
            CredentialConfig::ClientCredentials(issued) => {
                Source::ClientCredentials(TokenEndpoint::new(issued))
            }
            CredentialConfig::Exchange { issued, actor, danger_beyond_caller_scopes } => Source::Exchange {
                server: TokenEndpoint::new(issued),
                actor: *actor,
                beyond: *danger_beyond_caller_scopes,
            },
            CredentialConfig::IdJag(config) => Source::IdJag(Box::new(IdJag::new(config))),
            CredentialConfig::AuthorizationCode(connect) => {
                Source::Person(Arc::new(Connector::new(connect, clock.clone())))
            }
        };
        Self { source, held: HeldTokens::default(), clock }
    }

    /// Whether it depends on who calls.
    pub fn is_per_caller(&self) -> bool {
        matches!(self.source, Source::Exchange { .. } | Source::IdJag(_) | Source::Person(_))
    }

    /// What the server is shown when it is called on this behalf.
    ///
    /// # Errors
    /// [`CredentialFault`] when there is nothing that may be shown.
    pub async fn shown(&self, on_behalf: &OnBehalf) -> Result<Shown, CredentialFault> {
        if let Source::Person(connector) = &self.source {
            let current = Box::pin(connector.token(on_behalf)).await?;
            let (token, is_kept) = (current.token, current.is_kept);
            return Ok(Shown { header: header(token.expose())?, is_kept, token });
        }
        let wanted = self.wanted(on_behalf)?;
        let (token, is_kept) = self.held.get(wanted.key(), &*self.clock, || self.obtain(&wanted)).await?;
        Ok(Shown { header: header(token.expose())?, is_kept, token })
    }

    /// Forgets what was shown on this behalf: the server no longer takes it. What took its
    /// place meanwhile stays.
    pub async fn forget(&self, on_behalf: &OnBehalf, shown: &Shown) {
        if let Source::Person(connector) = &self.source {
            // What cannot be written down is tried again by the next call.
            let _ = Box::pin(connector.reject(on_behalf, &shown.token)).await;
            return;
        }
        if let Ok(wanted) = self.wanted(on_behalf) {
            self.held.forget(wanted.key(), &shown.token).await;
        }
    }

    /// What to do about an answer with which the server refuses a good credential, when something can be done.
    pub async fn refused(
        &self,
        on_behalf: &OnBehalf,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<CredentialFault> {
        let Source::Person(connector) = &self.source else { return None };
        let wanted = Demanded::read(headers);
        if status != StatusCode::FORBIDDEN || !wanted.is_insufficient {
            return None;
        }
        Box::pin(connector.lacks(on_behalf, &wanted)).await
    }

    fn wanted<'a>(&'a self, on_behalf: &'a OnBehalf) -> Result<Wanted<'a>, CredentialFault> {
        let (server, beyond) = match &self.source {
            Source::Exchange { server, beyond, .. } => (server, beyond),
            // Whether there are scopes, and which, is the identity provider's to say.
            Source::IdJag(id_jag) => (id_jag.server(), &false),
            _ => return Ok(Wanted::Own),
        };
        // What the gateway does of its own accord it does in its own name.
        if on_behalf.principal.kind == PrincipalKind::Gateway {
            return Ok(Wanted::Own);
        }
        let grant = on_behalf.grant.as_deref();
        let (Some(grant), Some(subject)) = (grant, grant.and_then(|grant| grant.token.as_ref())) else {
            return Err(CredentialFault::NoSubject);
        };
        // A token is shown to nobody but its issuer.
        if matches!(&self.source, Source::IdJag(id_jag) if *grant.issuer != **id_jag.provider()) {
            return Err(CredentialFault::OtherProvider);
        }
        let granted = |scope: &&Arc<str>| *beyond || grant.scopes.contains(scope);
        let scopes: Vec<&str> = server.scopes().iter().filter(granted).map(|scope| &**scope).collect();
        if scopes.is_empty() && !server.scopes().is_empty() {
            return Err(CredentialFault::Scopes(server.scopes().join(" ").into()));
        }
        let details = server.details_for(&grant.details)?;
        Ok(Wanted::Caller { subject, scopes, details })
    }

    async fn obtain(&self, wanted: &Wanted<'_>) -> Result<Held, CredentialFault> {
        let now_ms = self.clock.now_ms();
        match (&self.source, wanted) {
            (Source::Stored(stored), _) => stored.fetch(now_ms).await,
            (Source::ClientCredentials(server) | Source::Exchange { server, .. }, Wanted::Own) => {
                server.token(&Grant::own(server.scopes(), server.details()), now_ms).await
            }
            (Source::Exchange { server, actor, .. }, Wanted::Caller { subject, scopes, details }) => {
                let actor = if *actor { Some(self.actor(server).await?) } else { None };
                let delegation = Delegation { subject, actor: actor.as_ref() };
                let token = server.token(&Grant::exchange(delegation, scopes, details), now_ms).await;
                // Whether it was the subject or the actor that was not taken is not said in one way by all.
                if let (Some(actor), Err(CredentialFault::Refused { status: 400 | 401, .. })) =
                    (&actor, &token)
                {
                    self.held.forget(actor_key(), actor).await;
                }
                token
            }
            (Source::IdJag(id_jag), Wanted::Caller { subject, scopes, details }) => {
                id_jag.token(subject, scopes, details, now_ms).await
            }
            // Nobody vouches for the gateway itself.
            (Source::IdJag(_), Wanted::Own)
            | (Source::ClientCredentials(_), Wanted::Caller { .. })
            | (Source::Person(_), _) => Err(CredentialFault::NoSubject),
        }
    }

    /// The token that stands for the gateway where it acts for a caller.
    async fn actor(&self, server: &TokenEndpoint) -> Result<Secret, CredentialFault> {
        let (grant, now_ms) = (Grant::actor(), self.clock.now_ms());
        let fetched = self.held.get(actor_key(), &*self.clock, || server.token(&grant, now_ms));
        fetched.await.map(|(token, _)| token)
    }
}

fn actor_key() -> Digest {
    Digest::of(b"actor")
}

/// Which token is needed.
enum Wanted<'a> {
    Own,
    Caller { subject: &'a SubjectToken, scopes: Vec<&'a str>, details: Vec<&'a str> },
}

impl Wanted<'_> {
    /// Whatever the token depends on. The subject's token stands for subject, actors and client.
    fn key(&self) -> Digest {
        match self {
            Self::Own => Digest::of(b"own"),
            Self::Caller { subject, scopes, details } => Digest::of_parts(
                [subject.digest().as_bytes().as_slice()]
                    .into_iter()
                    .chain(scopes.iter().chain(details).map(|text| text.as_bytes())),
            ),
        }
    }
}

fn header(token: &[u8]) -> Result<HeaderValue, CredentialFault> {
    let bytes = [b"Bearer ", token].concat();
    let unfit = |_| CredentialFault::Unfit("it has characters that no header may have");
    let mut value = HeaderValue::from_bytes(&bytes).map_err(unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Says of which kind it is and nothing else.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Stored(_) => "Credential(stored)",
            Source::ClientCredentials(_) => "Credential(client credentials)",
            Source::Exchange { .. } => "Credential(exchange)",
            Source::IdJag(_) => "Credential(ID-JAG)",
            Source::Person(_) => "Credential(authorization code)",
        })
    }
}
