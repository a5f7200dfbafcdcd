//! What the log counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only ever grows, or a gauge that is set; read without locking anything.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

/// Counters of a [`JsonLines`](crate::JsonLines) log.
#[derive(Debug, Default)]
pub struct SinkMetrics {
    /// Records written to the file.
    pub appended: Counter,
    /// Bytes written to the file, including the log's own marker records.
    pub bytes: Counter,
    /// Groups of records written with one `write` and, if the policy says so, one `fdatasync`.
    pub batches: Counter,
    /// Calls of `fdatasync` that succeeded.
    pub syncs: Counter,
    /// Records that were refused or lost; each was reported to its caller or in a marker record.
    pub failed: Counter,
    /// Times a healthy log stopped accepting records because the file could not be written.
    pub failures: Counter,
    /// Segments finished and renamed.
    pub rotations: Counter,
    /// Rotations that could not be done; the log goes on in the old segment.
    pub failed_rotations: Counter,
    /// Gauge: records waiting for the writer now.
    pub queue_depth: Counter,
}

/// Counters of a [`Recorder`](crate::Recorder).
#[derive(Debug, Default)]
pub struct RecorderMetrics {
    /// Calls whose decision to allow is on record.
    pub opened: Counter,
    /// Refusals recorded in full.
    pub refusals: Counter,
    /// Refusals counted in a summary record because there were too many in one second.
    pub summarised: Counter,
    /// Decisions that could not be recorded, so that nothing was allowed to happen.
    pub unrecorded: Counter,
    /// Outcomes that could not be recorded; the log shows them as unknown.
    pub outcomes_lost: Counter,
    /// Tickets dropped without an outcome, recorded as abandoned.
    pub abandoned: Counter,
}
