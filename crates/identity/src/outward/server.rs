//! Tokens from an authorization server.

use std::sync::Arc;

use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use portcullis_core::Secret;
use tokio::sync::OnceCell;

use super::{
    ClientAuthentication, CredentialFault,
    grant::{Form, Grant},
    held::Held,
    response::{self, Asked},
};
use crate::{Fetched, HttpFetch, oauth::discovery};

/// Who issues tokens for a server, and within which bounds.
#[derive(Clone)]
pub struct IssuedConfig {
    /// How the authorization server is reached.
    pub fetch: Arc<HttpFetch>,
    /// Its identifier (RFC 8414 section 2).
    pub issuer: Arc<str>,
    /// The gateway's `client_id` there.
    pub client_id: Arc<str>,
    /// What proves that it is the gateway.
    pub authentication: ClientAuthentication,
    /// The server's canonical URI (RFC 8707).
    pub resource: Arc<str>,
    /// Its logical name, where the authorization server wants one (`audience`).
    pub audience: Option<Arc<str>>,
    /// What may be asked for.
    pub scopes: Vec<Arc<str>>,
    /// Longest life of a token, in seconds.
    pub max_lifetime: u64,
    /// Longest chain of actors in a token.
    pub max_delegation: usize,
}

impl std::fmt::Debug for IssuedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (issuer, resource) = (&self.issuer, &self.resource);
        f.debug_struct("IssuedConfig")
            .field("issuer", issuer)
            .field("resource", resource)
            .finish_non_exhaustive()
    }
}

/// An authorization server and where its tokens come from.
pub(super) struct TokenEndpoint {
    config: IssuedConfig,
    /// Found once, through the server's metadata.
    place: OnceCell<Uri>,
}

impl TokenEndpoint {
    pub(super) fn new(config: &IssuedConfig) -> Self {
        Self { config: config.clone(), place: OnceCell::new() }
    }

    pub(super) fn scopes(&self) -> &[Arc<str>] {
        &self.config.scopes
    }

    /// Asks for a token.
    pub(super) async fn token(&self, grant: &Grant<'_>, now_ms: u64) -> Result<Held, CredentialFault> {
        let config = &self.config;
        let mut form = grant.form(&config.resource, config.audience.as_deref());
        let (id, issuer) = (&config.client_id, &config.issuer);
        let basic = config.authentication.apply(id, issuer, &mut form, now_ms / 1000)?;
        let answer = self.post(&form, basic).await?;
        if answer.status != 200 {
            return Err(response::refusal(&config.issuer, &answer));
        }
        let audiences = [Some(&*config.resource), config.audience.as_deref()];
        let asked = Asked {
            grant,
            audiences: audiences.into_iter().flatten().collect(),
            max_lifetime: config.max_lifetime,
            max_delegation: config.max_delegation,
        };
        response::token(answer.body, &asked, now_ms)
    }

    async fn post(&self, form: &Form, basic: Option<Secret>) -> Result<Fetched, CredentialFault> {
        let home = discovery::home(&self.config.issuer)?;
        let find = || discovery::token_endpoint(&*self.config.fetch, &self.config.issuer);
        let place = self.place.get_or_try_init(find).await?;
        let body = Full::from(form.bytes().to_vec());
        let mut request = Request::post(place.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
            .map_err(|_| CredentialFault::Request("the token endpoint is no URL"))?;
        if let Some(basic) = basic {
            let mut value = HeaderValue::from_bytes(basic.expose())
                .map_err(|_| CredentialFault::Request("the client's secret fits no header"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Ok(self.config.fetch.send(request, &home).await?)
    }
}
