//! How much goes through a connection, and over all connections of a rule in an hour.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use portcullis_core::Clock;

use super::{Denial, Limits, Traffic};

const HOUR_MS: u64 = 3_600_000;

/// Bytes sent under each rule in the current hour. Kept by rule and not by host, so that a rule with a `*`
/// does not give a budget for every name that can be thought of.
pub(super) struct Budgets {
    clock: Arc<dyn Clock>,
    sent: Mutex<HashMap<Arc<str>, Hour>>,
}

#[derive(Clone, Copy, Default)]
struct Hour {
    number: u64,
    bytes: u64,
}

impl Budgets {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, sent: Mutex::default() }
    }

    /// Takes `bytes` from the budget of `rule`, unless they are more than is left of `limit`.
    fn take(&self, rule: &Arc<str>, bytes: u64, limit: u64) -> bool {
        let number = self.clock.now_ms() / HOUR_MS;
        let mut sent = self.sent.lock();
        let hour = sent.entry(rule.clone()).or_default();
        if hour.number != number {
            *hour = Hour { number, bytes: 0 };
        }
        let total = hour.bytes.saturating_add(bytes);
        let fits = total <= limit;
        if fits {
            hour.bytes = total;
        }
        fits
    }
}

/// Counts one connection.
pub(super) struct Meter {
    budgets: Arc<Budgets>,
    rule: Arc<str>,
    limits: Arc<Limits>,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    pub(super) fn new(budgets: Arc<Budgets>, rule: Arc<str>, limits: Arc<Limits>) -> Self {
        Self { budgets, rule, limits, sent: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    /// To be called before `bytes` are sent.
    pub(super) fn send(&self, bytes: usize) -> Result<(), Denial> {
        let bytes = bytes as u64;
        let Limits { upload_bytes, upload_bytes_per_hour, .. } = *self.limits;
        if self.sent.load(Ordering::Relaxed).saturating_add(bytes) > upload_bytes {
            return Err(Denial::Upload { limit: upload_bytes, span: "on one connection" });
        }
        if !self.budgets.take(&self.rule, bytes, upload_bytes_per_hour) {
            return Err(Denial::Upload { limit: upload_bytes_per_hour, span: "in one hour" });
        }
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// To be called before `bytes` are handed to the server.
    pub(super) fn receive(&self, bytes: usize) -> Result<(), Denial> {
        let before = self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        let limit = self.limits.download_bytes;
        if before.saturating_add(bytes as u64) > limit { Err(Denial::Download { limit }) } else { Ok(()) }
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::FakeClock;

    use super::*;

    #[test]
    fn many_small_connections_share_one_budget() {
        let clock = Arc::new(FakeClock::at(HOUR_MS * 7));
        let budgets = Arc::new(Budgets::new(clock.clone()));
        let limits = Arc::new(Limits {
            upload_bytes: 10,
            upload_bytes_per_hour: 25,
            download_bytes: 5,
            ..Limits::default()
        });
        let meter = |rule: &str| Meter::new(budgets.clone(), rule.into(), limits.clone());
        let sent = |meter: &Meter, bytes| meter.send(bytes).map_err(|denial| denial.to_string());
        let connection = Err("more than 10 bytes would have been sent on one connection".to_owned());
        let hour = Err("more than 25 bytes would have been sent in one hour".to_owned());

        let first = meter("a");
        assert_eq!([sent(&first, 6), sent(&first, 5), sent(&first, 4)], [Ok(()), connection, Ok(())]);
        assert_eq!(
            [sent(&meter("a"), 10), sent(&meter("a"), 6), sent(&meter("a"), 5)],
            [Ok(()), hour, Ok(())]
        );
        assert_eq!(sent(&meter("b"), 10), Ok(()));
        clock.advance_ms(HOUR_MS);
        assert_eq!(sent(&meter("a"), 10), Ok(()));
        assert_eq!(first.traffic(), Traffic { sent: 10, received: 0 });
        assert!(first.receive(5).is_ok() && first.receive(1).is_err());
    }
}
