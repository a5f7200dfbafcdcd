//! How long a request may take.

use std::{future::Future, time::Duration};

use futures_util::TryFutureExt as _;
use portcullis_core::{Outbound, UpstreamError};
use tokio::time::{Instant, timeout_at};

/// A bound on each wait and one on all of them together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    idle: Duration,
    total: Duration,
    deadline: Instant,
}

impl Patience {
    /// Starts now.
    pub(crate) fn new(idle: Duration, total: Duration) -> Self {
        Self { idle, total, deadline: Instant::now() + total }
    }

    /// That of a request, starting now.
    pub(crate) fn of(outbound: &Outbound) -> Self {
        Self::new(outbound.idle_timeout, outbound.total_timeout)
    }

    /// When everything has to be over.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether a wait ended because nothing came, and not because everything together took too long.
    pub(crate) fn was_idle(&self, timeout: &UpstreamError) -> bool {
        matches!(timeout, UpstreamError::Timeout(waited) if *waited == self.idle)
    }

    /// Waits once.
    pub(crate) fn wait<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, UpstreamError>> {
        let idle = Instant::now() + self.idle;
        let which = if idle < self.deadline { self.idle } else { self.total };
        // Not an `async` block, which would hold the future twice.
        timeout_at(idle.min(self.deadline), future).map_err(move |_| UpstreamError::Timeout(which))
    }
}
