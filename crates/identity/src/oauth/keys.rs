//! The keys of an issuer over time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::discovery;
use crate::{Fetch, KeySet, TokenFault};

/// Shortest time between two attempts to fetch keys, whatever is asked, in milliseconds: what anybody can send
/// must not decide how often an issuer is asked.
const PAUSE_MS: u64 = 30_000;
/// The same after a failure.
const RETRY_MS: u64 = 5_000;

/// Keys, and which ones they are among all that the issuer had.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) set: KeySet,
    /// Changes when a key was taken back or exchanged.
    pub(super) epoch: u64,
    seen_ms: u64,
}

/// Where an issuer's keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// They stay as they are.
    Fixed(KeySet),
    /// The issuer publishes them.
    Discovered {
        /// How they are fetched.
        fetch: Arc<dyn Fetch>,
        /// How long they are used before they are looked at again, in milliseconds.
        fresh_ms: u64,
        /// How much longer they are used when the issuer cannot be reached, in milliseconds.
        grace_ms: u64,
    },
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(set) => f.debug_tuple("Fixed").field(set).finish(),
            Self::Discovered { .. } => f.write_str("Discovered"),
        }
    }
}

/// The keys in force.
#[derive(Debug)]
pub(super) struct KeyRing {
    source: KeySource,
    issuer: Arc<str>,
    current: ArcSwapOption<Keys>,
    /// Held while fetching, so that one request fetches for all.
    fetching: Mutex<()>,
    /// When the next attempt may be made.
    not_before_ms: AtomicU64,
}

impl KeyRing {
    pub(super) fn new(source: KeySource, issuer: Arc<str>) -> Self {
        let fixed = match &source {
            KeySource::Fixed(set) => Some(Arc::new(Keys { set: set.clone(), epoch: 0, seen_ms: 0 })),
            KeySource::Discovered { .. } => None,
        };
        let (current, fetching) = (ArcSwapOption::from(fixed), Mutex::default());
        Self { source, issuer, current, fetching, not_before_ms: AtomicU64::new(0) }
    }

    /// Keys no older than they may be.
    pub(super) async fn current(&self, now_ms: u64) -> Result<Arc<Keys>, TokenFault> {
        let KeySource::Discovered { fresh_ms, grace_ms, .. } = &self.source else { return self.kept() };
        let known = self.current.load_full();
        let age = known.as_ref().map(|keys| now_ms.saturating_sub(keys.seen_ms));
        match (known, age) {
            (Some(keys), Some(age)) if age <= *fresh_ms => Ok(keys),
            (Some(keys), Some(age)) if age <= fresh_ms.saturating_add(*grace_ms) => {
                // Somebody else is fetching, or it fails: there is time.
                if let Ok(_turn) = self.fetching.try_lock() {
                    return Ok(self.fetch(now_ms).await.unwrap_or(keys));
                }
                Ok(keys)
            }
            _ => {
                let _turn = self.fetching.lock().await;
                match self.current.load_full().filter(|keys| now_ms.saturating_sub(keys.seen_ms) <= *fresh_ms)
                {
                    Some(keys) => Ok(keys),
                    None => self.fetch(now_ms).await,
                }
            }
        }
    }

    /// Keys newer than those of `epoch`, if the issuer has some: a token named a key that is not among them.
    pub(super) async fn newer(&self, epoch: u64, now_ms: u64) -> Option<Arc<Keys>> {
        if matches!(self.source, KeySource::Fixed(_)) {
            return None;
        }
        let _turn = self.fetching.lock().await;
        let known = self.current.load_full();
        match known.filter(|keys| keys.epoch != epoch) {
            Some(newer) => Some(newer),
            None => self.fetch(now_ms).await.ok().filter(|keys| keys.epoch != epoch),
        }
    }

    fn kept(&self) -> Result<Arc<Keys>, TokenFault> {
        self.current.load_full().ok_or_else(|| TokenFault::NoKeys("it has none".to_owned()))
    }

    async fn fetch(&self, now_ms: u64) -> Result<Arc<Keys>, TokenFault> {
        let KeySource::Discovered { fetch, .. } = &self.source else { return self.kept() };
        if now_ms < self.not_before_ms.load(Ordering::Relaxed) {
            return Err(TokenFault::NoKeys("it was asked a moment ago".to_owned()));
        }
        let fetched = discovery::keys(&**fetch, &self.issuer).await;
        let pause = if fetched.is_ok() { PAUSE_MS } else { RETRY_MS };
        self.not_before_ms.store(now_ms.saturating_add(pause), Ordering::Relaxed);
        let set = fetched.map_err(|fault| TokenFault::NoKeys(fault.to_string()))?;
        let epoch = match &*self.current.load() {
            Some(known) if known.set.digest() == set.digest() => known.epoch,
            Some(known) => known.epoch + 1,
            None => 0,
        };
        let keys = Arc::new(Keys { set, epoch, seen_ms: now_ms });
        self.current.store(Some(Arc::clone(&keys)));
        Ok(keys)
    }
}
