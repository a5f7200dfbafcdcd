//! Back-pressure: what lags too far behind refuses the next call.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use portcullis_core::{BoxFuture, Sink, SinkError, TakenBy};

/// How far streams are behind, shared between them and the log they read.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<AtomicU64>);

impl Backlog {
    /// One stream is over its bound, or not any more.
    pub(super) fn set_over(&self, over: bool) {
        if over {
            self.0.fetch_add(1, Ordering::Relaxed);
        } else {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether a stream is over its bound.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// A log that takes no decision while a stream is too far behind. What is not waited for, such as refusals, outcomes and
/// events, it takes.
pub struct Limited {
    inner: Arc<dyn Sink>,
    backlog: Backlog,
}

impl Limited {
    /// `inner`, held to `backlog`.
    pub fn new(inner: Arc<dyn Sink>, backlog: Backlog) -> Self {
        Self { inner, backlog }
    }
}

impl Sink for Limited {
    fn append(&self, line: Vec<u8>) -> Result<(), SinkError> {
        self.inner.append(line)
    }

    fn append_durable(&self, line: Vec<u8>) -> BoxFuture<'_, Result<TakenBy, SinkError>> {
        if self.backlog.is_over() {
            let reason = "a stream of records is further behind than `refuse_behind_bytes` allows".to_owned();
            return Box::pin(std::future::ready(Err(SinkError { place: "stream".to_owned(), reason })));
        }
        self.inner.append_durable(line)
    }
}
