//! Proofs and signatures that were used.

use std::{collections::HashSet, mem};

use parking_lot::Mutex;
use portcullis_core::Digest;

use super::{ProofFault, WINDOW};

/// Most proofs that are remembered of one period: 32 bytes each. At 100 requests a second of each of 10 callers
/// it holds twice of what a period sees.
const MOST: usize = 250_000;
/// Longest time a proof can be used: from the end of the window before its `iat` to the end of that behind it.
const PERIOD: u64 = 2 * WINDOW;

/// A proof is remembered for one to two periods. In memory: another node, or this one after a restart, has not
/// seen it.
#[derive(Debug, Default)]
pub(crate) struct Replays(Mutex<Periods>);

#[derive(Debug, Default)]
struct Periods {
    since: u64,
    this: HashSet<Digest>,
    last: HashSet<Digest>,
}

impl Replays {
    /// Remembers a proof that was not there before.
    pub(crate) fn first(&self, proof: Digest, now: u64) -> Result<(), ProofFault> {
        let mut periods = self.0.lock();
        let age = now.saturating_sub(periods.since);
        if age >= PERIOD {
            let this = mem::take(&mut periods.this);
            periods.last = if age < 2 * PERIOD { this } else { HashSet::new() };
            periods.since = now;
        }
        if periods.this.contains(&proof) || periods.last.contains(&proof) {
            return Err(ProofFault::Replayed);
        }
        if periods.this.len() >= MOST {
            return Err(ProofFault::Crowded);
        }
        periods.this.insert(proof);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_works_once_for_as_long_as_it_could_be_used() {
        let replays = Replays::default();
        let digest = |n: usize| Digest::of(&n.to_be_bytes());
        for start in [1_000, 1_000 + PERIOD - 1, 1_000 + PERIOD] {
            let proof = Digest::of(&start.to_be_bytes());
            assert_eq!(replays.first(proof, start), Ok(()));
            for later in 0..=PERIOD {
                assert_eq!(replays.first(proof, start + later), Err(ProofFault::Replayed), "{later}");
            }
        }
        let crowded = Replays::default();
        assert!((0..MOST).all(|n| crowded.first(digest(n), 0).is_ok()));
        assert_eq!(crowded.first(digest(MOST), 0), Err(ProofFault::Crowded), "rather than forget one");
        assert_eq!(crowded.first(digest(MOST), PERIOD), Ok(()));
        assert_eq!(crowded.first(digest(0), PERIOD), Err(ProofFault::Replayed));
    }
}
