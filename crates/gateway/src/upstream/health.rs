//! Whether a server can be used, as readiness and metrics see it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use portcullis_core::{Clock, UpstreamError};

/// What is known of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// Nobody has asked for it yet.
    Untried,
    /// The last attempt went well.
    Up,
    /// The last attempt failed in a way that others may not.
    Degraded,
    /// It cannot be reached.
    Down,
}

/// The state of a server and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// The state.
    pub state: HealthState,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Failures since the last success.
    pub failures: u64,
    /// The last failure since the last success. For the operator.
    pub last_error: Option<String>,
}

/// Keeps the state of one server.
pub(crate) struct Health {
    report: Mutex<HealthReport>,
    /// What the hot path looks at before anything else.
    up: AtomicBool,
    /// Whether the server is shown a credential of its caller's.
    per_caller: bool,
    clock: Arc<dyn Clock>,
}

impl Health {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let since_ms = clock.now_ms();
        let report = HealthReport { state: HealthState::Untried, since_ms, failures: 0, last_error: None };
        Self { report: Mutex::new(report), up: AtomicBool::new(false), per_caller: false, clock }
    }

    /// The present state.
    pub(crate) fn report(&self) -> HealthReport {
        self.report.lock().clone()
    }

    /// The outcome of an attempt to connect or of a request, as far as the server was heard of.
    pub(crate) fn heard(&self, error: Option<&UpstreamError>) {
        if error.is_some_and(|error| self.concerns_one_caller(error)) {
            return;
        }
        match error.map(|error| (error, weight(error))) {
            None | Some((_, None)) => self.succeeded(),
            Some((error, Some(state))) => self.failed(state, error),
        }
    }

    /// The health of a server that is shown a credential of its caller's, if it is.
    pub(crate) fn per_caller(self, per_caller: bool) -> Self {
        Self { per_caller, ..self }
    }

    /// Whether a failure is one caller's and says nothing about the server: others may well be served.
    pub(crate) fn concerns_one_caller(&self, error: &UpstreamError) -> bool {
        match error {
            UpstreamError::NoCredential { .. } => true,
            UpstreamError::Http { status: 401 | 403, .. } => self.per_caller,
            _ => false,
        }
    }

    fn succeeded(&self) {
        if self.up.load(Ordering::Relaxed) {
            return;
        }
        let mut report = self.report.lock();
        if report.state != HealthState::Up {
            *report = HealthReport {
                state: HealthState::Up,
                since_ms: self.clock.now_ms(),
                failures: 0,
                last_error: None,
            };
        }
        self.up.store(true, Ordering::Relaxed);
    }

    fn failed(&self, state: HealthState, error: &UpstreamError) {
        let mut report = self.report.lock();
        self.up.store(false, Ordering::Relaxed);
        if report.state != state {
            (report.state, report.since_ms) = (state, self.clock.now_ms());
        }
        report.failures = report.failures.saturating_add(1);
        report.last_error = Some(error.to_string());
    }
}

/// How bad a failure is; nothing for those that are our own or the caller's.
fn weight(error: &UpstreamError) -> Option<HealthState> {
    match error {
        UpstreamError::Unreachable(_) | UpstreamError::NotStarted(_) => Some(HealthState::Down),
        UpstreamError::Http { status: 401 | 403 | 500.., .. } => Some(HealthState::Down),
        UpstreamError::Broken(_) | UpstreamError::Invalid(_) | UpstreamError::Timeout(_) => {
            Some(HealthState::Degraded)
        }
        UpstreamError::Http { .. } | UpstreamError::TooLarge { .. } => Some(HealthState::Degraded),
        UpstreamError::Busy | UpstreamError::SessionGone | UpstreamError::NoCredential { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::FakeClock;

    use super::*;

    #[test]
    fn the_state_follows_what_was_heard() {
        let health = Health::new(Arc::new(FakeClock::at(5)));
        assert_eq!(health.report().state, HealthState::Untried);
        let steps = [
            (Some(UpstreamError::Unreachable("refused".into())), HealthState::Down, 1),
            (Some(UpstreamError::Http { status: 503, body: None }), HealthState::Down, 2),
            (None, HealthState::Up, 0),
            (Some(UpstreamError::Busy), HealthState::Up, 0),
            (Some(UpstreamError::Timeout(Duration::ZERO)), HealthState::Degraded, 1),
            (Some(UpstreamError::Http { status: 401, body: None }), HealthState::Down, 2),
            (None, HealthState::Up, 0),
        ];
        for (error, state, failures) in steps {
            health.heard(error.as_ref());
            let report = health.report();
            assert_eq!((report.state, report.failures), (state, failures), "after {error:?}");
            assert_eq!(report.last_error.is_some(), failures > 0);
        }
    }
}
