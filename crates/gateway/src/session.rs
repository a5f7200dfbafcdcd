//! What a client and the gateway remember about each other, where the protocol has such a thing.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{
    Caller, Channel, Link, ServerName,
    wire::{RequestId, Response, Version, meta::LogLevel},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{event_log::EventLog, feed::Feed};

/// Bytes of unread messages kept per stream.
const STREAM_BYTES: usize = 1 << 20;
/// Streams kept for replay per session; the oldest finished one goes first.
const MAX_STREAMS: usize = 64;
/// Number of the stream that carries messages belonging to no request (the GET stream).
pub(crate) const STANDALONE: u64 = 0;

/// What `initialize` settled.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Negotiated version.
    pub version: Version,
    /// The client's capabilities, a JSON object.
    pub capabilities: Bytes,
    /// The client's `clientInfo`, a JSON object. Unverified.
    pub client_info: Bytes,
}

/// Messages to a client that come on one stream, and who carries them.
#[derive(Debug)]
struct Stream {
    number: u64,
    log: Arc<EventLog>,
    /// Fires when another connection takes the stream over.
    reader: CancellationToken,
}

impl Stream {
    fn new(number: u64) -> Self {
        Self { number, log: Arc::new(EventLog::new(STREAM_BYTES)), reader: CancellationToken::new() }
    }
}

/// One client connection that outlives a request: a legacy HTTP session, an HTTP+SSE connection, or a
/// pair of pipes.
///
/// A session is not an authority: each request is authenticated on its own and must come from the
/// session's owner (MCP security best practices, "Session Hijacking").
#[derive(Debug)]
pub struct Session {
    /// Identifier shown to the client: 128 random bits in hexadecimal.
    pub id: Arc<str>,
    /// Who opened it.
    pub owner: Arc<Caller>,
    /// Through which door.
    pub channel: Channel,
    /// The endpoint it was opened on.
    pub endpoint: Option<ServerName>,
    terms: OnceLock<Terms>,
    /// Why `initialize` failed, as its client was told.
    failed: Mutex<Option<String>>,
    log_level: AtomicU8,
    next_request: AtomicU64,
    next_stream: AtomicU64,
    last_used_ms: AtomicU64,
    pending: Mutex<HashMap<RequestId, oneshot::Sender<Response>>>,
    inflight: Mutex<HashMap<RequestId, CancellationToken>>,
    streams: Mutex<Vec<Stream>>,
    feeds: Mutex<HashMap<ServerName, Feed>>,
    subscriptions: Mutex<HashMap<String, ServerName>>,
    standalone_read: AtomicU64,
    initialized: CancellationToken,
    hung_up: CancellationToken,
    closed: CancellationToken,
}

impl Session {
    /// A session that has not been initialised yet.
    pub fn new(
        id: Arc<str>,
        owner: Arc<Caller>,
        channel: Channel,
        endpoint: Option<ServerName>,
        now_ms: u64,
    ) -> Self {
        Self {
            id,
            owner,
            channel,
            endpoint,
            terms: OnceLock::new(),
            failed: Mutex::default(),
            log_level: AtomicU8::new(LogLevel::Info as u8),
            next_request: AtomicU64::new(1),
            next_stream: AtomicU64::new(STANDALONE + 1),
            last_used_ms: AtomicU64::new(now_ms),
            pending: Mutex::default(),
            inflight: Mutex::default(),
            streams: Mutex::new(vec![Stream::new(STANDALONE)]),
            feeds: Mutex::default(),
            subscriptions: Mutex::default(),
            standalone_read: AtomicU64::new(0),
            initialized: CancellationToken::new(),
            hung_up: CancellationToken::new(),
            closed: CancellationToken::new(),
        }
    }

    /// Keeps what the client was told when `initialize` failed.
    pub(crate) fn initialize_failed(&self, why: &str) {
        *self.failed.lock() = Some(why.to_owned());
    }

    /// Why `initialize` failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.lock().clone()
    }

    /// What `initialize` settled; none before it, and on a stateless (2026-07-28) pipe.
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.get()
    }

    /// Settles the terms once; false when they were settled before.
    pub fn settle(&self, terms: Terms) -> bool {
        self.terms.set(terms).is_ok()
    }

    /// The least severe log message the client wants.
    pub fn log_level(&self) -> LogLevel {
        let rank = usize::from(self.log_level.load(Ordering::Relaxed));
        LogLevel::ALL.get(rank).copied().unwrap_or(LogLevel::Emergency)
    }

    /// `logging/setLevel`.
    pub fn set_log_level(&self, level: LogLevel) {
        self.log_level.store(level as u8, Ordering::Relaxed);
    }

    /// Notes activity, for idle expiry.
    pub fn touch(&self, now_ms: u64) {
        self.last_used_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// When it was last used, in milliseconds since the epoch.
    pub fn last_used_ms(&self) -> u64 {
        self.last_used_ms.load(Ordering::Relaxed)
    }

    /// Registers a request the gateway is about to send to the client. One that has hung up does not answer.
    pub fn expect_response(&self) -> (RequestId, oneshot::Receiver<Response>) {
        let id = RequestId::from_u64(self.next_request.fetch_add(1, Ordering::Relaxed));
        let (tx, rx) = oneshot::channel();
        let mut pending = self.pending.lock();
        if !self.hung_up.is_cancelled() {
            pending.insert(id.clone(), tx);
        }
        drop(pending);
        (id, rx)
    }

    /// Forgets a request whose answer nobody waits for any more.
    pub fn forget_response(&self, id: &RequestId) {
        self.pending.lock().remove(id);
    }

    /// Delivers the client's response to whoever asked; false when nobody did.
    pub fn deliver(&self, id: &RequestId, response: Response) -> bool {
        let waiter = self.pending.lock().remove(id);
        waiter.is_some_and(|tx| tx.send(response).is_ok())
    }

    /// Requests of the gateway that the client has not answered.
    pub fn open_questions(&self) -> usize {
        self.pending.lock().len()
    }

    /// Requests of the client that are under way.
    pub fn under_way(&self) -> usize {
        self.inflight.lock().len()
    }

    /// Registers a request of the client as under way. None when that id is already in use, which
    /// JSON-RPC forbids.
    pub fn begin(self: &Arc<Self>, id: RequestId) -> Option<InFlight> {
        let token = self.closed.child_token();
        let mut inflight = self.inflight.lock();
        if inflight.contains_key(&id) {
            return None;
        }
        inflight.insert(id.clone(), token.clone());
        Some(InFlight { session: self.clone(), id, token })
    }

    /// `notifications/cancelled`; false when no such request is under way.
    pub fn cancel(&self, id: &RequestId) -> bool {
        let token = self.inflight.lock().get(id).cloned();
        token.map(|t| t.cancel()).is_some()
    }

    /// Opens a stream for one request's messages.
    pub fn open_stream(&self) -> (u64, Arc<EventLog>) {
        let number = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let stream = Stream::new(number);
        let log = stream.log.clone();
        let mut streams = self.streams.lock();
        if streams.len() >= MAX_STREAMS
            && let Some(at) = streams.iter().position(|s| s.number != STANDALONE && s.log.is_finished())
        {
            streams.remove(at);
        }
        streams.push(stream);
        (number, log)
    }

    /// A stream by number, for replay.
    pub fn stream(&self, number: u64) -> Option<Arc<EventLog>> {
        self.streams.lock().iter().find(|s| s.number == number).map(|s| s.log.clone())
    }

    /// Sends a message that belongs to no request.
    pub fn push(&self, message: Bytes) {
        if let Some(log) = self.stream(STANDALONE) {
            log.push(message);
        }
    }

    /// Takes over a stream: each message goes to one connection only (2025-11-25 basic/transports). The token
    /// fires when another connection does.
    pub(crate) fn take_over(&self, number: u64) -> CancellationToken {
        let mine = CancellationToken::new();
        if let Some(stream) = self.streams.lock().iter_mut().find(|s| s.number == number) {
            std::mem::replace(&mut stream.reader, mine.clone()).cancel();
        }
        mine
    }

    /// How far the standalone stream has been written to a client.
    pub(crate) fn standalone_cursor(&self) -> u64 {
        self.standalone_read.load(Ordering::Relaxed)
    }

    pub(crate) fn advance_standalone(&self, to: u64) {
        self.standalone_read.fetch_max(to, Ordering::Relaxed);
    }

    /// Whether a server's unsolicited messages are being carried to this session over `link`.
    pub(crate) fn has_feed(&self, server: &ServerName, link: &Arc<dyn Link>) -> bool {
        self.feeds.lock().get(server).is_some_and(|feed| feed.carries(link))
    }

    /// Puts a feed in place of the one there was, which ends.
    pub(crate) fn put_feed(&self, server: ServerName, feed: Feed) {
        let old = self.feeds.lock().insert(server, feed);
        drop(old);
    }

    /// The links this session has used and that still live.
    pub(crate) fn links(&self) -> Vec<Arc<dyn Link>> {
        self.feeds.lock().values().filter_map(Feed::link).collect()
    }

    /// `resources/subscribe`.
    pub fn subscribe(&self, uri: String, server: ServerName) {
        self.subscriptions.lock().insert(uri, server);
    }

    /// `resources/unsubscribe`; the server it was subscribed at.
    pub fn unsubscribe(&self, uri: &str) -> Option<ServerName> {
        self.subscriptions.lock().remove(uri)
    }

    /// URIs subscribed at a server.
    pub fn subscribed_at(&self, server: &ServerName) -> Vec<String> {
        self.subscriptions.lock().iter().filter(|(_, s)| *s == server).map(|(uri, _)| uri.clone()).collect()
    }

    /// Fires when the client has said `notifications/initialized`. Before that it need not understand
    /// anything but the answer to `initialize` (2025-11-25 basic/lifecycle).
    pub(crate) fn initialized(&self) -> &CancellationToken {
        &self.initialized
    }

    /// The client will send nothing more: questions to it stay without an answer, and it has no use for
    /// subscriptions. What it asked before is still answered.
    pub fn hang_up(&self) {
        self.hung_up.cancel();
        self.pending.lock().clear();
    }

    /// Ends when the session does.
    pub fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Ends the session: cancels what is under way, stops its feeds and finishes its streams.
    pub fn close(&self) {
        self.closed.cancel();
        self.hang_up();
        self.feeds.lock().clear();
        self.streams.lock().iter().for_each(|stream| stream.log.finish());
    }
}

/// A request of the client that is under way; ends when dropped.
#[derive(Debug)]
pub struct InFlight {
    session: Arc<Session>,
    id: RequestId,
    token: CancellationToken,
}

impl InFlight {
    /// Fires when the client cancels, or its session ends.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.token
    }

    /// Resolves when the client cancels, will send nothing more, or its session ends.
    pub(crate) async fn let_go(&self) {
        tokio::select! {
            biased;
            () = self.token.cancelled() => {}
            () = self.session.hung_up.cancelled() => {}
        }
    }

    /// Whether the session has ended.
    pub(crate) fn session_ended(&self) -> bool {
        self.session.closed.is_cancelled()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.session.inflight.lock().remove(&self.id);
    }
}
