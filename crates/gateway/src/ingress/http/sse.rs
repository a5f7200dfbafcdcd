//! Bodies of responses: one message, or a stream of events.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use portcullis_core::wire::{Version, sse};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{
    event_log::{EventLog, Next},
    gateway::Gateway,
    outflow::{Delivery, Outflow, Reply},
    session::{STANDALONE, Session},
};

/// Events that may wait for a slow client before its server is held up.
const BACKLOG: usize = 8;

/// A response body.
pub struct Body(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Events { events: mpsc::Receiver<Bytes>, _permit: OwnedSemaphorePermit },
}

impl Body {
    pub(super) fn empty() -> Self {
        Self(Inner::Whole(None))
    }

    pub(super) fn full(bytes: Bytes) -> Self {
        Self(Inner::Whole(Some(bytes)))
    }

    fn events(events: mpsc::Receiver<Bytes>, permit: OwnedSemaphorePermit) -> Self {
        Self(Inner::Events { events, _permit: permit })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Inner::Events { events, .. } => {
                events.poll_recv(cx).map(|event| event.map(|e| Ok(Frame::data(e))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or(u64::MAX)))
            }
            Inner::Events { .. } => SizeHint::default(),
        }
    }
}

/// A stateless client's stream. The client closing it drops the flow, which cancels the call.
pub(super) fn passing(mut flow: Box<dyn Outflow>, permit: OwnedSemaphorePermit, every: Duration) -> Body {
    let (tx, rx) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        let write = async {
            while let Some(delivery) = alive(&tx, every, flow.next()).await {
                let (body, last) = match delivery {
                    Delivery::Event(body) => (body, false),
                    Delivery::Final(answered) => (answered.body, true),
                };
                tx.send(message(body, None)).await.ok()?;
                if last {
                    break;
                }
            }
            Some(())
        };
        tokio::select! {
            biased;
            _ = write => {}
            () = tx.closed() => {}
        }
    });
    Body::events(rx, permit)
}

/// A session's stream for one request. The call goes on when the client is gone, and what it missed can be
/// asked for with `Last-Event-ID`.
pub(super) fn lasting(
    session: &Arc<Session>,
    mut flow: Box<dyn Outflow>,
    permit: OwnedSemaphorePermit,
    every: Duration,
) -> Body {
    let (number, log) = session.open_stream();
    let writer = log.clone();
    tokio::spawn(async move {
        while let Some(delivery) = flow.next().await {
            match delivery {
                Delivery::Event(body) => writer.push(body),
                Delivery::Final(answered) => writer.push(answered.body),
            }
        }
        writer.finish();
    });
    replay(session, number, log, 0, permit, every)
}

/// A session's stream from a position on.
pub(super) fn replay(
    session: &Arc<Session>,
    number: u64,
    log: Arc<EventLog>,
    mut cursor: u64,
    permit: OwnedSemaphorePermit,
    every: Duration,
) -> Body {
    let (tx, rx) = mpsc::channel(BACKLOG);
    let reader = session.clone();
    let taken_over = session.take_over(number);
    let priming = session.terms().is_some_and(|t| t.version >= Version::V2025_11_25) && cursor == 0;
    tokio::spawn(async move {
        let write = async {
            if priming {
                tx.send(sse::encode(&sse::Event { id: Some(id(number, 0)), ..sse::Event::default() }))
                    .await
                    .ok()?;
            }
            while let Next::Event(at, body) = alive(&tx, every, log.after(cursor)).await {
                tx.send(message(body, Some(id(number, at)))).await.ok()?;
                cursor = at;
                if number == STANDALONE {
                    reader.advance_standalone(at);
                }
            }
            Some(())
        };
        tokio::select! {
            biased;
            () = taken_over.cancelled() => {}
            _ = write => {}
            () = tx.closed() => {}
        }
    });
    Body::events(rx, permit)
}

/// An HTTP+SSE connection: everything the server says, on one stream that is the session.
pub(super) fn legacy(
    gateway: &Arc<Gateway>,
    session: Arc<Session>,
    post: &str,
    permit: OwnedSemaphorePermit,
    every: Duration,
) -> Body {
    let (tx, rx) = mpsc::channel(BACKLOG);
    let gateway = gateway.clone();
    let endpoint = sse::Event {
        event: Some("endpoint".to_owned()),
        data: Bytes::from(post.to_owned()),
        ..sse::Event::default()
    };
    tokio::spawn(async move {
        let write = async {
            tx.send(sse::encode(&endpoint)).await.ok()?;
            let log = session.stream(STANDALONE)?;
            let mut cursor = 0;
            while let Next::Event(at, body) = alive(&tx, every, log.after(cursor)).await {
                tx.send(message(body, None)).await.ok()?;
                cursor = at;
            }
            Some(())
        };
        tokio::select! {
            biased;
            _ = write => {}
            () = tx.closed() => {}
        }
        gateway.close_session(&session.id);
    });
    Body::events(rx, permit)
}

/// Writes a reply to the stream of an HTTP+SSE connection.
pub(super) async fn deliver(session: &Arc<Session>, reply: impl Future<Output = Reply>) {
    match reply.await {
        Reply::Accepted => {}
        Reply::Message(answered) | Reply::Challenged(answered, _) | Reply::Opened(answered, _) => {
            session.push(answered.body)
        }
        Reply::Stream(mut flow) => {
            while let Some(delivery) = flow.next().await {
                match delivery {
                    Delivery::Event(body) => session.push(body),
                    Delivery::Final(answered) => session.push(answered.body),
                }
            }
        }
    }
}

/// Waits for `next`, sending a comment whenever nothing came for a while.
async fn alive<T>(tx: &mpsc::Sender<Bytes>, every: Duration, next: impl Future<Output = T>) -> T {
    tokio::pin!(next);
    loop {
        tokio::select! {
            biased;
            value = &mut next => return value,
            () = tokio::time::sleep(every) => {
                // A full backlog is a client that is busy reading, which needs no reminder.
                let _ = tx.try_send(sse::comment());
            }
        }
    }
}

fn message(body: Bytes, id: Option<String>) -> Bytes {
    sse::encode(&sse::Event { id, event: Some("message".to_owned()), data: body, retry: None })
}

/// Event ids are unique in the session and name their stream.
fn id(stream: u64, at: u64) -> String {
    format!("{stream}-{at}")
}

/// Stream and cursor of an event id.
pub(super) fn position(id: &str) -> Option<(u64, u64)> {
    let (stream, at) = id.split_once('-')?;
    Some((stream.parse().ok()?, at.parse().ok()?))
}
