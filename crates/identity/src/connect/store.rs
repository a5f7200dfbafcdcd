//! What is kept between two starts of the gateway.

use std::{any::Any, fmt, sync::Arc};

use portcullis_core::{BoxFuture, Digest, Secret};

/// Why something could not be kept, in the operator's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreFault(String);

impl StoreFault {
    /// A failure that names the place.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Keeps connections and registrations. Everything in it is secret; a reader sees the whole of what was saved last.
pub trait ConnectionStore: Send + Sync + fmt::Debug {
    /// What is kept under this key.
    ///
    /// # Errors
    /// [`StoreFault`] when it is there and cannot be read, or others could read it too.
    fn load(&self, key: &Digest) -> Result<Option<Secret>, StoreFault>;

    /// Replaces what is kept under this key.
    ///
    /// # Errors
    /// [`StoreFault`] when it could not be written, or could not be loaded again; what was there before is there still.
    fn save(&self, key: &Digest, content: &Secret) -> Result<(), StoreFault>;

    /// Forgets what is kept under this key; says whether there was something.
    ///
    /// # Errors
    /// [`StoreFault`] when it is still there.
    fn remove(&self, key: &Digest) -> Result<bool, StoreFault>;

    /// Keeps everybody else, in other processes too, from changing what is under this key while the guard lives: of two
    /// that refresh with the same token the second would look like a thief (RFC 9700 section 4.14.2).
    ///
    /// # Errors
    /// [`StoreFault`] when it cannot be had in time.
    fn lock<'s>(&'s self, key: &'s Digest) -> BoxFuture<'s, Result<Box<dyn Any + Send>, StoreFault>>;
}

/// Has the store do something where it may wait for a disk.
pub(super) async fn aside<T: Send + 'static>(
    store: &Arc<dyn ConnectionStore>,
    work: impl FnOnce(&dyn ConnectionStore) -> Result<T, StoreFault> + Send + 'static,
) -> Result<T, StoreFault> {
    let store = Arc::clone(store);
    let done = tokio::task::spawn_blocking(move || work(&*store)).await;
    done.unwrap_or_else(|_| Err(StoreFault::new("the gateway ends")))
}
