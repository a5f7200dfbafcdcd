//! One issuer of tokens, and what it is trusted with.

use std::sync::Arc;

use portcullis_core::{AuthMethod, Caller, Grant, Principal, PrincipalKind, SubjectToken};

use super::{
    claims::{Binding, Claims, required},
    introspection::Introspection,
    keys::{KeySource, Keys},
};
use crate::{
    Algorithm, Authenticated, TokenFault,
    jose::{Header, Jws},
};

/// An authorization server whose access tokens are accepted.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The name under which its subjects appear: principal ids are `<name>:<sub>`.
    pub name: Arc<str>,
    /// Its identifier, which `iss` has to equal to the letter (RFC 8414 section 2, control IAM-02).
    pub url: Arc<str>,
    /// Where its public keys come from.
    pub keys: KeySource,
    /// How it is asked about tokens that are no JWT (RFC 7662); they are refused where it is not.
    pub introspection: Option<Introspection>,
    /// Algorithms it may sign with.
    pub algorithms: Vec<Algorithm>,
    /// Clients whose tokens are accepted (`client_id`); empty for all.
    pub clients: Vec<String>,
    /// The tenant its subjects belong to.
    pub tenant: Option<Arc<str>>,
    /// How far its clock and ours may be apart, in seconds.
    pub skew: u64,
    /// Longest life of a token from `iat` to `exp`, in seconds (control IAM-06).
    pub max_lifetime: u64,
    /// Longest chain of actors (control AZ-03).
    pub max_delegation: usize,
    /// Whether its tokens have to be bound to a key of the caller's (RFC 9449).
    pub require_dpop: bool,
    /// Whether its tokens have to be bound to a certificate of the caller's (RFC 8705).
    pub require_mtls: bool,
    /// Takes JWTs whose `typ` is `JWT` or absent for access tokens, and does without `client_id` and `jti`.
    pub danger_accept_untyped: bool,
}

/// A token that was found good, for whom it is and until when.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) caller: Authenticated,
    pub(super) audiences: Vec<String>,
    /// What the caller has to prove to have.
    pub(super) binding: Option<Binding>,
    /// Which keys of the issuer it was verified with; none where the issuer was asked.
    pub(super) epoch: Option<u64>,
    /// Seconds since 1970; the clock's tolerance is in it.
    pub(super) until: u64,
}

impl Issuer {
    /// Verifies a token that says it is of this issuer, with these of its keys. The token itself is kept where there
    /// is a use for it.
    ///
    /// # Errors
    /// [`TokenFault::UnknownKey`], before anything else about the token is known, when newer keys may help.
    pub(super) fn verify(
        &self,
        token: &Jws<'_>,
        claims: &Claims,
        kept: Option<&SubjectToken>,
        keys: &Keys,
        now: u64,
    ) -> Result<Verified, TokenFault> {
        self.check_header(&token.header)?;
        let key = keys.set.find(token.header.key_id.as_deref(), token.header.algorithm)?;
        key.verify(token.header.algorithm, token.signed, &token.signature)?;
        if !self.danger_accept_untyped {
            required("client_id", claims.client.as_ref())?;
            required("jti", claims.token_id.as_ref())?;
        }
        let until = claims.expires.saturating_add(self.skew);
        self.accept(claims, kept, now).map(|caller| verified(claims, caller, Some(keys.epoch), until))
    }

    /// Accepts what this issuer says about a token of its own, and believes it for so many seconds.
    pub(super) fn introspected(
        &self,
        claims: &Claims,
        kept: Option<&SubjectToken>,
        seconds: u64,
        now: u64,
    ) -> Result<Verified, TokenFault> {
        let until = claims.expires.saturating_add(self.skew).min(now.saturating_add(seconds));
        self.accept(claims, kept, now).map(|caller| verified(claims, caller, None, until))
    }

    fn accept(
        &self,
        claims: &Claims,
        kept: Option<&SubjectToken>,
        now: u64,
    ) -> Result<Authenticated, TokenFault> {
        self.check_time(claims, now)?;
        self.check_use(claims)?;
        Ok(Authenticated::new(self.caller(claims, kept)))
    }

    fn check_header(&self, header: &Header) -> Result<(), TokenFault> {
        match header.kind.as_deref() {
            Some("at+jwt") => {}
            None | Some("jwt") if self.danger_accept_untyped => {}
            _ => return Err(TokenFault::Type),
        }
        if self.algorithms.contains(&header.algorithm) {
            return Ok(());
        }
        Err(TokenFault::AlgorithmNotAllowed(header.algorithm.name()))
    }

    fn check_time(&self, claims: &Claims, now: u64) -> Result<(), TokenFault> {
        let soon = now.saturating_add(self.skew);
        if claims.expires.saturating_add(self.skew) <= now {
            return Err(TokenFault::Expired(now - claims.expires));
        }
        if let Some(start) = claims.not_before.filter(|start| *start > soon) {
            return Err(TokenFault::NotYet(start - now));
        }
        if claims.issued > soon {
            return Err(TokenFault::IssuedLater(claims.issued - now));
        }
        let seconds = claims.expires.saturating_sub(claims.issued);
        if seconds > self.max_lifetime {
            return Err(TokenFault::Lifetime { seconds, most: self.max_lifetime });
        }
        Ok(())
    }

    fn check_use(&self, claims: &Claims) -> Result<(), TokenFault> {
        if self.require_dpop && !matches!(claims.binding, Some(Binding::Key(_))) {
            return Err(TokenFault::NotBound);
        }
        if self.require_mtls && !matches!(claims.binding, Some(Binding::Certificate(_))) {
            return Err(TokenFault::NotCertified);
        }
        let listed = |client: &String| self.clients.contains(client);
        if !self.clients.is_empty() && !claims.client.as_ref().is_some_and(listed) {
            return Err(TokenFault::Client);
        }
        let depth = claims.actors.len();
        if depth > self.max_delegation {
            return Err(TokenFault::Delegation { depth, most: self.max_delegation });
        }
        Ok(())
    }

    fn caller(&self, claims: &Claims, kept: Option<&SubjectToken>) -> Caller {
        let principal = |subject: &str| Principal {
            kind: PrincipalKind::Oauth,
            id: format!("{}:{subject}", self.name).into(),
        };
        Caller {
            principal: principal(&claims.subject),
            // Earlier actors are history and decide nothing (RFC 8693 section 4.1).
            actor: claims.actors.first().map(|actor| principal(actor)),
            tenant: self.tenant.clone(),
            method: match claims.binding {
                Some(Binding::Key(_)) => AuthMethod::DpopToken,
                Some(Binding::Certificate(_)) => AuthMethod::MtlsToken,
                None => AuthMethod::BearerToken,
            },
            grant: Some(Arc::new(Grant {
                issuer: Arc::clone(&self.url),
                client: claims.client.as_deref().map(Into::into),
                scopes: claims.scopes.as_slice().into(),
                details: claims.details.clone(),
                token_id: claims.token_id.as_deref().map(Into::into),
                token: kept.cloned(),
            })),
        }
    }
}

fn verified(claims: &Claims, caller: Authenticated, epoch: Option<u64>, until: u64) -> Verified {
    Verified { caller, audiences: claims.audiences.clone(), binding: claims.binding.clone(), epoch, until }
}
