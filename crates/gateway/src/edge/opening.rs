//! The first bytes of a connection.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Length of the HTTP/2 connection preface (RFC 9113 section 3.4). No request head that is served is shorter.
const PREFACE: usize = 24;

/// A stream whose first bytes have to arrive in time. hyper waits for the HTTP/2 preface without any limit; its
/// own limits begin only then.
///
/// A peer that sent nothing is let go as if it had closed; one that stopped half-way gets
/// [`io::ErrorKind::TimedOut`].
pub(super) struct Opening<S> {
    stream: S,
    received: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Opening<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, received: 0, deadline: Box::pin(sleep(patience)) }
    }
}

/// Whether this is the error of a peer that stopped half-way.
pub(super) fn is_late(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.received >= PREFACE {
            return polled;
        }
        self.received += buffer.filled().len().saturating_sub(before);
        match (polled, self.received) {
            (Poll::Ready(read), _) => Poll::Ready(read),
            (Poll::Pending, _) if self.deadline.as_mut().poll(cx).is_pending() => Poll::Pending,
            (Poll::Pending, 0) => Poll::Ready(Ok(())),
            (Poll::Pending, _) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// What is read of a peer that sends `bytes` and then nothing, and the error that ends it.
    async fn check(bytes: &[u8], read: usize, end: Option<io::ErrorKind>) {
        let (mut peer, ours) = duplex(64);
        assert!(peer.write_all(bytes).await.is_ok());
        let mut opening = Opening::new(ours, Duration::from_millis(20));
        let mut got = Vec::new();
        let ended = opening.read_to_end(&mut got).await;
        assert_eq!((got.len(), ended.err().map(|e| e.kind())), (read, end), "{bytes:?}");
    }

    #[tokio::test]
    async fn the_first_bytes_arrive_in_time_or_not_at_all() {
        check(b"", 0, None).await;
        check(b"PRI * HTTP/2.0\r\n", 16, Some(io::ErrorKind::TimedOut)).await;
    }

    #[tokio::test]
    async fn what_comes_later_may_take_its_time() {
        let (mut peer, ours) = duplex(64);
        let mut opening = Opening::new(ours, Duration::from_millis(20));
        assert!(peer.write_all(&[b'x'; PREFACE]).await.is_ok());
        let mut got = [0; PREFACE];
        assert!(opening.read_exact(&mut got).await.is_ok());
        let rest = tokio::time::timeout(Duration::from_millis(60), opening.read_u8());
        assert!(rest.await.is_err(), "the stream ended");
    }
}
