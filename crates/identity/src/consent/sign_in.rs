//! Finding out who sits at a browser: the gateway as a client of the very issuer whose access tokens it takes, for a token
//! for its own endpoint, which is then looked at like any other.

use std::{any::Any, fmt, sync::Arc};

use http::Uri;
use portcullis_core::{BoxFuture, Digest, Secret};

use crate::{
    ClientAuthentication, ConnectConfig, ConnectFault, ConnectionStore, HttpFetch, PendingConnection,
    StoreFault,
    connect::{Remedy, begin_at, redeem},
};

/// How people at a browser are known.
#[derive(Clone)]
pub struct SignInConfig {
    /// How the issuer is reached.
    pub fetch: Arc<HttpFetch>,
    /// Its identifier.
    pub issuer: Arc<str>,
    /// The gateway there.
    pub client_id: Arc<str>,
    /// What proves it; a public client without.
    pub authentication: Option<ClientAuthentication>,
    /// What the token has to grant.
    pub scopes: Vec<Arc<str>>,
}

impl fmt::Debug for SignInConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInConfig").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Keeps nothing: who signed in is nobody's connection.
#[derive(Debug)]
struct Nothing;

impl ConnectionStore for Nothing {
    fn load(&self, _: &Digest) -> Result<Option<Secret>, StoreFault> {
        Ok(None)
    }

    fn save(&self, _: &Digest, _: &Secret) -> Result<(), StoreFault> {
        Err(StoreFault::new("nothing is kept here"))
    }

    fn remove(&self, _: &Digest) -> Result<bool, StoreFault> {
        Ok(false)
    }

    fn lock<'s>(&'s self, _: &'s Digest) -> BoxFuture<'s, Result<Box<dyn Any + Send>, StoreFault>> {
        Box::pin(std::future::ready(Err(StoreFault::new("nothing is kept here"))))
    }
}

/// The client.
pub(super) struct SignIn(ConnectConfig);

impl SignIn {
    /// None when the issuer is no URL.
    pub(super) fn new(config: &SignInConfig) -> Option<Self> {
        let server: Uri = config.issuer.parse().ok()?;
        Some(Self(ConnectConfig {
            fetch: config.fetch.clone(),
            server,
            issuer: Some(config.issuer.clone()),
            client: Some((config.client_id.clone(), config.authentication.clone())),
            document: None,
            registers: false,
            scopes: config.scopes.clone(),
            remedy: Remedy::Command("".into()),
            store: Arc::new(Nothing),
        }))
    }

    /// Asks who it is, for a token for `resource`.
    pub(super) async fn begin(
        &self,
        resource: &str,
        redirect_uri: &str,
    ) -> Result<PendingConnection, ConnectFault> {
        begin_at(&self.0, resource, redirect_uri).await
    }

    /// The access token that says who it is.
    pub(super) async fn finish(
        &self,
        pending: &PendingConnection,
        query: &str,
        now_ms: u64,
    ) -> Result<Secret, ConnectFault> {
        redeem(&self.0, pending, query, now_ms).await
    }
}
