//! How much one caller, and all of them together, may ask for (control NET-05, threat category T10).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use portcullis_core::{ControlId, Principal, Refusal, RefusalKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Principals whose rate is remembered; beyond it those that have been idle longest are forgotten, which
/// can only give a caller its burst back.
const MAX_PRINCIPALS: usize = 100_000;

/// Bounds on requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Requests being answered at the same time, streams not counted once they are open.
    pub concurrent: usize,
    /// Sustained requests per second and principal; 0 for no limit.
    pub per_second: u32,
    /// Requests a principal may be ahead of its rate.
    pub burst: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { concurrent: 4_096, per_second: 0, burst: 200 }
    }
}

/// Admits requests. The rate is the generic cell rate algorithm (ITU-T I.371): one number per principal,
/// the time at which it will have used up what it has asked for.
#[derive(Debug)]
pub struct Limiter {
    limits: RequestLimits,
    slots: Arc<Semaphore>,
    arrivals: RwLock<HashMap<Principal, Arc<AtomicU64>>>,
}

impl Limiter {
    /// A limiter with nothing under way.
    pub fn new(limits: RequestLimits) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(limits.concurrent.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { limits, slots, arrivals: RwLock::default() })
    }

    /// A place for one request, kept until the slot is dropped.
    ///
    /// # Errors
    /// [`RefusalKind::TooMany`].
    pub fn admit(&self, principal: &Principal, now_ms: u64) -> Result<OwnedSemaphorePermit, Refusal> {
        self.within_rate(principal, now_ms)?;
        self.slots.clone().try_acquire_owned().map_err(|_| {
            Refusal::new(RefusalKind::TooMany, "too many requests are being answered; try again shortly")
                .by(ControlId::Net05)
        })
    }

    fn within_rate(&self, principal: &Principal, now_ms: u64) -> Result<(), Refusal> {
        if self.limits.per_second == 0 {
            return Ok(());
        }
        // In microseconds, so that rates above a thousand per second are exact enough.
        let now = now_ms.saturating_mul(1_000);
        let cost = 1_000_000 / u64::from(self.limits.per_second);
        let tolerance = cost.saturating_mul(u64::from(self.limits.burst));
        let arrival = self.arrival(principal);
        let admitted = arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| {
            let at = at.max(now);
            (at.saturating_sub(now) <= tolerance).then(|| at.saturating_add(cost))
        });
        admitted.map(|_| ()).map_err(|_| {
            let rate = self.limits.per_second;
            Refusal::new(
                RefusalKind::TooMany,
                format!("more than {rate} requests per second (`limits.requests_per_second`)"),
            )
            .by(ControlId::Net05)
        })
    }

    fn arrival(&self, principal: &Principal) -> Arc<AtomicU64> {
        if let Some(arrival) = self.arrivals.read().get(principal) {
            return arrival.clone();
        }
        let mut arrivals = self.arrivals.write();
        if arrivals.len() >= MAX_PRINCIPALS {
            let mut times: Vec<u64> = arrivals.values().map(|a| a.load(Ordering::Relaxed)).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            arrivals.retain(|_, a| a.load(Ordering::Relaxed) > median);
        }
        arrivals.entry(principal.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::PrincipalKind;

    use super::*;

    fn principal(id: &str) -> Principal {
        Principal { kind: PrincipalKind::Dev, id: id.into() }
    }

    #[test]
    fn a_caller_gets_its_burst_then_its_rate_and_does_not_disturb_another() {
        let limiter = Limiter::new(RequestLimits { concurrent: 1_000, per_second: 10, burst: 5 });
        let (alice, bob) = (principal("alice"), principal("bob"));
        let admitted = |who: &Principal, now| limiter.admit(who, now).is_ok();
        assert_eq!((0..20).filter(|_| admitted(&alice, 1_000)).count(), 6);
        assert!(admitted(&bob, 1_000));
        assert!(!admitted(&alice, 1_050));
        assert!(admitted(&alice, 1_100));
        assert!(!admitted(&alice, 1_100));
    }

    #[test]
    fn places_are_given_back() {
        let limiter = Limiter::new(RequestLimits { concurrent: 1, per_second: 0, burst: 0 });
        let alice = principal("alice");
        let slot = limiter.admit(&alice, 0);
        assert!(slot.is_ok());
        assert_eq!(limiter.admit(&alice, 0).err().map(|r| r.kind()), Some(RefusalKind::TooMany));
        drop(slot);
        assert!(limiter.admit(&alice, 0).is_ok());
    }
}
