//! Tokens at hand.

use std::{collections::HashMap, future::Future, mem, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{Digest, Secret};
use tokio::sync::Mutex as Turn;

use super::CredentialFault;

/// Tokens of one generation.
const GENERATION: usize = 1_024;
/// How long a failure is the answer to everybody who asks for the same, in milliseconds.
const PAUSE_MS: u64 = 2_000;

/// A token and how long it may be shown.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: Secret,
    /// Milliseconds since 1970.
    pub(super) until_ms: u64,
}

/// A bounded memory of tokens, by what they depend on. Who asks first fetches while the others wait.
#[derive(Default)]
pub(super) struct HeldTokens(Mutex<Generations>);

/// When the younger is full it becomes the older, and the older is dropped.
#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Place>,
    old: HashMap<Digest, Place>,
}

type Place = Arc<Turn<State>>;

#[derive(Default)]
enum State {
    #[default]
    Empty,
    Held(Held),
    Failed {
        fault: CredentialFault,
        until_ms: u64,
    },
}

impl HeldTokens {
    /// The token at hand, or a new one; with it, whether it was at hand.
    pub(super) async fn get<F>(
        &self,
        key: Digest,
        now_ms: u64,
        fetch: impl FnOnce() -> F,
    ) -> Result<(Secret, bool), CredentialFault>
    where
        F: Future<Output = Result<Held, CredentialFault>>,
    {
        let place = self.place(key);
        let mut state = place.lock().await;
        match &*state {
            State::Held(held) if now_ms < held.until_ms => return Ok((held.token.clone(), true)),
            State::Failed { fault, until_ms } if now_ms < *until_ms => return Err(fault.clone()),
            _ => {}
        }
        match fetch().await {
            Ok(held) => {
                let token = held.token.clone();
                *state = State::Held(held);
                Ok((token, false))
            }
            Err(fault) => {
                *state = State::Failed { fault: fault.clone(), until_ms: now_ms.saturating_add(PAUSE_MS) };
                Err(fault)
            }
        }
    }

    /// Forgets a token.
    pub(super) async fn forget(&self, key: Digest) {
        *self.place(key).lock().await = State::Empty;
    }

    fn place(&self, key: Digest) -> Place {
        let mut generations = self.0.lock();
        if let Some(place) = generations.young.get(&key) {
            return Arc::clone(place);
        }
        let place = generations.old.remove(&key).unwrap_or_default();
        if generations.young.len() >= GENERATION {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(key, Arc::clone(&place));
        place
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn key(n: usize) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[tokio::test]
    async fn one_fetches_for_all_until_the_time_is_over() {
        let (tokens, fetched) = (HeldTokens::default(), AtomicU32::new(0));
        let fetch = |until_ms| {
            fetched.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                Ok(Held { token: Secret::new(b"t".to_vec()), until_ms })
            }
        };
        let all = (0..10).map(|_| tokens.get(key(0), 5, || fetch(10)));
        for got in futures_util::future::join_all(all).await {
            assert_eq!(got.unwrap().0.expose(), b"t");
        }
        assert_eq!(fetched.load(Ordering::Relaxed), 1);
        assert!(tokens.get(key(0), 9, || fetch(10)).await.unwrap().1, "at hand");
        assert!(!tokens.get(key(1), 9, || fetch(10)).await.unwrap().1, "another");
        assert!(!tokens.get(key(0), 10, || fetch(20)).await.unwrap().1, "over");
        tokens.forget(key(0)).await;
        assert!(!tokens.get(key(0), 10, || fetch(20)).await.unwrap().1, "forgotten");
    }

    #[tokio::test]
    async fn a_failure_is_not_repeated_at_once_and_there_are_not_too_many() {
        let tokens = HeldTokens::default();
        let fails = || async { Err(CredentialFault::NoSubject) };
        let works = || async { Ok(Held { token: Secret::new(b"t".to_vec()), until_ms: u64::MAX }) };
        assert!(tokens.get(key(0), 1, fails).await.is_err());
        assert!(tokens.get(key(0), PAUSE_MS, works).await.is_err());
        assert!(tokens.get(key(0), PAUSE_MS + 1, works).await.is_ok());
        for n in 1..=2 * GENERATION + 1 {
            tokens.get(key(n), 1, works).await.unwrap();
        }
        assert!(!tokens.get(key(0), 1, works).await.unwrap().1, "pushed out");
        let generations = tokens.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
