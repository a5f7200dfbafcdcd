//! The check.

use std::sync::Arc;

use portcullis_core::{
    AuthMethod, Caller, Challenge, Channel, ControlId, OnBehalf, Principal, PrincipalKind, Refusal,
    RefusalKind,
};

use crate::{
    Authenticated, Head, OauthConfig, Resource, Revocations, Signatures, SignedBody, oauth::ResourceServer,
};

/// How callers over HTTP are established. Over stdio it is always the local user.
#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// Whoever connects from this machine to a loopback listener is the local user.
    LoopbackUser,
    /// Whoever connects from this machine to a loopback listener is the principal of this name. For
    /// development only: nothing is verified (`danger_dev_principal`).
    StaticDev {
        /// The principal's id.
        name: Arc<str>,
    },
    /// Whoever has an access token of a configured issuer is its subject, wherever the request comes from.
    Oauth(OauthConfig),
}

/// Establishes callers. The callers it can establish are made once, so a request allocates nothing.
#[derive(Clone, Debug)]
pub struct Authenticator {
    stdio: Authenticated,
    http: OverHttp,
    gateway: Authenticated,
    revoked: Arc<Revocations>,
    signatures: Option<Arc<Signatures>>,
}

#[derive(Clone, Debug)]
enum OverHttp {
    /// Every local peer is the same caller.
    Local(Authenticated),
    /// Tokens tell.
    Tokens(Arc<ResourceServer>),
}

impl Authenticator {
    /// An authenticator for this process.
    ///
    /// The user on standard input is recorded as `uid:<real user id of this process>`: whoever started
    /// the process owns the pipe. A loopback socket does not tell which user of the machine opened it,
    /// so that user is recorded as `loopback`.
    pub fn new(config: &AuthConfig) -> Self {
        let uid = format!("uid:{}", rustix::process::getuid().as_raw());
        let http = match config {
            AuthConfig::LoopbackUser => {
                OverHttp::Local(caller(PrincipalKind::LocalUser, "loopback".into(), AuthMethod::LoopbackPeer))
            }
            AuthConfig::StaticDev { name } => {
                OverHttp::Local(caller(PrincipalKind::Dev, Arc::clone(name), AuthMethod::StaticDev))
            }
            AuthConfig::Oauth(config) => OverHttp::Tokens(Arc::new(ResourceServer::new(config))),
        };
        Self {
            stdio: caller(PrincipalKind::LocalUser, uid.into(), AuthMethod::StdioPeer),
            http,
            gateway: caller(PrincipalKind::Gateway, "gateway".into(), AuthMethod::Internal),
            revoked: Arc::default(),
            signatures: None,
        }
    }

    /// The same, with this taken back.
    #[must_use]
    pub fn without(self, revoked: Revocations) -> Self {
        Self { revoked: Arc::new(revoked), ..self }
    }

    /// The same, and every request over HTTP has to be signed (RFC 9421).
    #[must_use]
    pub fn with_signatures(self, signatures: Option<Signatures>) -> Self {
        Self { signatures: signatures.map(Arc::new), ..self }
    }

    /// The body that a request with this head has to have, where requests have to be signed.
    ///
    /// # Errors
    /// [`RefusalKind::Denied`] by [`ControlId::Net06`] when it is not signed as it should be.
    pub fn signed(&self, head: &Head<'_>) -> Result<Option<SignedBody>, Refusal> {
        self.signatures.as_ref().map(|signatures| signatures.check(head)).transpose()
    }

    /// Whether a caller that was established before still is one.
    ///
    /// # Errors
    /// [`RefusalKind::Unauthenticated`] by [`ControlId::Iam06`] when its access was taken back.
    pub fn stands(&self, caller: &Caller) -> Result<(), Refusal> {
        let Some(revoked) = self.revoked.of(caller) else { return Ok(()) };
        Err(Refusal::new(RefusalKind::Unauthenticated, "the access was taken back")
            .by(ControlId::Iam06)
            .operator(format!("{revoked} was revoked"))
            .challenging(Challenge::AnotherToken))
    }

    /// Whether access was taken back from those on whose behalf something is open.
    pub fn has_revoked(&self, on_behalf: &OnBehalf) -> bool {
        self.revoked.of_those(on_behalf).is_some()
    }

    /// Who sent a request with this head. Waits only when the keys of an issuer have to be fetched.
    ///
    /// # Errors
    /// [`RefusalKind::Unauthenticated`] by [`ControlId::Iam01`] when nobody acceptable could be
    /// established: a peer that is not on this machine or has no address, a listener that others can
    /// reach, a request that a proxy passed on, a token in the query string, or, where tokens tell, none that
    /// is accepted here; [`RefusalKind::InvalidRequest`] when it is not clear which token is meant;
    /// [`RefusalKind::Denied`] by [`ControlId::Az02`] when the token lacks a scope that every token needs;
    /// [`RefusalKind::UpstreamUnavailable`] when the issuer's keys cannot be had.
    pub async fn authenticate(&self, head: &Head<'_>) -> Result<Authenticated, Refusal> {
        let caller = match head.channel {
            Channel::Stdio => self.stdio.clone(),
            Channel::Http | Channel::LegacySse => self.authenticate_http(head).await?,
            Channel::Egress | Channel::Internal => {
                return Err(refuse("the gateway's own channel was named by a request".into()));
            }
        };
        self.stands(&caller).map(|()| caller)
    }

    /// The gateway itself, for requests that it starts.
    pub fn gateway(&self) -> Authenticated {
        self.gateway.clone()
    }

    async fn authenticate_http(&self, head: &Head<'_>) -> Result<Authenticated, Refusal> {
        if let Some(parameter) = head.token_in_query() {
            let detail = format!("the query string has a token in `{parameter}`: send it in a header");
            return Err(Refusal::new(
                RefusalKind::Unauthenticated,
                "tokens are not accepted in the query string",
            )
            .by(ControlId::Iam01)
            .operator(detail));
        }
        match &self.http {
            OverHttp::Tokens(server) => server.authenticate(head).await,
            OverHttp::Local(caller) => check_local(head).map(|()| caller.clone()),
        }
    }

    /// Whether tokens tell who calls.
    pub fn takes_tokens(&self) -> bool {
        matches!(self.http, OverHttp::Tokens(_))
    }

    /// The metadata of a protected resource as JSON (RFC 9728), where tokens tell who calls.
    pub fn resource_metadata(&self, resource: Resource<'_>) -> Option<Vec<u8>> {
        match &self.http {
            OverHttp::Tokens(server) => Some(server.metadata(resource)),
            OverHttp::Local(_) => None,
        }
    }
}

/// Whether nobody but a user of this machine can have sent the request.
fn check_local(head: &Head<'_>) -> Result<(), Refusal> {
    if !head.peer_is_loopback() {
        let peer = head.peer.map_or_else(|| "unknown".into(), |peer| peer.to_string());
        return Err(refuse(format!("peer `{peer}` is not on this machine and offered no credential")));
    }
    if !head.listener_is_loopback {
        return Err(refuse(
            "the listener is not bound to a loopback address, so its peers are not trusted".into(),
        ));
    }
    // A proxy on this machine turns remote peers into loopback peers.
    if let Some(name) = head.proxy_header() {
        return Err(refuse(format!("header `{name}` shows that a proxy passed on somebody else's request")));
    }
    Ok(())
}

fn caller(kind: PrincipalKind, id: Arc<str>, method: AuthMethod) -> Authenticated {
    Authenticated::new(Caller {
        principal: Principal { kind, id },
        actor: None,
        tenant: None,
        method,
        grant: None,
    })
}

fn refuse(detail: String) -> Refusal {
    Refusal::new(RefusalKind::Unauthenticated, "authentication required")
        .by(ControlId::Iam01)
        .operator(detail)
}
