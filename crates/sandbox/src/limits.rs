//! A token bucket that is told the time.

use std::time::{Duration, Instant};

/// Allows `per_second` units a second and up to `burst` at once.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { per_second: f64::from(per_second), burst: f64::from(burst), tokens: f64::from(burst), at: now }
    }

    /// Takes `amount` units if they are there.
    pub(crate) fn try_take(&mut self, amount: u32, now: Instant) -> bool {
        self.refill(now);
        let enough = self.tokens >= f64::from(amount);
        if enough {
            self.tokens -= f64::from(amount);
        }
        enough
    }

    /// Takes `amount` units, going into debt if need be, and says how long to wait until it is paid.
    pub(crate) fn take(&mut self, amount: u32, now: Instant) -> Duration {
        self.refill(now);
        self.tokens -= f64::from(amount);
        Duration::from_secs_f64((-self.tokens).max(0.0) / self.per_second)
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = self.burst.min(self.tokens + elapsed * self.per_second);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_to_its_burst_only() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 2, start);
        let at = |ms| start + Duration::from_millis(ms);
        let steps = [
            (0, true),
            (0, true),
            (0, false),
            (50, false),
            (100, true),
            (5_000, true),
            (5_000, true),
            (5_000, false),
        ];
        for (ms, allowed) in steps {
            assert_eq!(bucket.try_take(1, at(ms)), allowed, "after {ms} ms");
        }
    }

    #[test]
    fn debt_is_paid_at_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100, 100, start);
        assert_eq!(bucket.take(100, start), Duration::ZERO);
        assert_eq!(bucket.take(50, start), Duration::from_millis(500));
        assert_eq!(bucket.take(50, start + Duration::from_secs(1)), Duration::ZERO);
    }
}
