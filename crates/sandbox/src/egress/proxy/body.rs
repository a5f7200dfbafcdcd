//! A body that is counted as it passes.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{
    super::{Denial, End, gate::Account, meter::Meter},
    answer::BodyError,
};

#[derive(Clone, Copy)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Where the reason goes when a request's body is cut off, for whoever waits for the answer.
pub(super) type Reason = Arc<Mutex<Option<Denial>>>;

/// The task that drives the connection to the other side.
pub(super) type Driver = AbortOnDropHandle<hyper::Result<()>>;

/// A body without trailers, counted and with an end to waiting.
pub(super) struct Counted {
    inner: Incoming,
    direction: Direction,
    meter: Arc<Meter>,
    idle: Duration,
    patience: Pin<Box<Sleep>>,
    /// What the end of this body is the end of. Dropped with it, which records the end.
    ending: Option<(Account, Driver)>,
    reason: Option<Reason>,
}

impl Counted {
    pub(super) fn new(inner: Incoming, direction: Direction, meter: Arc<Meter>, idle: Duration) -> Self {
        Self { inner, direction, meter, idle, patience: Box::pin(sleep(idle)), ending: None, reason: None }
    }

    pub(super) fn ending(mut self, account: Account, driver: Driver) -> Self {
        self.ending = Some((account, driver));
        self
    }

    pub(super) fn telling(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    fn cut(&mut self, denial: Denial) -> BodyError {
        let error = denial.to_string().into();
        if let Some((account, _driver)) = self.ending.take() {
            account.close(&End::Cut(denial));
        } else if let Some(reason) = self.reason.take() {
            *reason.lock() = Some(denial);
        }
        error
    }

    fn count(&mut self, bytes: &Bytes) -> Result<(), Denial> {
        self.patience.as_mut().reset(Instant::now() + self.idle);
        match self.direction {
            Direction::Up => self.meter.send(bytes.len()),
            Direction::Down => self.meter.receive(bytes.len()),
        }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let Poll::Ready(next) = Pin::new(&mut this.inner).poll_frame(cx) else {
                ready!(this.patience.as_mut().poll(cx));
                return Poll::Ready(Some(Err(this.cut(Denial::Slow("the next part of a body")))));
            };
            return Poll::Ready(match next.transpose()? {
                None => None,
                Some(frame) => match frame.into_data() {
                    Ok(bytes) => Some(match this.count(&bytes) {
                        Ok(()) => Ok(Frame::data(bytes)),
                        Err(denial) => Err(this.cut(denial)),
                    }),
                    // Trailers are fields that nobody has looked at.
                    Err(_trailers) => continue,
                },
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
