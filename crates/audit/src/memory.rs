//! A sink that keeps records in memory, for tests of everything that records.

use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Sink, SinkError, TakenBy};
use tokio::sync::watch;

/// Keeps records in memory. Not for production: nothing it says is durable is.
///
/// It can be told to [fail](Self::fail), so that every record is refused, and to [stall](Self::stall), so
/// that records are kept but nobody is told they are durable until it is [released](Self::release).
#[derive(Debug)]
pub struct MemorySink {
    lines: Mutex<Vec<Vec<u8>>>,
    failing: Mutex<Option<String>>,
    stalled: watch::Sender<bool>,
    kept: watch::Sender<usize>,
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySink {
    /// An empty sink that accepts everything at once.
    pub fn new() -> Self {
        Self {
            lines: Mutex::default(),
            failing: Mutex::default(),
            stalled: watch::Sender::new(false),
            kept: watch::Sender::new(0),
        }
    }

    /// Refuses every record from now on, those that wait for durability included.
    pub fn fail(&self, reason: impl Into<String>) {
        *self.failing.lock() = Some(reason.into());
        // Whoever waits looks again.
        self.stalled.send_modify(|_| {});
    }

    /// Ends [`fail`](Self::fail).
    pub fn recover(&self) {
        *self.failing.lock() = None;
    }

    /// Accepts records without calling them durable.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Ends [`stall`](Self::stall): everything kept is durable now.
    pub fn release(&self) {
        self.stalled.send_replace(false);
    }

    /// The records kept so far, as written.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.lines.lock().clone()
    }

    /// The records kept so far, parsed; one that is not JSON is `null`.
    pub fn records(&self) -> Vec<serde_json::Value> {
        self.lines.lock().iter().map(|line| serde_json::from_slice(line).unwrap_or_default()).collect()
    }

    /// Resolves once at least `count` records are kept.
    pub async fn wait_for(&self, count: usize) {
        let mut kept = self.kept.subscribe();
        // The sender lives in `self`, so the channel cannot close.
        let _ = kept.wait_for(|kept| *kept >= count).await;
    }

    fn refused(&self) -> Result<(), SinkError> {
        match &*self.failing.lock() {
            Some(reason) => Err(SinkError { place: "memory".into(), reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

impl Sink for MemorySink {
    fn append(&self, line: Vec<u8>) -> Result<(), SinkError> {
        self.refused()?;
        let mut lines = self.lines.lock();
        lines.push(line);
        self.kept.send_replace(lines.len());
        Ok(())
    }

    fn append_durable(&self, line: Vec<u8>) -> BoxFuture<'_, Result<TakenBy, SinkError>> {
        let queued = self.append(line);
        Box::pin(async move {
            queued?;
            let mut stalled = self.stalled.subscribe();
            let _ = stalled.wait_for(|stalled| !*stalled || self.refused().is_err()).await;
            self.refused().map(|()| TakenBy::Log)
        })
    }
}
