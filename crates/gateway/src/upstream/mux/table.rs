//! Requests under way, by the number they have on the wire.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use portcullis_core::{UpstreamError, UpstreamEvent};
use portcullis_wire::{Method, RequestId};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::DropGuard;

use super::Origin;

/// Messages before the response that may wait for one caller.
pub(super) const QUEUE: usize = 1024;
/// The same in bytes. A caller that falls further behind loses its exchange: waiting for it would hold up
/// every other caller of the connection.
const QUEUE_BYTES: usize = 16 << 20;

/// A request under way.
pub(super) struct Entry {
    /// The caller's id.
    pub(super) id: RequestId,
    /// The caller's progress token, as JSON.
    pub(super) token: Option<Bytes>,
    pub(super) method: Method,
    pub(super) events: mpsc::Sender<UpstreamEvent>,
    pub(super) done: oneshot::Sender<Result<Bytes, UpstreamError>>,
    /// Bytes in `events`.
    pub(super) queued: Arc<AtomicUsize>,
    /// Told when the request is over, in whatever way.
    pub(super) _over: DropGuard,
    /// A place among the requests under way, and the lane where requests run one at a time.
    pub(super) _permits: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

impl Entry {
    /// Nothing follows.
    pub(super) fn finish(self, outcome: Result<Bytes, UpstreamError>) {
        let _caller_gone = self.done.send(outcome);
    }

    /// Whether it waits for one answer. A subscription, of which there is nearly always one, is answered last
    /// and with next to nothing.
    pub(super) fn is_brief(&self) -> bool {
        self.method != Method::SubscriptionsListen
    }

    fn push(&self, event: UpstreamEvent, size: usize) -> bool {
        let fits = self.queued.fetch_add(size, Ordering::Relaxed).saturating_add(size) <= QUEUE_BYTES;
        fits && self.events.try_send(event).is_ok()
    }
}

/// Whether a message found its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Delivered,
    /// The caller is too slow; its exchange has been ended with an error.
    Overflowed,
    Nobody,
}

#[derive(Default)]
pub(super) struct Table {
    last_number: u64,
    entries: HashMap<u64, Entry>,
    dead: Option<UpstreamError>,
}

impl Table {
    /// A number that was never used on this connection.
    pub(super) fn next_number(&mut self) -> Result<u64, UpstreamError> {
        match &self.dead {
            Some(error) => Err(UpstreamError::Unreachable(error.to_string())),
            None => {
                self.last_number += 1;
                Ok(self.last_number)
            }
        }
    }

    /// Whether a request with this number was ever sent.
    pub(super) fn was_used(&self, number: u64) -> bool {
        (1..=self.last_number).contains(&number)
    }

    pub(super) fn insert(&mut self, number: u64, entry: Entry) {
        self.entries.insert(number, entry);
    }

    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Entry> {
        self.entries.remove(&number)
    }

    pub(super) fn dead(&self) -> Option<&UpstreamError> {
        self.dead.as_ref()
    }

    /// Refuses new requests and hands out those under way.
    pub(super) fn close(&mut self, error: UpstreamError) -> Vec<Entry> {
        self.dead.get_or_insert(error);
        self.entries.drain().map(|(_, entry)| entry).collect()
    }

    /// The request whose stream this is, if it is under way.
    pub(super) fn owner(&self, origin: Origin) -> Option<u64> {
        match origin {
            Origin::Request(number) => self.entries.contains_key(&number).then_some(number),
            Origin::Shared | Origin::Standing => None,
        }
    }

    /// The only request a message from there can belong to: on a shared stream, the only one under way for
    /// which `fits` holds.
    pub(super) fn only_at(&self, origin: Origin, fits: impl Fn(&Entry) -> bool) -> Option<u64> {
        if origin != Origin::Shared {
            return self.owner(origin);
        }
        let mut fitting = self.entries.iter().filter(|(_, entry)| fits(entry)).map(|(number, _)| *number);
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Hands a message to an exchange.
    pub(super) fn deliver(&mut self, number: u64, event: UpstreamEvent, size: usize) -> Delivery {
        let Some(entry) = self.entries.get(&number) else { return Delivery::Nobody };
        if entry.push(event, size) {
            return Delivery::Delivered;
        }
        if let Some(entry) = self.entries.remove(&number) {
            let reason = "the caller reads more slowly than the server writes";
            entry.finish(Err(UpstreamError::Broken(reason.to_owned())));
        }
        Delivery::Overflowed
    }
}
