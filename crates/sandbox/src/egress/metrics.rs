//! What the way out counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Traffic;

/// Counters of one server's egress.
#[derive(Debug, Default)]
pub struct Metrics {
    allowed: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Metrics {
    /// Connections that were allowed.
    pub fn allowed(&self) -> u64 {
        self.allowed.load(Ordering::Relaxed)
    }

    /// Attempts that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Allowed connections that were cut off.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// Bytes that went through on connections that have ended.
    pub fn traffic(&self) -> Traffic {
        Traffic { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }

    pub(super) fn allow(&self) {
        self.allowed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self, was_cut: bool, traffic: Traffic) {
        self.cut.fetch_add(u64::from(was_cut), Ordering::Relaxed);
        self.sent.fetch_add(traffic.sent, Ordering::Relaxed);
        self.received.fetch_add(traffic.received, Ordering::Relaxed);
    }
}
