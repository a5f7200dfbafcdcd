//! Tokens from an authorization server.

use std::sync::Arc;

use portcullis_core::Details;

use super::{
    CredentialFault,
    endpoint::{Endpoint, OauthClient},
    grant::Grant,
    held::Held,
    response::{self, Asked},
};

/// Who issues tokens for a server, and within which bounds.
#[derive(Clone, Debug)]
pub struct IssuedConfig {
    /// The gateway at the authorization server.
    pub client: OauthClient,
    /// The server's canonical URI (RFC 8707).
    pub resource: Arc<str>,
    /// Its logical name, where the authorization server wants one (`audience`).
    pub audience: Option<Arc<str>>,
    /// What may be asked for.
    pub scopes: Vec<Arc<str>>,
    /// What is asked for in detail (`authorization_details`, RFC 9396).
    pub details: Details,
    /// Types of which the details of the caller's own token are asked for, too, as they stand there.
    pub details_of_caller: Vec<Arc<str>>,
    /// Longest life of a token, in seconds.
    pub max_lifetime: u64,
    /// Longest chain of actors in a token.
    pub max_delegation: usize,
}

/// An authorization server and where its tokens come from.
pub(super) struct TokenEndpoint {
    config: IssuedConfig,
    endpoint: Endpoint,
}

impl TokenEndpoint {
    pub(super) fn new(config: &IssuedConfig) -> Self {
        Self { endpoint: Endpoint::new(&config.client, "token_endpoint"), config: config.clone() }
    }

    pub(super) fn scopes(&self) -> &[Arc<str>] {
        &self.config.scopes
    }

    /// What is asked for in detail for the gateway itself.
    pub(super) fn details(&self) -> Vec<&str> {
        self.config.details.iter().map(|detail| &*detail.json).collect()
    }

    /// What is asked for in detail for a caller whose token grants this.
    pub(super) fn details_for<'a>(&'a self, granted: &'a Details) -> Result<Vec<&'a str>, CredentialFault> {
        let types = &self.config.details_of_caller;
        let taken = granted.iter().filter(|detail| types.contains(&detail.kind));
        let taken: Vec<&str> = taken.map(|detail| &*detail.json).collect();
        if !types.is_empty() && taken.is_empty() {
            return Err(CredentialFault::Details(types.join(" ").into()));
        }
        Ok(self.details().into_iter().chain(taken).collect())
    }

    /// Asks for a token.
    pub(super) async fn token(&self, grant: &Grant<'_>, now_ms: u64) -> Result<Held, CredentialFault> {
        let config = &self.config;
        let form = grant.form(&config.resource, config.audience.as_deref());
        let answer = self.endpoint.post(form, now_ms).await?;
        if answer.status != 200 {
            return Err(response::refusal(self.endpoint.issuer(), &answer));
        }
        let audiences = [Some(&*config.resource), config.audience.as_deref()];
        let asked = Asked {
            grant,
            audiences: audiences.into_iter().flatten().collect(),
            max_lifetime: config.max_lifetime,
            max_delegation: config.max_delegation,
            client_id: &config.client.client_id,
        };
        response::token(answer.body, &asked, now_ms)
    }
}
