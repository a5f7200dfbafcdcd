//! Servers that are child processes.
//!
//! A modern server needs no session, so its one process serves everybody. A legacy process belongs to
//! one [`LinkProfile`]. When the client of that profile can be asked back (sampling, elicitation, roots) but
//! has no session of its own to which a stray question could go, calls during which the server may ask run
//! one at a time ([`Mux`] serial mode), so that each question has exactly one call it can belong to.

mod inlet;
mod link;
mod negotiate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis_core::{BoxFuture, LaunchPlan, Launcher, Link, LinkProfile, Upstream, UpstreamError};
use portcullis_wire::Era;
use tokio::time::timeout;

use self::link::Connection;
#[cfg(doc)]
use super::mux::Mux;
use super::{
    config::{Program, ServerConfig},
    era::Remembered,
    event::{Observer, Reporter},
    handshake,
    health::Health,
};

/// A stdio server that links can be made to.
pub(crate) struct StdioUpstream {
    config: Arc<ServerConfig>,
    plan: LaunchPlan,
    launcher: Arc<dyn Launcher>,
    reporter: Reporter,
    health: Arc<Health>,
    era: Remembered<Era>,
}

impl StdioUpstream {
    pub(crate) fn new(
        config: Arc<ServerConfig>,
        program: &Program,
        launcher: Arc<dyn Launcher>,
        observer: Observer,
        health: Arc<Health>,
    ) -> Self {
        let reporter = Reporter { server: config.name.clone(), observer };
        let Program { command, args, env, cwd, boundary } = program.clone();
        let plan = LaunchPlan { server: config.name.clone(), command, args, env, cwd, boundary };
        Self { config, plan, launcher, reporter, health, era: Remembered::nothing() }
    }

    async fn connect(&self, profile: &LinkProfile) -> Result<Arc<dyn Link>, UpstreamError> {
        let patience = self.config.connect_timeout;
        let garbage = Arc::default();
        let reporter = self.reporter.keeping(Arc::clone(&garbage));
        let settled = timeout(patience, self.negotiate(profile, &reporter)).await;
        let link = settled.unwrap_or(Err(UpstreamError::Timeout(patience))).map_err(|error| {
            match (&error, garbage.lock().take()) {
                (UpstreamError::Timeout(_), Some(last)) => {
                    UpstreamError::Invalid(format!("what it wrote to its standard output is no MCP: {last}"))
                }
                _ => error,
            }
        })?;
        let era = link.info().version.era();
        self.era.learn(era, era);
        Ok(link)
    }

    /// Starts the program.
    async fn start(&self, profile: &LinkProfile, reporter: &Reporter) -> Result<Connection, UpstreamError> {
        let launched = self
            .launcher
            .launch(&self.plan)
            .await
            .map_err(|error| UpstreamError::NotStarted(error.to_string()))?;
        let serial = profile.session.is_none() && handshake::can_be_asked(profile);
        Ok(Connection::new(&self.config, reporter.clone(), self.health.clone(), launched, serial))
    }
}

impl Upstream for StdioUpstream {
    fn connect<'a>(
        &'a self,
        profile: &'a LinkProfile,
    ) -> BoxFuture<'a, Result<Arc<dyn Link>, UpstreamError>> {
        Box::pin(self.connect(profile))
    }

    fn describe(&self) -> String {
        self.config.transport.to_string()
    }
}
