//! Many callers on one connection: stdio, and both legacy HTTP transports.
//!
//! Requests and progress tokens get numbers of our own on the wire and their callers' values back on the
//! way in, so two callers can never collide. Where a message from the server goes:
//!
//! | message | goes to |
//! |---|---|
//! | response | the exchange with that number |
//! | `notifications/progress` | the exchange with that token |
//! | notification with a `subscriptionId`, `notifications/cancelled` | the exchange with that number |
//! | `notifications/message` | the only exchange under way, otherwise [`unsolicited`](portcullis_core::Link::unsolicited) |
//! | `ping` | answered here |
//! | request (legacy versions) | the only exchange whose method may ask back, otherwise unsolicited; refused when nobody listens there |
//! | any other notification | the exchange on whose own stream it came, otherwise unsolicited |
//! | anything else | dropped, counted and reported; too much of it ends the link |
//!
//! Where every request has a stream of its own (Streamable HTTP) a message that came on one belongs to its
//! request, and a message on the standing stream to none ([`Origin`]).
//!
//! Elsewhere the protocol does not say which call a server's request belongs to. Where a mistake would reach another
//! conversation, the connection is made in [`serial`](MuxConfig::serial) mode: methods during which the
//! server may ask back run one at a time, so its requests can only belong to that one.

mod exchange;
mod incoming;
mod pulse;
mod table;

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Exchange, Outbound, Replier, UpstreamError};
use portcullis_wire::{Method, Version, json::Limits};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::{
    exchange::MuxExchange,
    pulse::Pulse,
    table::{Entry, Table},
};
use super::{
    config::ServerConfig,
    event::{Reporter, ServerEvent},
    health::Health,
    patience::Patience,
    renumber::{self, Renumbered},
};

/// Messages waiting for one slow reader of [`Mux::unsolicited`]. Small, as each may be as large as the
/// message limit.
const UNSOLICITED_QUEUE: usize = 64;

/// The way out of a [`Mux`].
pub(crate) trait Outlet: Send + Sync {
    /// Hands over a message. An error that [`UpstreamError::nothing_happened`] means that the server has
    /// done nothing with it; [`UpstreamError::Busy`] when there was no room before the deadline.
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), UpstreamError>>;

    /// Hands over a message without waiting. When there is no room it is dropped, unless it is `essential`.
    fn post(&self, message: Bytes, essential: bool);
}

/// A message on its way out.
pub(crate) struct Parcel {
    pub(crate) message: Bytes,
    /// HTTP headers that go with it.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Set for a request.
    pub(crate) request: Option<Opened>,
    /// When there has to be room for the message.
    pub(crate) deadline: Instant,
}

/// A request under way, as the transport knows it.
pub(crate) struct Opened {
    /// Its number on the wire.
    pub(crate) number: u64,
    pub(crate) method: Method,
    /// How long to wait for the server to react at all.
    pub(crate) idle: Duration,
    /// Cancelled when the request is over, in whatever way.
    pub(crate) over: CancellationToken,
}

/// Where a message from the server came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On the one stream that carries everything.
    Shared,
    /// On the stream of the request with this number.
    Request(u64),
    /// On a stream for messages that belong to no request.
    Standing,
}

/// What a [`Mux`] needs to know beforehand.
pub(crate) struct MuxConfig {
    reading: Limits,
    max_in_flight: usize,
    max_garbage: u32,
    /// Run methods during which a legacy server may ask back one at a time.
    serial: bool,
    /// How long a server that seems to hang has to show that it does not.
    pulse: Option<Duration>,
    reporter: Reporter,
    health: Arc<Health>,
}

impl MuxConfig {
    pub(crate) fn new(config: &ServerConfig, reporter: Reporter, health: Arc<Health>, serial: bool) -> Self {
        Self {
            reading: config.reading(),
            max_in_flight: config.max_in_flight,
            max_garbage: config.max_garbage,
            serial,
            pulse: None,
            reporter,
            health,
        }
    }

    /// Ends the connection of a server that hangs, once it has had this long to answer a ping.
    pub(crate) fn ending_hangs(self, patience: Duration) -> Self {
        Self { pulse: Some(patience), ..self }
    }
}

/// Requests under way on one connection.
pub(crate) struct Mux {
    table: Mutex<Table>,
    outlet: Arc<dyn Outlet>,
    unsolicited: broadcast::Sender<Bytes>,
    /// Room for requests under way.
    slots: Arc<Semaphore>,
    /// Held by the one request that may be asked back, in serial mode.
    lane: Arc<Semaphore>,
    /// Set once the handshake has settled it.
    version: OnceLock<Version>,
    garbage: AtomicU32,
    pulse: Pulse,
    /// Cancelled when the connection is of no more use.
    pub(crate) ended: CancellationToken,
    config: MuxConfig,
}

impl Mux {
    /// `ended` is cancelled when the connection is of no more use. An outlet that hears answers gives them
    /// to the mux it is made for.
    pub(crate) fn new<O: Outlet + 'static>(
        config: MuxConfig,
        ended: CancellationToken,
        outlet: impl FnOnce(&Weak<Self>) -> Arc<O>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|mux| Self {
            table: Mutex::default(),
            outlet: outlet(mux),
            unsolicited: broadcast::Sender::new(UNSOLICITED_QUEUE),
            slots: Arc::new(Semaphore::new(config.max_in_flight)),
            lane: Arc::new(Semaphore::new(1)),
            version: OnceLock::new(),
            garbage: AtomicU32::new(0),
            pulse: Pulse::default(),
            ended,
            config,
        })
    }

    pub(crate) fn report(&self, event: ServerEvent) {
        self.config.reporter.report(event);
    }

    /// Says which version the handshake has settled.
    pub(crate) fn settle(&self, version: Version) {
        let _already_settled = self.version.set(version);
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.table.lock().dead().is_none()
    }

    pub(crate) fn unsolicited(&self) -> broadcast::Receiver<Bytes> {
        self.unsolicited.subscribe()
    }

    pub(crate) fn replier(&self) -> Arc<dyn Replier> {
        Arc::new(MuxReplier(self.outlet.clone()))
    }

    /// Sends a request.
    pub(crate) async fn request(
        self: &Arc<Self>,
        outbound: Outbound,
    ) -> Result<Box<dyn Exchange>, UpstreamError> {
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| UpstreamError::Busy)?;
        let patience = Patience::of(&outbound);
        let lane = self.lane(Method::parse(&outbound.method), patience.deadline()).await?;
        let (exchange, parcel) = self.open(&outbound, patience, slot, lane)?;
        let sent = self.outlet.send(parcel).await;
        self.config.health.heard(sent.as_ref().err());
        match sent {
            Ok(()) => Ok(Box::new(exchange)),
            // Dropping the exchange cancels the request.
            Err(error @ UpstreamError::Timeout(_)) => Err(error),
            Err(error) => {
                exchange.forget();
                Err(error)
            }
        }
    }

    /// Sends a notification.
    pub(crate) async fn notify(&self, body: Bytes) -> Result<(), UpstreamError> {
        self.outlet.send(Parcel::notice(body)).await
    }

    /// Ends every exchange, and the connection with them, because something went wrong.
    pub(crate) fn fail(&self, error: UpstreamError) {
        if self.is_alive() {
            self.report(ServerEvent::Lost { reason: error.to_string() });
            self.config.health.heard(Some(&error));
        }
        self.end(error);
    }

    /// Ends every exchange, and the connection with them, because that is wanted.
    pub(crate) fn close(&self) {
        self.end(UpstreamError::Broken("the link was closed".into()));
    }

    fn end(&self, error: UpstreamError) {
        let entries = self.table.lock().close(error.clone());
        for entry in entries {
            entry.finish(Err(error.clone()));
        }
        self.ended.cancel();
    }

    /// Ends one request with an error, if it is still under way.
    pub(crate) fn fail_request(&self, number: u64, error: UpstreamError) {
        let entry = self.table.lock().take(number);
        if let Some(entry) = entry {
            entry.finish(Err(error));
        }
    }

    /// Counts something outside the protocol; too much of it ends the connection.
    pub(crate) fn garbage(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.report(ServerEvent::Garbage { reason: reason.clone() });
        if self.garbage.fetch_add(1, Ordering::Relaxed) + 1 >= self.config.max_garbage && self.is_alive() {
            self.fail(UpstreamError::Invalid(format!(
                "too many messages outside the protocol, the last: {reason}"
            )));
        }
    }

    async fn lane(
        &self,
        method: Method,
        deadline: Instant,
    ) -> Result<Option<OwnedSemaphorePermit>, UpstreamError> {
        if !self.config.serial || !method.may_require_input() || !self.is_legacy() {
            return Ok(None);
        }
        let permit = timeout_at(deadline, self.lane.clone().acquire_owned()).await;
        permit.ok().and_then(Result::ok).map(Some).ok_or(UpstreamError::Busy)
    }

    fn is_legacy(&self) -> bool {
        self.version.get().is_none_or(|version| version.has_sessions())
    }

    /// Puts a request into the table and gives it its number.
    fn open(
        self: &Arc<Self>,
        outbound: &Outbound,
        patience: Patience,
        slot: OwnedSemaphorePermit,
        lane: Option<OwnedSemaphorePermit>,
    ) -> Result<(MuxExchange, Parcel), UpstreamError> {
        let (events, inbox) = mpsc::channel(table::QUEUE);
        let (done, last) = oneshot::channel();
        let mut table = self.table.lock();
        let number = table.next_number()?;
        let Renumbered { message, token } = renumber::outgoing(&outbound.body, number)?;
        let (id, method) = (outbound.id.clone(), Method::parse(&outbound.method));
        let over = CancellationToken::new();
        let opened = Opened { number, method, idle: outbound.idle_timeout, over: over.clone() };
        let permits = (slot, lane);
        let entry = Entry {
            id,
            token,
            method,
            events,
            done,
            queued: Arc::default(),
            _over: over.drop_guard(),
            _permits: permits,
        };
        let exchange = MuxExchange::new(self.clone(), number, patience, &entry, inbox, last);
        table.insert(number, entry);
        let headers = outbound.headers.clone();
        Ok((exchange, Parcel { message, headers, request: Some(opened), deadline: patience.deadline() }))
    }

    /// The caller has let go of a request: the server is told, unless that is not allowed.
    fn abandon(&self, number: u64) {
        let Some(entry) = self.table.lock().take(number) else { return };
        // 2025-11-25 basic/utilities/cancellation: `initialize` must not be cancelled. The probe before it
        // may go to a server that knows no method but `initialize` yet.
        if !matches!(entry.method, Method::Initialize | Method::ServerDiscover) {
            self.outlet.post(renumber::cancelled(number), true);
        }
    }
}

/// How long a message that is no request may wait for room.
const NOTICE_PATIENCE: Duration = Duration::from_secs(30);

impl Parcel {
    /// A notification or a response.
    fn notice(message: Bytes) -> Self {
        Self { message, headers: Vec::new(), request: None, deadline: Instant::now() + NOTICE_PATIENCE }
    }
}

struct MuxReplier(Arc<dyn Outlet>);

impl Replier for MuxReplier {
    fn reply(&self, response: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        self.0.send(Parcel::notice(response))
    }
}
