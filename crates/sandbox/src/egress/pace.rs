//! How often a server may ask to get out.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_core::Clock;

use super::Denial;

const MINUTE_US: u64 = 60_000_000;

/// A budget of attempts that fills again at an even rate: a minute's worth may be used at once. Every attempt is on
/// record before anything else is done for it, so without a limit a server could fill the log.
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    per_minute: u32,
    /// When the budget will be full again, in microseconds since the epoch.
    full_again_us: Mutex<u64>,
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>, per_minute: u32) -> Self {
        Self { clock, per_minute, full_again_us: Mutex::new(0) }
    }

    /// Takes one attempt, if there is one left.
    pub(super) fn take(&self) -> Result<(), Denial> {
        let now = self.clock.now_ms().saturating_mul(1_000);
        let one = MINUTE_US / u64::from(self.per_minute.max(1));
        let mut full_again = self.full_again_us.lock();
        // A clock that was set back must not keep a server in for longer than a minute.
        let in_a_minute = now.saturating_add(MINUTE_US);
        *full_again = (*full_again).clamp(now, in_a_minute);
        let next = full_again.saturating_add(one);
        if self.per_minute == 0 || next > in_a_minute {
            return Err(Denial::TooOften { limit: self.per_minute });
        }
        *full_again = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::FakeClock;

    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_fills_again_evenly() {
        let clock = Arc::new(FakeClock::at(1_000_000));
        let pace = Pace::new(clock.clone(), 6);
        let taken = |wanted: usize| (0..wanted).filter(|_| pace.take().is_ok()).count();
        for (wait_ms, expected) in [(0, 6), (9_999, 0), (1, 1), (30_000, 3), (600_000, 6)] {
            clock.advance_ms(wait_ms);
            assert_eq!(taken(10), expected, "after {wait_ms} ms");
        }
        let said = pace.take().map_err(|denial| denial.to_string());
        assert_eq!(said, Err("more than 6 connections were asked for within a minute".to_owned()));
        assert!(Pace::new(clock, 0).take().is_err());
    }

    #[test]
    fn a_clock_that_is_set_back_costs_a_minute_at_most() {
        let clock = Arc::new(FakeClock::at(900_000_000));
        let pace = Pace::new(clock.clone(), 60);
        assert!(pace.take().is_ok());
        // Around the end of all numbers.
        clock.advance_ms(5_000_u64.wrapping_sub(900_000_000));
        assert!(pace.take().is_err());
        clock.advance_ms(1_000);
        assert!(pace.take().is_ok());
    }
}
