//! The caller's side of one request.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use portcullis_core::{BoxFuture, Exchange, Replier, UpstreamError, UpstreamEvent};
use tokio::sync::{mpsc, oneshot};

use super::{Mux, table::Entry};
use crate::upstream::patience::Patience;

pub(super) struct MuxExchange {
    mux: Arc<Mux>,
    number: u64,
    inbox: mpsc::Receiver<UpstreamEvent>,
    last: oneshot::Receiver<Result<Bytes, UpstreamError>>,
    queued: Arc<AtomicUsize>,
    patience: Patience,
    finished: bool,
}

impl MuxExchange {
    pub(super) fn new(
        mux: Arc<Mux>,
        number: u64,
        patience: Patience,
        entry: &Entry,
        inbox: mpsc::Receiver<UpstreamEvent>,
        last: oneshot::Receiver<Result<Bytes, UpstreamError>>,
    ) -> Self {
        Self { mux, number, inbox, last, queued: entry.queued.clone(), patience, finished: false }
    }

    /// Ends the exchange without a word to the server, which has not seen the request.
    pub(super) fn forget(mut self) {
        self.finished = true;
        self.mux.table.lock().take(self.number);
    }

    async fn receive(&mut self) -> Result<UpstreamEvent, UpstreamError> {
        if let Some(event) = self.inbox.recv().await {
            let (UpstreamEvent::Notification(bytes)
            | UpstreamEvent::ServerRequest(bytes)
            | UpstreamEvent::Response(bytes)) = &event;
            self.queued.fetch_sub(bytes.len(), Ordering::Relaxed);
            return Ok(event);
        }
        // The entry is gone from the table, so its last word has been spoken.
        let last = (&mut self.last).await;
        self.finished = true;
        last.unwrap_or_else(|_| Err(UpstreamError::Broken("the exchange has ended".to_owned())))
            .map(UpstreamEvent::Response)
    }

    async fn next(&mut self) -> Result<UpstreamEvent, UpstreamError> {
        if self.finished {
            return Err(UpstreamError::Broken("the exchange has ended".to_owned()));
        }
        let (patience, heard) = (self.patience, self.mux.pulse.count());
        match patience.wait(self.receive()).await {
            Ok(received) => received,
            Err(timeout) => {
                self.finished = true;
                self.mux.abandon(self.number);
                if patience.was_idle(&timeout) {
                    self.mux.doubt(heard);
                }
                Err(timeout)
            }
        }
    }
}

impl Exchange for MuxExchange {
    fn next(&mut self) -> BoxFuture<'_, Result<UpstreamEvent, UpstreamError>> {
        Box::pin(self.next())
    }

    fn replier(&self) -> Arc<dyn Replier> {
        self.mux.replier()
    }
}

impl Drop for MuxExchange {
    fn drop(&mut self) {
        if !self.finished {
            self.mux.abandon(self.number);
        }
    }
}
