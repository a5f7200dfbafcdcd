//! Counters for the admin listener, in Prometheus text format.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use portcullis_core::RefusalKind;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the spine and the transports count.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages received from clients.
    pub requests: Counter,
    /// Bytes received in them.
    pub request_bytes: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Connections turned away at a limit.
    pub connections_refused: Counter,
    /// Times a configuration was swapped in.
    pub reloads: Counter,
    /// Events that could not be recorded.
    pub events_lost: Counter,
    /// Messages of servers that could not be read and belonged to no request.
    pub dropped_messages: Counter,
    refusals: Mutex<Vec<(RefusalKind, u64)>>,
}

impl Metrics {
    /// Counts a refusal.
    pub fn refused(&self, kind: RefusalKind) {
        let mut refusals = self.refusals.lock();
        match refusals.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => refusals.push((kind, 1)),
        }
    }

    /// Everything, in Prometheus text exposition format 0.0.4.
    pub fn render(&self, gauges: &[(&str, &str, u64)]) -> String {
        let counters = [
            ("portcullis_requests_total", "Messages received from clients", &self.requests),
            (
                "portcullis_request_bytes_total",
                "Bytes received in messages from clients",
                &self.request_bytes,
            ),
            ("portcullis_connections_total", "Connections accepted", &self.connections),
            (
                "portcullis_connections_refused_total",
                "Connections turned away at a limit",
                &self.connections_refused,
            ),
            ("portcullis_reloads_total", "Configurations swapped in", &self.reloads),
            ("portcullis_events_lost_total", "Events that could not be recorded", &self.events_lost),
            (
                "portcullis_dropped_messages_total",
                "Messages of servers that were unreadable or about somebody else's task",
                &self.dropped_messages,
            ),
        ];
        let mut out = String::new();
        for (name, help, counter) in counters {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", counter.get());
        }
        let name = "portcullis_refusals_total";
        let _ = writeln!(out, "# HELP {name} Requests refused, by reason\n# TYPE {name} counter");
        for (kind, count) in self.refusals.lock().iter() {
            let kind = serde_json::to_string(kind).unwrap_or_default();
            let _ = writeln!(out, "{name}{{reason={kind}}} {count}");
        }
        for (name, help, value) in gauges {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        out
    }
}
