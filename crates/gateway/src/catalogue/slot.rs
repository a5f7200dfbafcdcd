//! One list of one server: read without waiting, refreshed by one caller at a time.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::List;

/// Holds a list and knows whether it may still be shown.
#[derive(Debug, Default)]
pub struct Slot {
    current: ArcSwapOption<List>,
    /// Counts invalidations, so that a refresh that was overtaken by one does not count as fresh.
    epoch: AtomicU64,
    held_epoch: AtomicU64,
    refresh: tokio::sync::Mutex<()>,
    /// Held by the one task that fetches while nobody waits.
    meanwhile: Arc<tokio::sync::Mutex<()>>,
}

impl Slot {
    /// The list as last fetched, fresh or not.
    pub fn held(&self) -> Option<Arc<List>> {
        self.current.load_full()
    }

    /// The list if it may still be shown.
    pub fn fresh(&self, now_ms: u64) -> Option<Arc<List>> {
        self.unchanged().filter(|list| now_ms < list.fresh_until_ms)
    }

    /// The list as last fetched, unless its server has said since that it changed. It may have expired.
    pub fn unchanged(&self) -> Option<Arc<List>> {
        let current = self.held_epoch.load(Ordering::Acquire) == self.epoch.load(Ordering::Acquire);
        self.held().filter(|_| current)
    }

    /// Leave to fetch while nobody waits; none when somebody does already.
    pub fn turn(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        self.meanwhile.clone().try_lock_owned().ok()
    }

    /// The list may have changed.
    pub fn invalidate(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// The fresh list, fetching it if need be. Callers that arrive during a fetch share its result.
    ///
    /// # Errors
    /// Whatever `fetch` answers.
    pub async fn refresh<E, F>(&self, now_ms: u64, fetch: impl FnOnce() -> F) -> Result<Arc<List>, E>
    where
        F: Future<Output = Result<List, E>>,
    {
        let before = self.epoch.load(Ordering::Acquire);
        let held = self.held();
        let _one_at_a_time = self.refresh.lock().await;
        let fetched_meanwhile = match (self.held(), held) {
            (Some(now), Some(then)) => !Arc::ptr_eq(&now, &then),
            (now, then) => now.is_some() && then.is_none(),
        };
        if let Some(list) = self.held()
            && self.held_epoch.load(Ordering::Acquire) >= before
            && (fetched_meanwhile || now_ms < list.fresh_until_ms)
            && self.held_epoch.load(Ordering::Acquire) == self.epoch.load(Ordering::Acquire)
        {
            return Ok(list);
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        let list = Arc::new(fetch().await?);
        self.current.store(Some(list.clone()));
        self.held_epoch.store(epoch, Ordering::Release);
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::atomic::AtomicUsize};

    use super::*;

    async fn refresh(slot: &Slot, fetches: &AtomicUsize, now_ms: u64) {
        let fetch = || async {
            fetches.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(List::new(Vec::new(), Vec::new(), 100, 0, true))
        };
        let _ = slot.refresh(now_ms, fetch).await;
    }

    #[tokio::test]
    async fn a_list_is_fetched_once_until_it_expires_or_changes() {
        let (slot, fetches) = (Slot::default(), AtomicUsize::new(0));
        refresh(&slot, &fetches, 0).await;
        refresh(&slot, &fetches, 99).await;
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
        assert!(slot.fresh(99).is_some());
        assert!(slot.fresh(100).is_none());
        slot.invalidate();
        assert!(slot.fresh(0).is_none());
        refresh(&slot, &fetches, 0).await;
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_fetch() {
        let (slot, fetches) = (Slot::default(), AtomicUsize::new(0));
        tokio::join!(refresh(&slot, &fetches, 0), refresh(&slot, &fetches, 0), refresh(&slot, &fetches, 0));
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }
}
