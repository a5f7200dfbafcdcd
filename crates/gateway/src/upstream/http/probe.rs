//! Finding out which HTTP transport a server speaks.
//!
//! 2026-07-28 basic/transports: a modern POST, then `initialize`, and when that is refused with 400, 404 or 405
//! and no modern error, a GET for the stream of 2024-11-05. A refusal for want of credentials and a network
//! error end the search: they say nothing about the transport.

use std::{sync::Arc, time::Duration};

use portcullis_core::{Link, LinkProfile, ServerInfo, UpstreamError};
use portcullis_wire::Era;
use tokio::time::timeout;

use super::{
    HttpUpstream,
    modern::{self, ModernLink},
    sse::SseLink,
    streamable::{Greeting, StreamableLink},
    way::Way,
};
use crate::upstream::{
    config::HttpMode,
    event::ServerEvent,
    handshake::{self, Verdict},
    mux::MuxConfig,
};

/// The transports of the legacy era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {
    Streamable,
    Sse,
}

type Found = Result<Arc<dyn Link>, UpstreamError>;

impl HttpUpstream {
    /// A link to the server, by the transport it spoke last time or else by the first it proves to speak.
    pub(super) async fn find(&self, profile: &LinkProfile) -> Found {
        if self.mode == HttpMode::Sse {
            return self.sse(profile).await;
        }
        if let Some(legacy) = self.legacy.get() {
            let again = match legacy {
                Legacy::Streamable => self.streamable(profile).await,
                Legacy::Sse => self.sse(profile).await.map(Some),
            };
            match again {
                Ok(Some(link)) => return Ok(link),
                Err(error) if !is_about_transport(&error) => return Err(error),
                Ok(None) | Err(_) => self.legacy.forget(),
            }
        }
        self.search(profile).await
    }

    async fn search(&self, profile: &LinkProfile) -> Found {
        if let Some(info) = self.discover(profile, self.config.probe_timeout).await? {
            return Ok(self.modern(profile, info));
        }
        match self.streamable(profile).await {
            Ok(Some(link)) => {
                self.legacy.learn(Legacy::Streamable, Era::Legacy);
                Ok(link)
            }
            // A slow modern server has answered the probe after it was given up: ask once more.
            Ok(None) => match self.discover(profile, self.config.connect_timeout).await? {
                Some(info) => Ok(self.modern(profile, info)),
                None => {
                    Err(UpstreamError::Invalid("it refuses both `initialize` and `server/discover`".into()))
                }
            },
            Err(refused @ UpstreamError::Http { status: 400 | 404 | 405, .. })
                if self.mode == HttpMode::Auto =>
            {
                // What the server said to the transport of today tells more than what it says to the oldest.
                let link = self.sse(profile).await.map_err(|_| refused)?;
                self.legacy.learn(Legacy::Sse, Era::Legacy);
                Ok(link)
            }
            Err(error) => Err(error),
        }
    }

    /// What a modern server says about itself; nothing when this is none.
    async fn discover(
        &self,
        profile: &LinkProfile,
        patience: Duration,
    ) -> Result<Option<ServerInfo>, UpstreamError> {
        let verdict = match self.verdict(profile, patience).await? {
            Verdict::Undecided => self.verdict(profile, patience).await?,
            verdict => verdict,
        };
        match verdict {
            Verdict::Modern(info) => Ok(Some(*info)),
            Verdict::Foreign(versions) => Err(handshake::foreign(&versions)),
            Verdict::Undecided => Err(handshake::undecided()),
            Verdict::Legacy => Ok(None),
        }
    }

    async fn verdict(&self, profile: &LinkProfile, patience: Duration) -> Result<Verdict, UpstreamError> {
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| UpstreamError::Busy)?;
        let asking = async {
            handshake::response(
                modern::send(&self.way(profile), handshake::discover(profile, patience), slot).await?,
            )
            .await
        };
        match timeout(patience, asking).await {
            Ok(Ok(answer)) => Ok(handshake::read_discover(answer)),
            Ok(Err(error)) if !is_about_transport(&error) => Err(error),
            Ok(Err(_)) | Err(_) => Ok(Verdict::Legacy),
        }
    }

    /// A way of its own for each link.
    pub(super) fn way(&self, profile: &LinkProfile) -> Arc<Way> {
        Way::new(self.client.clone(), profile.on_behalf.clone())
    }

    fn modern(&self, profile: &LinkProfile, info: ServerInfo) -> Arc<dyn Link> {
        self.reporter.report(ServerEvent::Connected { version: info.version });
        Arc::new(ModernLink::new(self.way(profile), info, self.slots.clone(), self.health.clone()))
    }

    /// A session; nothing when the server turns out to be modern.
    async fn streamable(&self, profile: &LinkProfile) -> Result<Option<Arc<dyn Link>>, UpstreamError> {
        let (patience, grace) = (self.config.connect_timeout, self.config.stop_grace);
        let config = self.mux_config(false);
        match StreamableLink::open(self.way(profile), config, profile, patience, grace).await? {
            Greeting::Link(link) => Ok(Some(Arc::new(link))),
            Greeting::WantsModern => Ok(None),
        }
    }

    async fn sse(&self, profile: &LinkProfile) -> Found {
        let serial = profile.session.is_none() && handshake::can_be_asked(profile);
        let config = self.mux_config(serial);
        let link = SseLink::open(self.way(profile), config, profile, self.config.connect_timeout).await?;
        Ok(Arc::new(link))
    }

    fn mux_config(&self, serial: bool) -> MuxConfig {
        MuxConfig::new(&self.config, self.reporter.clone(), self.health.clone(), serial)
    }
}

/// Whether a failure may mean that the server speaks another transport.
fn is_about_transport(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::Http { status, .. } => !matches!(status, 300..=399 | 401 | 403 | 407 | 429),
        UpstreamError::Invalid(_) | UpstreamError::Timeout(_) => true,
        _ => false,
    }
}
