//! The handshake on stdio, where an old server may ignore, or die of, what it does not know.

use std::sync::Arc;

use portcullis_core::{Link, LinkProfile, ServerInfo, UpstreamError};
use portcullis_wire::Era;
use tokio::time::timeout;

use super::{StdioUpstream, link::StdioLink};
use crate::upstream::{
    event::Reporter,
    handshake::{self, Verdict, discover, initialize, response},
    mux::Mux,
};

impl StdioUpstream {
    /// Starts the server and settles the version.
    pub(super) async fn negotiate(
        &self,
        profile: &LinkProfile,
        reporter: &Reporter,
    ) -> Result<Arc<dyn Link>, UpstreamError> {
        let probe_first = self.era.get() != Some(Era::Legacy);
        let connection = self.start(profile, reporter).await?;
        match self.settle(connection.mux(), profile, probe_first).await {
            Ok(info) => StdioLink::open(connection, info).await,
            // It may have died of the probe; a fresh process gets `initialize` straight away.
            Err(_) if probe_first && !connection.mux().is_alive() => {
                let connection = self.start(profile, reporter).await?;
                let info = self.settle(connection.mux(), profile, false).await?;
                StdioLink::open(connection, info).await
            }
            Err(error) => Err(error),
        }
    }

    async fn settle(
        &self,
        mux: &Arc<Mux>,
        profile: &LinkProfile,
        probe_first: bool,
    ) -> Result<ServerInfo, UpstreamError> {
        if probe_first && let Some(info) = self.probe(mux, profile).await? {
            return Ok(info);
        }
        let patience = self.config.connect_timeout;
        let answer = response(mux.request(initialize(profile, patience)).await?).await?;
        if !handshake::wants_modern(&answer) {
            return handshake::read_initialize(answer);
        }
        // A slow modern server has answered the probe after it was given up: ask once more.
        let answer = response(mux.request(discover(profile, patience)).await?).await?;
        match handshake::read_discover(answer) {
            Verdict::Modern(info) => Ok(*info),
            Verdict::Foreign(versions) => Err(handshake::foreign(&versions)),
            Verdict::Undecided => Err(handshake::undecided()),
            Verdict::Legacy => {
                Err(UpstreamError::Invalid("it refuses both `initialize` and `server/discover`".into()))
            }
        }
    }

    /// What a modern server says about itself; nothing when this is none.
    async fn probe(
        &self,
        mux: &Arc<Mux>,
        profile: &LinkProfile,
    ) -> Result<Option<ServerInfo>, UpstreamError> {
        let exchange = mux.request(discover(profile, self.config.connect_timeout)).await?;
        let Ok(answer) = timeout(self.config.probe_timeout, response(exchange)).await else {
            return Ok(None);
        };
        match handshake::read_discover(answer?) {
            Verdict::Modern(info) => Ok(Some(*info)),
            Verdict::Foreign(versions) => Err(handshake::foreign(&versions)),
            Verdict::Undecided => Err(handshake::undecided()),
            Verdict::Legacy => Ok(None),
        }
    }
}
