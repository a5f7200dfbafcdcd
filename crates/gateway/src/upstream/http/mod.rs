//! Servers over the network.
//!
//! | module | protocol |
//! |---|---|
//! | `modern` | stateless Streamable HTTP, 2026-07-28 |
//! | `streamable` | Streamable HTTP with sessions, 2025-03-26 to 2025-11-25 |
//! | `sse` | HTTP+SSE, 2024-11-05 |
//! | `probe` | which of them a server speaks |
//! | `way` | whose credential is sent |
//!
//! Redirects are never followed, answers are read within limits, and what a server calls its media type
//! decides how its answer is read.

mod body;
mod client;
mod events;
mod identity;
mod modern;
mod probe;
mod sse;
mod streamable;
#[cfg(test)]
mod tests;
mod tls;
mod way;

use std::sync::Arc;

use portcullis_core::{BoxFuture, Link, LinkProfile, Upstream, UpstreamError};
use tokio::{sync::Semaphore, time::timeout};

pub use hyper_rustls::HttpsConnector;

pub(super) use self::client::HttpClient;
use self::probe::Legacy;
pub use self::{
    client::HttpConfigError,
    identity::ClientCertificate,
    tls::{https, tls_client},
};
use super::{
    config::{Endpoint, HttpMode, ServerConfig},
    era::Remembered,
    event::{Observer, Reporter},
    health::Health,
};

/// A server over the network that links can be made to.
pub(crate) struct HttpUpstream {
    config: Arc<ServerConfig>,
    client: Arc<HttpClient>,
    mode: HttpMode,
    reporter: Reporter,
    health: Arc<Health>,
    /// Room for requests to a stateless server.
    slots: Arc<Semaphore>,
    /// What a legacy server spoke last time.
    legacy: Remembered<Legacy>,
}

impl HttpUpstream {
    pub(crate) fn new(
        config: Arc<ServerConfig>,
        endpoint: &Endpoint,
        observer: Observer,
        health: Arc<Health>,
    ) -> Result<Self, HttpConfigError> {
        let client = Arc::new(HttpClient::new(endpoint, config.connect_timeout, config.reading())?);
        let reporter = Reporter { server: config.name.clone(), observer };
        let slots = Arc::new(Semaphore::new(config.max_in_flight));
        Ok(Self {
            config,
            client,
            mode: endpoint.mode,
            reporter,
            health,
            slots,
            legacy: Remembered::nothing(),
        })
    }

    async fn connect(&self, profile: &LinkProfile) -> Result<Arc<dyn Link>, UpstreamError> {
        // First, and outside of the server's patience: how long an authorization server takes says nothing about it.
        self.way(profile).prepare().await?;
        let patience = self.config.connect_timeout;
        timeout(patience, self.find(profile)).await.unwrap_or(Err(UpstreamError::Timeout(patience)))
    }
}

impl Upstream for HttpUpstream {
    fn connect<'a>(
        &'a self,
        profile: &'a LinkProfile,
    ) -> BoxFuture<'a, Result<Arc<dyn Link>, UpstreamError>> {
        Box::pin(self.connect(profile))
    }

    fn is_per_caller(&self) -> bool {
        self.client.credential().is_some_and(|credential| credential.is_per_caller())
    }

    fn describe(&self) -> String {
        self.config.transport.to_string()
    }
}
