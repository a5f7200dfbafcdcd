//! The OAuth 2.1 resource server: access tokens as JWT (RFC 9068), and what a client is told about them
//! (RFC 6750, RFC 9728).

mod cache;
mod claims;
mod details;
pub(crate) mod discovery;
mod introspection;
mod issuer;
mod keys;
mod metadata;

use std::sync::Arc;

use portcullis_core::{Challenge, ControlId, Digest, Refusal, RefusalKind, SubjectToken};

pub use claims::is_scope;
pub use details::authorization_details;
pub use introspection::Introspection;
pub use issuer::Issuer;
pub use keys::KeySource;

use crate::{
    Authenticated, Head, ProofFault, Resource, TokenFault,
    bearer::{self, Scheme},
    dpop::Proofs,
    jose::Jws,
};
use cache::Cache;
use claims::{Binding, Claims};
use introspection::{Introspector, is_opaque};
use issuer::Verified;
use keys::KeyRing;

/// Whose tokens are accepted, and what every one of them has to grant.
#[derive(Clone, Debug)]
pub struct OauthConfig {
    /// The issuers; no two with the same name or URL.
    pub issuers: Vec<Issuer>,
    /// Scopes that every token needs.
    pub required_scopes: Vec<Arc<str>>,
    /// Whether proofs need a nonce of ours.
    pub dpop_nonces: bool,
    /// Whether the listener takes certificates of clients, which tokens can be bound to (RFC 8705).
    pub client_certificates: bool,
    /// Whether tokens are kept in memory while they are good, because some server is called with a token that is made
    /// from its caller's (RFC 8693). Otherwise only their digests are.
    pub keep_tokens: bool,
}

/// Establishes callers by their access tokens.
#[derive(Debug)]
pub(crate) struct ResourceServer {
    issuers: Vec<(Issuer, KeyRing)>,
    /// Who is asked about a token that does not say whose it is: the first issuer that can be.
    introspector: Option<(Issuer, Introspector)>,
    required: Vec<Arc<str>>,
    cache: Cache,
    proofs: Proofs,
    client_certificates: bool,
    keep_tokens: bool,
}

impl ResourceServer {
    pub(crate) fn new(config: &OauthConfig) -> Self {
        let ring = |issuer: &Issuer| KeyRing::new(issuer.keys.clone(), Arc::clone(&issuer.url));
        let issuers = config.issuers.iter().map(|issuer| (issuer.clone(), ring(issuer))).collect();
        let introspector = config.issuers.iter().find_map(|issuer| {
            let introspection = issuer.introspection.as_ref()?;
            Some((issuer.clone(), Introspector::new(introspection)))
        });
        Self {
            issuers,
            introspector,
            required: config.required_scopes.clone(),
            cache: Cache::default(),
            proofs: Proofs::new(config.dpop_nonces),
            client_certificates: config.client_certificates,
            keep_tokens: config.keep_tokens,
        }
    }

    /// Who sent a request with this head.
    pub(crate) async fn authenticate(&self, head: &Head<'_>) -> Result<Authenticated, Refusal> {
        let resource = head.resource.ok_or_else(|| {
            Refusal::new(RefusalKind::Internal, "internal error").operator("a request came in by no endpoint")
        })?;
        let (scheme, token) = bearer::token(head.headers)?.ok_or_else(no_token)?;
        let verified = self.verified(token, head.now_ms).await.map_err(|fault| refused(&fault))?;
        if !verified.audiences.iter().any(|audience| resource.is(audience)) {
            return Err(refused(&TokenFault::Audience(resource.to_string())));
        }
        match (scheme, &verified.binding) {
            (Scheme::Bearer, None) => {}
            (Scheme::Bearer, Some(Binding::Key(_))) => return Err(refused(&TokenFault::Bound)),
            // Certificate-bound tokens are sent like any other (RFC 8705 section 3).
            (Scheme::Bearer, Some(binding)) if binding.is_certificate(head.certificate.as_ref()) => {}
            (Scheme::Bearer, Some(Binding::Certificate(_))) => {
                return Err(refused(&TokenFault::Certificate));
            }
            (Scheme::Dpop, None | Some(Binding::Certificate(_))) => {
                return Err(refused(&TokenFault::Unbound));
            }
            (Scheme::Dpop, Some(Binding::Key(key))) => {
                let checked = self.proofs.check(head, resource, token, key);
                checked.map_err(|fault| self.unproven(&fault, head.now_ms / 1000))?;
            }
        }
        self.check_scopes(&verified.caller)?;
        Ok(verified.caller.at(resource))
    }

    /// What a client has to know to get a token for `resource`.
    pub(crate) fn metadata(&self, resource: Resource<'_>) -> Vec<u8> {
        let bound = self.issuers.iter().all(|(issuer, _)| issuer.require_dpop);
        metadata::document(
            resource,
            self.issuers.iter().map(|(issuer, _)| &*issuer.url),
            &self.required,
            bound,
            self.client_certificates,
        )
    }

    fn unproven(&self, fault: &ProofFault, now: u64) -> Refusal {
        let nonce = self.proofs.nonce(now).filter(|_| *fault == ProofFault::Nonce);
        let (public, challenge) = match nonce {
            Some(nonce) => ("the proof needs a nonce", Challenge::Nonce(nonce.into())),
            None => ("the proof is not accepted here", Challenge::Proof),
        };
        Refusal::new(RefusalKind::Unauthenticated, public)
            .by(ControlId::Az04)
            .operator(fault.to_string())
            .challenging(challenge)
    }

    async fn verified(&self, token: &str, now_ms: u64) -> Result<Arc<Verified>, TokenFault> {
        let (digest, now) = (Digest::of(token.as_bytes()), now_ms / 1000);
        if let Some(known) = self.cache.get(&digest, now)
            && self.is_current(&known, now_ms).await?
        {
            return Ok(known);
        }
        if let Some((issuer, introspector)) = self.introspector.as_ref().filter(|_| is_opaque(token)) {
            // Boxed, as the way to the network is large and seldom taken.
            let claims = Box::pin(introspector.ask(token, &digest, now_ms)).await?;
            let kept = self.keep_tokens.then(|| SubjectToken::new(token));
            let verified = issuer.introspected(&claims, kept.as_ref(), introspector.seconds(), now)?;
            let verified = Arc::new(verified);
            self.cache.put(digest, Arc::clone(&verified));
            return Ok(verified);
        }
        let jws = Jws::parse(token)?;
        let claims = Claims::read(jws.claims.root())?;
        let (issuer, ring) = self.issuer(Some(&claims.issuer)).ok_or(TokenFault::Issuer)?;
        let keys = ring.current(now_ms).await?;
        let kept = self.keep_tokens.then(|| SubjectToken::new(token));
        let verify = |keys| issuer.verify(&jws, &claims, kept.as_ref(), keys, now);
        let verified = match verify(&keys) {
            Err(TokenFault::UnknownKey) => match ring.newer(keys.epoch, now_ms).await {
                Some(newer) => verify(&newer),
                None => Err(TokenFault::UnknownKey),
            },
            verified => verified,
        };
        let verified = Arc::new(verified?);
        self.cache.put(digest, Arc::clone(&verified));
        Ok(verified)
    }

    /// Whether the keys that a token was verified with are still its issuer's.
    async fn is_current(&self, known: &Verified, now_ms: u64) -> Result<bool, TokenFault> {
        let Some(epoch) = known.epoch else { return Ok(true) };
        match self.issuer(known.caller.grant.as_ref().map(|grant| &*grant.issuer)) {
            Some((_, ring)) => Ok(ring.current(now_ms).await?.epoch == epoch),
            None => Ok(false),
        }
    }

    fn issuer(&self, url: Option<&str>) -> Option<&(Issuer, KeyRing)> {
        self.issuers.iter().find(|(issuer, _)| Some(&*issuer.url) == url)
    }

    fn check_scopes(&self, caller: &Authenticated) -> Result<(), Refusal> {
        let granted = caller.grant.as_ref().map_or(&[][..], |grant| &grant.scopes);
        if self.required.iter().all(|scope| granted.contains(scope)) {
            return Ok(());
        }
        let wanted = self.required.join(" ");
        let detail = format!("the token lacks scopes that `auth.required_scopes` names: `{wanted}`");
        Err(Refusal::new(RefusalKind::Denied, "the access token does not grant what is needed here")
            .by(ControlId::Az02)
            .operator(detail)
            .challenging(Challenge::Scopes(wanted.into())))
    }
}

fn no_token() -> Refusal {
    Refusal::new(RefusalKind::Unauthenticated, "an access token is needed here")
        .by(ControlId::Iam01)
        .operator("the request has no bearer token in its `Authorization` header")
        .challenging(Challenge::Token)
}

/// The peer learns whether a new token of the same kind would help, and nothing about how this one failed.
fn refused(fault: &TokenFault) -> Refusal {
    if matches!(fault, TokenFault::NoKeys(_) | TokenFault::NotIntrospected(_)) {
        return Refusal::new(
            RefusalKind::UpstreamUnavailable,
            "the access token cannot be checked at the moment",
        )
        .by(ControlId::Iam02)
        .operator(fault.to_string());
    }
    let public = match fault {
        TokenFault::Expired(_) => "the access token has expired",
        _ => "the access token is not accepted here",
    };
    Refusal::new(RefusalKind::Unauthenticated, public)
        .by(control(fault))
        .operator(fault.to_string())
        .challenging(match fault {
            TokenFault::Bound | TokenFault::NotBound => Challenge::BoundToken,
            _ => Challenge::AnotherToken,
        })
}

/// Whose question it is.
fn control(fault: &TokenFault) -> ControlId {
    match fault {
        TokenFault::Issuer => ControlId::Iam02,
        TokenFault::Audience(_) => ControlId::Az06,
        TokenFault::Bound
        | TokenFault::Unbound
        | TokenFault::NotBound
        | TokenFault::NotCertified
        | TokenFault::Certificate
        | TokenFault::Confirmation => ControlId::Az04,
        TokenFault::Delegation { .. } => ControlId::Az03,
        TokenFault::Expired(_) | TokenFault::Inactive | TokenFault::Lifetime { .. } => ControlId::Iam06,
        _ => ControlId::Iam01,
    }
}
