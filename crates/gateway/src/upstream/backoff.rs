//! Waiting longer after each failure, and never all at once.

use std::time::Duration;

use portcullis_core::UpstreamError;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait after this many failures in a row: doubling, with up to half of it left to chance so that
/// many gateways do not return to a server together.
pub(crate) fn delay(failures: u32) -> Duration {
    let full = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    // Without randomness the full wait is the careful one.
    let chance = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    full.mul_f64(0.5 + chance / 2.0)
}

/// A link that ends sooner than this after it was made counts as a failure, so that a server which crashes
/// on every start is not started for every request.
pub(crate) const SETTLED: Duration = Duration::from_secs(10);

/// Failures to connect to one server, or to stay connected.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    /// The first success since the last failure.
    success: Option<Instant>,
    wait: Option<(Instant, UpstreamError)>,
}

impl Backoff {
    /// Whether to try now; otherwise the last failure again, at once rather than after a wait.
    pub(crate) fn check(&self) -> Result<(), UpstreamError> {
        match &self.wait {
            Some((until, error)) if Instant::now() < *until => {
                let seconds = until.duration_since(Instant::now()).as_secs_f32();
                let again = |reason: &str| format!("{reason}; next attempt in {seconds:.1} s");
                Err(match error {
                    UpstreamError::NotStarted(reason) => UpstreamError::NotStarted(again(reason)),
                    UpstreamError::Unreachable(reason) => UpstreamError::Unreachable(again(reason)),
                    other => UpstreamError::Unreachable(again(&other.to_string())),
                })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn succeeded(&mut self) {
        self.success.get_or_insert_with(Instant::now);
        self.wait = None;
    }

    pub(crate) fn failed(&mut self, error: &UpstreamError) {
        let failures = self.count();
        self.wait = Some((Instant::now() + delay(failures), error.clone()));
    }

    /// A link made at `made` has ended by itself. The first time that this happens soon may be chance.
    pub(crate) fn lost(&mut self, made: Instant) {
        let lived = made.elapsed();
        if lived >= SETTLED {
            return;
        }
        let again = self.count().saturating_sub(1);
        if again > 0 {
            let reason = format!("the server ended {:.1} s after it was ready, again", lived.as_secs_f32());
            self.wait = Some((Instant::now() + delay(again), UpstreamError::Unreachable(reason)));
        }
    }

    /// Failures in a row, this one included. What went well for long enough ends a row.
    fn count(&mut self) -> u32 {
        if self.success.take().is_some_and(|success| success.elapsed() >= SETTLED) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        for (failures, full) in [(1, 250), (2, 500), (3, 1_000), (7, 16_000), (8, 30_000), (1_000, 30_000)] {
            let full = Duration::from_millis(full);
            for _ in 0..20 {
                let delay = delay(failures);
                assert!(delay >= full / 2 && delay <= full, "{failures}: {delay:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_failure_is_repeated_until_its_time_is_over() {
        let mut backoff = Backoff::default();
        assert!(backoff.check().is_ok());
        backoff.failed(&UpstreamError::Http { status: 503, body: None });
        let repeated = backoff.check().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(repeated.contains("HTTP 503; next attempt in 0."), "{repeated}");
        tokio::time::sleep(Duration::from_millis(260)).await;
        assert!(backoff.check().is_ok());
        backoff.succeeded();
        assert!(backoff.wait.is_none());
    }

    #[test]
    fn links_that_keep_ending_early_are_waited_for() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        let long_ago = now.checked_sub(SETTLED).unwrap_or(now);
        backoff.lost(long_ago);
        backoff.lost(now);
        assert!(backoff.check().is_ok(), "once may be chance");
        backoff.succeeded();
        backoff.lost(now);
        let refused = backoff.check().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("after it was ready, again"), "{refused}");
        backoff.success = Some(long_ago);
        backoff.wait = None;
        backoff.lost(now);
        assert!(backoff.check().is_ok(), "what went well for long starts a new row");
    }
}
