//! A running stdio server as a link.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use portcullis_core::{
    BoxFuture, Exchange, Launched, Link, Outbound, Process, Replier, ServerInfo, StderrLine, UpstreamError,
};
use portcullis_wire::stdio::{LineFault, LineFramer};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{broadcast, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::inlet::Inlet;
use crate::upstream::{
    config::ServerConfig,
    event::{Reporter, ServerEvent},
    handshake,
    health::Health,
    mux::{Mux, MuxConfig, Origin},
};

/// How long after the end of its output a server's exit status is waited for.
pub(super) const STATUS_PATIENCE: Duration = Duration::from_millis(500);
/// How long a server that has let a request time out in silence has to answer a ping, at most.
const PULSE_PATIENCE: Duration = Duration::from_secs(10);
/// A line is taken never to end when it is this many times longer than a message may be.
const ENDLESS: usize = 4;

/// A running server, its version not yet settled. Dropping it stops the server.
pub(super) struct Connection {
    mux: Arc<Mux>,
    /// Cancelled once the process tree is gone.
    gone: CancellationToken,
}

impl Connection {
    pub(super) fn new(
        config: &ServerConfig,
        reporter: Reporter,
        health: Arc<Health>,
        launched: Launched,
        serial: bool,
    ) -> Self {
        let Launched { stdin, stdout, stderr, process } = launched;
        reporter.report(ServerEvent::Started { pid: process.id() });
        let ended = CancellationToken::new();
        let mux_ended = ended.clone();
        let patience = config.request_timeout.min(PULSE_PATIENCE);
        let mux_config = MuxConfig::new(config, reporter.clone(), health, serial).ending_hangs(patience);
        let mux = Mux::new(mux_config, ended, |mux| Arc::new(Inlet::new(stdin, mux.clone(), mux_ended)));
        let gone = CancellationToken::new();
        tokio::spawn(forward_stderr(stderr, reporter.clone()));
        tokio::spawn(read(stdout, mux.clone(), process.clone(), config.max_message_bytes));
        tokio::spawn(keep(process, mux.clone(), config.stop_grace, reporter, gone.clone()));
        Self { mux, gone }
    }

    pub(super) fn mux(&self) -> &Arc<Mux> {
        &self.mux
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.mux.close();
    }
}

/// Reads messages until the end of the output.
async fn read(
    mut stdout: Box<dyn AsyncRead + Send + Unpin>,
    mux: Arc<Mux>,
    process: Arc<dyn Process>,
    max_line: usize,
) {
    let mut framer = LineFramer::new(max_line);
    let mut chunk = vec![0; 64 << 10];
    let mut since_line: usize = 0;
    loop {
        let read = tokio::select! {
            () = mux.ended.cancelled() => return,
            read = stdout.read(&mut chunk) => read.unwrap_or(0),
        };
        if read == 0 {
            break;
        }
        since_line = since_line.saturating_add(read);
        framer.push(chunk.get(..read).unwrap_or_default());
        while let Some(line) = framer.next() {
            match line {
                Ok(line) => {
                    since_line = 0;
                    mux.receive(line, Origin::Shared);
                }
                Err(LineFault::TooLong) => mux.receive_too_long(),
                Err(LineFault::Unterminated) => {}
            }
        }
        if since_line > max_line.saturating_mul(ENDLESS) {
            return mux.fail(UpstreamError::Invalid("a line without end".into()));
        }
    }
    let exit = timeout(STATUS_PATIENCE, process.exited()).await;
    let reason =
        exit.map_or_else(|_| "the server closed its output".to_owned(), |exit| format!("the server {exit}"));
    mux.fail(UpstreamError::Broken(reason));
}

/// Holds the process: stops it when the link has ended, ends the link when it has stopped.
async fn keep(
    process: Arc<dyn Process>,
    mux: Arc<Mux>,
    grace: Duration,
    reporter: Reporter,
    gone: CancellationToken,
) {
    let exit = tokio::select! {
        exit = process.exited() => exit,
        () = mux.ended.cancelled() => process.stop(grace).await,
    };
    // What the server wrote before it ended is still being read; that ends the link with the right error.
    let _read_to_the_end = timeout(STATUS_PATIENCE, mux.ended.cancelled()).await;
    mux.fail(UpstreamError::Broken(format!("the server {exit}")));
    reporter.report(ServerEvent::Exited(exit));
    gone.cancel();
}

async fn forward_stderr(mut lines: mpsc::Receiver<StderrLine>, reporter: Reporter) {
    while let Some(line) = lines.recv().await {
        reporter.report(ServerEvent::Stderr(line));
    }
}

/// A stdio server whose version is settled.
pub(super) struct StdioLink {
    connection: Connection,
    info: ServerInfo,
}

impl StdioLink {
    /// Ends the handshake.
    pub(super) async fn open(
        connection: Connection,
        info: ServerInfo,
    ) -> Result<Arc<dyn Link>, UpstreamError> {
        connection.mux.settle(info.version);
        if info.version.has_sessions() {
            connection.mux.notify(handshake::initialized()).await?;
        }
        connection.mux.report(ServerEvent::Connected { version: info.version });
        Ok(Arc::new(Self { connection, info }))
    }
}

impl Link for StdioLink {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn request(&self, outbound: Outbound) -> BoxFuture<'_, Result<Box<dyn Exchange>, UpstreamError>> {
        Box::pin(self.connection.mux.request(outbound))
    }

    fn notify(&self, body: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(self.connection.mux.notify(body))
    }

    fn unsolicited(&self) -> broadcast::Receiver<Bytes> {
        self.connection.mux.unsolicited()
    }

    fn replier(&self) -> Arc<dyn Replier> {
        self.connection.mux.replier()
    }

    fn is_alive(&self) -> bool {
        self.connection.mux.is_alive()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.connection.mux.close();
            self.connection.gone.cancelled().await;
        })
    }
}
