//! The response body: ready chunks, and after them the end or an open stream.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Chunks rather than one buffer, so that large fillers are never copied.
#[derive(Default)]
pub(crate) struct Chunks {
    ready: VecDeque<Bytes>,
    stays_open: bool,
}

impl Chunks {
    pub(crate) fn whole(ready: VecDeque<Bytes>) -> Chunks {
        Chunks { ready, stays_open: false }
    }

    /// Sends `first` and then nothing, until the client leaves.
    pub(crate) fn open_stream(first: Bytes) -> Chunks {
        Chunks { ready: VecDeque::from([first]), stays_open: true }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.ready.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            // Nothing ever wakes this: the connection's own end does.
            None if self.stays_open => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && !self.stays_open
    }

    fn size_hint(&self) -> SizeHint {
        if self.stays_open {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.ready.iter().map(|chunk| chunk.len() as u64).sum())
    }
}
