//! The far end: a task that sends what waits, in batches, and never holds up anybody.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use portcullis_core::BoxFuture;
use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at},
};

use super::{
    proto::{
        LogRecord, Logs, Metrics, Resource, ResourceLogs, ResourceMetrics, ResourceSpans, Scope, ScopeLogs,
        ScopeMetrics, ScopeSpans, Span, Traces,
    },
    told::{Item, Signal, Telemetry, now_ns},
};
use crate::Health;

/// Most items of one export.
const BATCH: usize = 512;
/// How long the first item of a batch waits for others.
const LINGER: Duration = Duration::from_millis(500);
/// Longest one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest a batch is tried again before it is given up.
const PERSISTENCE: Duration = Duration::from_secs(30);
/// Between attempts, doubling up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// What remains of the time when the gateway stops.
const LAST: Duration = Duration::from_secs(3);

/// The way to a collector.
pub trait Transport: Send + Sync {
    /// Sends one `Export…ServiceRequest` in protobuf.
    fn send(&self, signal: Signal, body: Vec<u8>) -> BoxFuture<'_, Result<(), SendFault>>;
}

/// Why a collector did not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendFault {
    /// Whether it may take it later (OTLP/HTTP, Failures).
    pub retry: bool,
    /// What happened.
    pub reason: String,
}

/// What waits to be sent, and the task that sends it.
#[derive(Debug)]
pub struct Exporter {
    telemetry: Telemetry,
    waiting: mpsc::Receiver<Item>,
    /// Exports that have not been sent yet.
    left: VecDeque<Parcel>,
    metrics_every: Duration,
    health: watch::Sender<Health>,
}

type Stop<'s> = Pin<&'s mut (dyn Future<Output = ()> + Send)>;

impl Exporter {
    pub(super) fn new(telemetry: Telemetry, waiting: mpsc::Receiver<Item>, metrics_every: Duration) -> Self {
        let health = watch::Sender::new(Health::Working);
        Self { telemetry, waiting, left: VecDeque::new(), metrics_every, health }
    }

    /// Whether the collector takes what is sent.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Sends until `stop` resolves, and then for at most three seconds what is left.
    pub async fn run(mut self, transport: Arc<dyn Transport>, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = interval_at(Instant::now() + self.metrics_every, self.metrics_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut items = Vec::with_capacity(BATCH);
            let stopped = tokio::select! {
                () = &mut stop => true,
                _ = ticks.tick() => tokio::select! {
                    () = &mut stop => true,
                    () = self.send_metrics(&*transport) => false,
                },
                count = self.waiting.recv_many(&mut items, BATCH) => {
                    self.gather(&mut items).await;
                    count == 0 || self.deliver(&*transport, items, stop.as_mut()).await
                }
            };
            if stopped {
                break;
            }
        }
        if timeout(LAST, self.finish(&*transport)).await.is_err() {
            self.lose_the_rest();
        }
    }

    async fn gather(&mut self, items: &mut Vec<Item>) {
        let end = Instant::now() + LINGER;
        while items.len() < BATCH {
            let room = BATCH.saturating_sub(items.len());
            match timeout_at(end, self.waiting.recv_many(items, room)).await {
                Ok(count) if count > 0 => {}
                _ => return,
            }
        }
    }

    /// Sends a batch; whether it was time to stop meanwhile, with the rest of it left.
    async fn deliver(&mut self, transport: &dyn Transport, items: Vec<Item>, mut stop: Stop<'_>) -> bool {
        self.take(items);
        while let Some(parcel) = self.left.front() {
            let sent = tokio::select! {
                () = &mut stop => return true,
                sent = self.persist(transport, parcel) => sent,
            };
            self.settle(sent);
        }
        false
    }

    /// Sends one export, again and again while that may help; whether it was taken.
    async fn persist(&self, transport: &dyn Transport, parcel: &Parcel) -> bool {
        let end = Instant::now() + PERSISTENCE;
        let mut pause = PAUSE.0;
        loop {
            match self.attempt(transport, parcel).await {
                Ok(()) => return true,
                Err(fault) if !fault.retry || Instant::now() >= end => return false,
                Err(_) => sleep(pause).await,
            }
            pause = pause.saturating_mul(2).min(PAUSE.1);
        }
    }

    /// What is left, each once.
    async fn finish(&mut self, transport: &dyn Transport) {
        self.waiting.close();
        loop {
            while let Some(parcel) = self.left.front() {
                let sent = self.attempt(transport, parcel).await.is_ok();
                self.settle(sent);
            }
            let mut items = Vec::with_capacity(BATCH);
            if self.waiting.recv_many(&mut items, BATCH).await == 0 {
                break;
            }
            self.take(items);
        }
        self.send_metrics(transport).await;
    }

    /// The first of what is left is sent, or lost.
    fn settle(&mut self, sent: bool) {
        if let Some(parcel) = self.left.pop_front().filter(|_| !sent) {
            self.telemetry.metrics().add_lost(parcel.signal, parcel.count);
        }
    }

    fn lose_the_rest(&mut self) {
        while !self.left.is_empty() {
            self.settle(false);
        }
        while let Ok(item) = self.waiting.try_recv() {
            self.telemetry.metrics().add_lost(item.signal(), 1);
        }
    }

    async fn attempt(&self, transport: &dyn Transport, parcel: &Parcel) -> Result<(), SendFault> {
        let late = || SendFault { retry: true, reason: format!("no answer within {} s", PATIENCE.as_secs()) };
        let sending = transport.send(parcel.signal, parcel.body.clone());
        let sent = timeout(PATIENCE, sending).await.unwrap_or_else(|_| Err(late()));
        if sent.is_ok() {
            self.telemetry.metrics().add_sent(parcel.signal, parcel.count);
        }
        self.health.send_if_modified(|health| {
            let now = match &sent {
                Ok(()) => Health::Working,
                Err(fault) => {
                    Health::Failing { since_ms: now_ns() / 1_000_000, reason: fault.reason.clone() }
                }
            };
            let changed = matches!(now, Health::Working) != matches!(health, Health::Working);
            *health = now;
            changed
        });
        sent
    }

    async fn send_metrics(&self, transport: &dyn Transport) {
        let Some(metrics) = self.telemetry.measured() else { return };
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics }];
        let body =
            Metrics { resource_metrics: vec![ResourceMetrics { resource: self.resource(), scope_metrics }] };
        let parcel = Parcel { signal: Signal::Metrics, count: 1, body: body.encode_to_vec() };
        // The next one says the same and more.
        if self.attempt(transport, &parcel).await.is_err() {
            self.telemetry.metrics().add_lost(Signal::Metrics, 1);
        }
    }

    fn take(&mut self, items: Vec<Item>) {
        let (mut spans, mut logs) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Span(span) => spans.push(*span),
                Item::Log(log) => logs.push(*log),
            }
        }
        let spans = (!spans.is_empty()).then(|| self.spans(spans));
        let logs = (!logs.is_empty()).then(|| self.logs(logs));
        self.left.extend(spans.into_iter().chain(logs));
    }

    fn spans(&self, spans: Vec<Span>) -> Parcel {
        let count = spans.len();
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans }];
        let body = Traces { resource_spans: vec![ResourceSpans { resource: self.resource(), scope_spans }] };
        Parcel { signal: Signal::Traces, count, body: body.encode_to_vec() }
    }

    fn logs(&self, log_records: Vec<LogRecord>) -> Parcel {
        let count = log_records.len();
        let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records }];
        let body = Logs { resource_logs: vec![ResourceLogs { resource: self.resource(), scope_logs }] };
        Parcel { signal: Signal::Logs, count, body: body.encode_to_vec() }
    }

    fn resource(&self) -> Option<Resource> {
        Some(Resource { attributes: self.telemetry.resource() })
    }
}

/// One export.
#[derive(Debug)]
struct Parcel {
    signal: Signal,
    count: usize,
    body: Vec<u8>,
}

fn scope() -> Scope {
    Scope { name: "portcullis".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}
