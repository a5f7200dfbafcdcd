//! A server's standard input, shared by all callers.

use bytes::Bytes;
use portcullis_core::{BoxFuture, UpstreamError};
use portcullis_wire::stdio::push_line;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use std::sync::{Arc, Weak};

use super::link::STATUS_PATIENCE;
use crate::upstream::mux::{Mux, Outlet, Parcel};

/// Bytes that may wait for a server that does not read. A larger message waits until it is alone.
const QUEUE_BYTES: u32 = 8 << 20;

/// Written with one system call when more than one message waits.
const GATHER_BYTES: usize = 64 << 10;

/// Messages on their way to a server.
pub(super) struct Inlet {
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
}

struct Queued {
    message: Bytes,
    /// Given back once the message is written. Messages without are few: one cancellation per request.
    _room: Option<OwnedSemaphorePermit>,
}

impl Inlet {
    /// Writes to `stdin` until `ended`; then closes it. A server that closes its input can be asked nothing
    /// any more, so that ends the connection too.
    pub(super) fn new(
        stdin: Box<dyn AsyncWrite + Send + Unpin>,
        mux: Weak<Mux>,
        ended: CancellationToken,
    ) -> Self {
        let (queue, messages) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let closed = ended.run_until_cancelled(write(messages, stdin)).await.is_some();
            // A server that has ended altogether is noticed where its output is read, which can say how.
            if closed
                && timeout(STATUS_PATIENCE, ended.cancelled()).await.is_err()
                && let Some(mux) = mux.upgrade()
            {
                mux.fail(UpstreamError::Broken("the server closed its input".to_owned()));
            }
        });
        Self { queue, room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)) }
    }

    fn room_for(message: &Bytes) -> u32 {
        u32::try_from(message.len()).unwrap_or(u32::MAX).clamp(1, QUEUE_BYTES)
    }

    async fn send(&self, message: Bytes, deadline: Instant) -> Result<(), UpstreamError> {
        let room = self.room.clone().acquire_many_owned(Self::room_for(&message));
        let room = timeout_at(deadline, room).await.ok().and_then(Result::ok).ok_or(UpstreamError::Busy)?;
        let queued = self.queue.send(Queued { message, _room: Some(room) });
        queued.map_err(|_| UpstreamError::Unreachable("the server's input is closed".into()))
    }
}

impl Outlet for Inlet {
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(self.send(parcel.message, parcel.deadline))
    }

    fn post(&self, message: Bytes, essential: bool) {
        let room = self.room.clone().try_acquire_many_owned(Self::room_for(&message)).ok();
        if essential || room.is_some() {
            let _server_gone = self.queue.send(Queued { message, _room: room });
        }
    }
}

async fn write(mut messages: mpsc::UnboundedReceiver<Queued>, mut stdin: Box<dyn AsyncWrite + Send + Unpin>) {
    let mut line = Vec::new();
    while let Some(first) = messages.recv().await {
        push_line(&mut line, &first.message);
        let mut written = vec![first];
        while line.len() < GATHER_BYTES
            && let Ok(next) = messages.try_recv()
        {
            push_line(&mut line, &next.message);
            written.push(next);
        }
        // A server that is gone is noticed where its output is read.
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
        line.clear();
        line.shrink_to(GATHER_BYTES);
    }
}
