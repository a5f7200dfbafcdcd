//! Tokens at hand.

use std::{collections::HashMap, future::Future, mem, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{Clock, Digest, Secret};
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
        clock: &dyn Clock,
        fetch: impl FnOnce() -> F,
    ) -> Result<(Secret, bool), CredentialFault>
    where
        F: Future<Output = Result<Held, CredentialFault>>,
    {
        let place = self.place(key);
        let mut state = place.lock().await;
        // Whoever waited for another's attempt is given what came of it.
        let now_ms = clock.now_ms();
        match &*state {
            State::Held(held) if now_ms < held.until_ms => return Ok((held.token.clone(), true)),
            State::Failed { fault, until_ms } if now_ms < *until_ms => return Err(fault.clone()),
            _ => {}
        }
        // Boxed, as the way to the network is large and seldom taken.
        match Box::pin(fetch()).await {
            Ok(held) => {
                let token = held.token.clone();
                *state = State::Held(held);
                Ok((token, false))
            }
            Err(fault) => {
                let until_ms = clock.now_ms().saturating_add(PAUSE_MS);
                *state = State::Failed { fault: fault.clone(), until_ms };
                Err(fault)
            }
        }
    }

    /// Forgets this token, and none that took its place.
    pub(super) async fn forget(&self, key: Digest, token: &Secret) {
        let place = self.place(key);
        let mut state = place.lock().await;
        if matches!(&*state, State::Held(held) if held.token.expose() == token.expose()) {
            *state = State::Empty;
        }
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

    use portcullis_core::FakeClock;

    use super::*;

    fn key(n: usize) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    #[tokio::test]
    async fn one_fetches_for_all_until_the_time_is_over() {
        let (tokens, fetched, clock) = (HeldTokens::default(), AtomicU32::new(0), FakeClock::at(5));
        let fetch = |until_ms| {
            fetched.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                Ok(Held { token: secret("t"), until_ms })
            }
        };
        let all = (0..10).map(|_| tokens.get(key(0), &clock, || fetch(10)));
        for got in futures_util::future::join_all(all).await {
            assert_eq!(got.unwrap().0.expose(), b"t");
        }
        assert_eq!(fetched.load(Ordering::Relaxed), 1);
        clock.advance_ms(4);
        assert!(tokens.get(key(0), &clock, || fetch(10)).await.unwrap().1, "at hand");
        assert!(!tokens.get(key(1), &clock, || fetch(10)).await.unwrap().1, "another");
        clock.advance_ms(1);
        assert!(!tokens.get(key(0), &clock, || fetch(20)).await.unwrap().1, "over");
        tokens.forget(key(0), &secret("older")).await;
        assert!(tokens.get(key(0), &clock, || fetch(20)).await.unwrap().1, "another was forgotten");
        tokens.forget(key(0), &secret("t")).await;
        assert!(!tokens.get(key(0), &clock, || fetch(20)).await.unwrap().1, "forgotten");
    }

    #[tokio::test]
    async fn a_failure_counts_from_its_end_and_is_everybodys() {
        let (tokens, fetched, clock) = (HeldTokens::default(), AtomicU32::new(0), FakeClock::at(1));
        // Longer than a failure is remembered.
        let hangs = || async {
            fetched.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            clock.advance_ms(10 * PAUSE_MS);
            Err(CredentialFault::NoSubject)
        };
        let all = (0..10).map(|_| tokens.get(key(0), &clock, hangs));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_err));
        assert_eq!(fetched.load(Ordering::Relaxed), 1, "one waited, and the others with it");
        let works = || async { Ok(Held { token: secret("t"), until_ms: u64::MAX }) };
        clock.advance_ms(PAUSE_MS - 1);
        assert!(tokens.get(key(0), &clock, works).await.is_err());
        clock.advance_ms(1);
        assert!(tokens.get(key(0), &clock, works).await.is_ok());
    }

    #[tokio::test]
    async fn there_are_not_too_many() {
        let (tokens, clock) = (HeldTokens::default(), FakeClock::at(1));
        let works = || async { Ok(Held { token: secret("t"), until_ms: u64::MAX }) };
        for n in 0..=2 * GENERATION {
            tokens.get(key(n), &clock, works).await.unwrap();
        }
        assert!(!tokens.get(key(0), &clock, works).await.unwrap().1, "pushed out");
        let generations = tokens.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
