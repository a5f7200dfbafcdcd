//! Streamable HTTP with sessions (2025-03-26 to 2025-11-25).
//!
//! Every request has a stream of its own, so a question of the server belongs to the request on whose stream
//! it comes and calls need not wait for each other. Ids and progress tokens are still renumbered: one session
//! may serve several conversations of its principal.

mod posts;
mod reader;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use portcullis_core::{
    BoxFuture, Exchange, Link, LinkProfile, OnBehalf, Outbound, Replier, ServerInfo, UpstreamError,
};
use tokio::{sync::broadcast, time::timeout};
use tokio_util::sync::CancellationToken;

use self::posts::{Posts, Session};
use super::way::Way;
use crate::upstream::{
    event::ServerEvent,
    handshake,
    mux::{Mux, MuxConfig},
};

/// How long a message that nobody waits for may take, and the head of an event stream.
const POST_PATIENCE: Duration = Duration::from_secs(30);

/// A session.
pub(super) struct StreamableLink {
    mux: Arc<Mux>,
    info: ServerInfo,
    client: Arc<Way>,
    /// Cancelled once the server has been told of the end.
    told: CancellationToken,
}

/// What the server makes of `initialize`.
pub(super) enum Greeting {
    Link(StreamableLink),
    /// It refuses, because it has settled on the modern era.
    WantsModern,
}

impl StreamableLink {
    /// Opens a session.
    pub(super) async fn open(
        client: Arc<Way>,
        config: MuxConfig,
        profile: &LinkProfile,
        patience: Duration,
        grace: Duration,
    ) -> Result<Greeting, UpstreamError> {
        let session = Arc::new(Session::new(client.clone()));
        let ended = CancellationToken::new();
        let mux = Mux::new(config, ended.clone(), |mux| Arc::new(Posts::new(session.clone(), mux.clone())));
        let told = CancellationToken::new();
        tokio::spawn(keep(session.clone(), ended.clone(), grace, told.clone()));
        // Should the handshake fail, the server is told.
        let failing = ended.clone().drop_guard();
        let answer =
            handshake::response(mux.request(handshake::initialize(profile, patience)).await?).await?;
        if handshake::wants_modern(&answer) {
            return Ok(Greeting::WantsModern);
        }
        let info = handshake::read_initialize(answer)?;
        mux.settle(info.version);
        session.settle(info.version);
        mux.notify(handshake::initialized()).await?;
        mux.report(ServerEvent::Connected { version: info.version });
        failing.disarm();
        let standing = reader::stand(session, Arc::downgrade(&mux));
        tokio::spawn(async move { ended.run_until_cancelled(standing).await });
        Ok(Greeting::Link(Self { mux, info, client, told }))
    }
}

/// Tells the server when the session has ended on this side.
async fn keep(session: Arc<Session>, ended: CancellationToken, grace: Duration, told: CancellationToken) {
    ended.cancelled().await;
    if session.has_id() {
        let delete = session.client.send(session.sign(session.client.delete()));
        // A server may refuse (405), and may have forgotten the session first.
        let _answer = timeout(grace, delete).await;
    }
    told.cancel();
}

impl Drop for StreamableLink {
    fn drop(&mut self) {
        self.mux.close();
    }
}

impl Link for StreamableLink {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn request(&self, outbound: Outbound) -> BoxFuture<'_, Result<Box<dyn Exchange>, UpstreamError>> {
        Box::pin(self.mux.request(outbound))
    }

    fn notify(&self, body: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(self.mux.notify(body))
    }

    fn unsolicited(&self) -> broadcast::Receiver<Bytes> {
        self.mux.unsolicited()
    }

    fn replier(&self) -> Arc<dyn Replier> {
        self.mux.replier()
    }

    fn renew(&self, on_behalf: &OnBehalf) {
        self.client.renew(on_behalf);
    }

    fn is_alive(&self) -> bool {
        self.mux.is_alive()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.mux.close();
            self.told.cancelled().await;
        })
    }
}
