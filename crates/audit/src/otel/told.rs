//! The near end: what is told goes into a queue, or nowhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portcullis_core::{Decision, DecisionRecord, RecordId};
use tokio::sync::mpsc;

use super::{
    call::{self, CallSpans},
    export::Exporter,
    facts::Facts,
    instruments::Instruments,
    logs,
    proto::{KeyValue, LogRecord, Metric, Span, attribute},
};
use crate::EventKind;

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Measurements.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// As OTLP names it in its paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// Which kinds are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signals {
    /// Spans of every call; trace context goes on to servers with the gateway's span in it.
    pub traces: bool,
    /// Durations, refusals and losses.
    pub metrics: bool,
    /// Every record as a log record.
    pub logs: bool,
}

/// How telemetry is made and kept until it is sent.
#[derive(Clone, Debug)]
pub struct TelemetryOptions {
    /// What is wanted.
    pub signals: Signals,
    /// Spans and log records that may wait; what comes when there are so many is lost and counted.
    pub queue: usize,
    /// How often metrics are sent.
    pub metrics_every: Duration,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`: which gateway.
    pub instance: String,
    /// `service.version`.
    pub version: &'static str,
}

/// What became of telemetry, by signal.
#[derive(Debug, Default)]
pub struct TelemetryMetrics {
    sent: [AtomicU64; 3],
    lost: [AtomicU64; 3],
}

impl TelemetryMetrics {
    /// Spans and log records that a collector took, and exports of metrics.
    pub fn sent(&self, signal: Signal) -> u64 {
        read(&self.sent, signal)
    }

    /// Those that found no room in the queue, or no collector.
    pub fn lost(&self, signal: Signal) -> u64 {
        read(&self.lost, signal)
    }

    pub(super) fn add_sent(&self, signal: Signal, n: usize) {
        add(&self.sent, signal, n);
    }

    pub(super) fn add_lost(&self, signal: Signal, n: usize) {
        add(&self.lost, signal, n);
    }
}

fn read([traces, metrics, logs]: &[AtomicU64; 3], signal: Signal) -> u64 {
    let counter = match signal {
        Signal::Traces => traces,
        Signal::Metrics => metrics,
        Signal::Logs => logs,
    };
    counter.load(Ordering::Relaxed)
}

fn add([traces, metrics, logs]: &[AtomicU64; 3], signal: Signal, n: usize) {
    let counter = match signal {
        Signal::Traces => traces,
        Signal::Metrics => metrics,
        Signal::Logs => logs,
    };
    counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Something that waits to be sent.
#[derive(Debug)]
pub(super) enum Item {
    Span(Box<Span>),
    Log(Box<LogRecord>),
}

impl Item {
    pub(super) fn signal(&self) -> Signal {
        match self {
            Self::Span(_) => Signal::Traces,
            Self::Log(_) => Signal::Logs,
        }
    }
}

/// Tells a collector what is recorded. Clones share one queue. Never waits.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Item>,
    signals: Signals,
    instruments: Instruments,
    metrics: TelemetryMetrics,
    resource: Vec<KeyValue>,
}

impl Telemetry {
    /// The near end, and the far end that somebody has to [run](Exporter::run).
    pub fn new(options: &TelemetryOptions) -> (Self, Exporter) {
        let (queue, waiting) = mpsc::channel(options.queue.max(1));
        let resource = [
            attribute("service.name", Some(options.service.as_str())),
            attribute("service.version", Some(options.version)),
            attribute("service.instance.id", Some(options.instance.as_str())),
        ];
        let inner = Inner {
            queue,
            signals: options.signals,
            instruments: Instruments::new(now_ns()),
            metrics: TelemetryMetrics::default(),
            resource: resource.into_iter().flatten().collect(),
        };
        let telemetry = Self(Arc::new(inner));
        (telemetry.clone(), Exporter::new(telemetry, waiting, options.metrics_every))
    }

    /// What became of it.
    pub fn metrics(&self) -> &TelemetryMetrics {
        &self.0.metrics
    }

    /// Whether calls are told as spans.
    pub fn tells_spans(&self) -> bool {
        self.0.signals.traces
    }

    pub(crate) fn opened(&self, id: &RecordId, record: &DecisionRecord) -> CallSpans {
        let call = CallSpans::new(self.clone(), id, record);
        if self.0.signals.logs {
            self.tell_of(call.facts(), Item::Log(Box::new(logs::decision(call.facts(), record))));
        }
        call
    }

    pub(crate) fn refused(&self, id: &RecordId, record: &DecisionRecord) {
        let Decision::Refuse { kind, detail, .. } = &record.decision else { return };
        let facts = Facts::of(id, record);
        if self.0.signals.logs {
            self.tell_of(&facts, Item::Log(Box::new(logs::decision(&facts, record))));
        }
        call::refused(self, &facts, record, &logs::word(kind), detail);
    }

    pub(crate) fn event(&self, id: &RecordId, kind: EventKind, subject: Option<&str>, detail: &str) {
        self.log(|| logs::event(id, kind, subject, detail));
    }

    fn log(&self, record: impl FnOnce() -> LogRecord) {
        if self.0.signals.logs {
            self.tell(Item::Log(Box::new(record())));
        }
    }

    /// Queues what is about a call. Connections of servers get half of the queue at most, so that no server crowds out
    /// what is told of calls.
    pub(super) fn tell_of(&self, facts: &Facts, item: Item) {
        if facts.is_egress && self.0.queue.capacity() < self.0.queue.max_capacity() / 2 {
            self.0.metrics.add_lost(item.signal(), 1);
        } else {
            self.tell(item);
        }
    }

    /// Queues it, if its kind is wanted and there is room.
    pub(super) fn tell(&self, item: Item) {
        let signal = item.signal();
        let wanted = match signal {
            Signal::Traces => self.0.signals.traces,
            Signal::Metrics => self.0.signals.metrics,
            Signal::Logs => self.0.signals.logs,
        };
        if wanted && self.0.queue.try_send(item).is_err() {
            self.0.metrics.add_lost(signal, 1);
        }
    }

    pub(super) fn instruments(&self) -> &Instruments {
        &self.0.instruments
    }

    /// The metrics as they stand, if they are wanted.
    pub(super) fn measured(&self) -> Option<Vec<Metric>> {
        let lost = Signal::ALL.map(|signal| (signal.as_str(), self.0.metrics.lost(signal)));
        self.0.signals.metrics.then(|| self.0.instruments.read(now_ns(), lost))
    }

    pub(super) fn resource(&self) -> Vec<KeyValue> {
        self.0.resource.clone()
    }
}

/// Nanoseconds since the Unix epoch.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
