//! Event streams of a legacy session: those that answer a request, and the standing one.
//!
//! 2025-11-25 basic/transports, Resumability: a server may close any stream after an event with an id; the
//! client asks for the rest with `Last-Event-ID`, after the time `retry` names. Resuming is always a GET.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use http::{HeaderValue, StatusCode};
use portcullis_core::UpstreamError;
use portcullis_wire::{header::LAST_EVENT_ID, sse::Event};
use tokio::time::{sleep, timeout};

use super::{POST_PATIENCE, posts::Session};
use crate::upstream::{
    backoff,
    http::{
        body::{self, Answer},
        events::{EventStream, is_message},
    },
    mux::{Mux, Opened, Origin},
};

/// Wait before resuming when the server names no time, and the longest it can ask for.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(60);
/// Attempts to resume a request's stream that bring no event.
const MAX_ATTEMPTS: u32 = 5;

/// How far a stream has been read.
#[derive(Debug, Default)]
struct Place {
    last_event_id: Option<String>,
    retry: Option<Duration>,
    /// Attempts since the last event.
    attempts: u32,
}

impl Place {
    fn pass(&mut self, event: &Event) {
        self.attempts = 0;
        if let Some(id) = &event.id {
            self.last_event_id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        if let Some(retry) = event.retry {
            self.retry = Some(Duration::from_millis(retry).min(MAX_RETRY));
        }
    }

    /// How long to wait before the next attempt.
    fn pause(&self) -> Duration {
        let named = self.retry.unwrap_or(DEFAULT_RETRY);
        if self.attempts <= 1 { named } else { named.max(backoff::delay(self.attempts)) }
    }
}

/// Reads the stream that answers a request, and its continuations, until the request is over.
pub(super) async fn read(
    session: Arc<Session>,
    mux: Weak<Mux>,
    opened: Opened,
    mut stream: Box<EventStream>,
) {
    let origin = Origin::Request(opened.number);
    let mut place = Place::default();
    let error = loop {
        tokio::select! {
            () = opened.over.cancelled() => return stream.drain(),
            ended = pump(&mut stream, &mux, origin, &mut place) => if let Err(error) = ended { break error },
        }
        match opened.over.run_until_cancelled(resume(&session, &mut place)).await {
            Some(Ok(continued)) => stream = continued,
            Some(Err(error)) => break error,
            None => return,
        }
    };
    if let Some(mux) = mux.upgrade() {
        mux.fail_request(opened.number, error);
    }
}

/// Hands messages on until the stream ends. An error that resuming cannot mend is returned.
async fn pump(
    stream: &mut EventStream,
    mux: &Weak<Mux>,
    origin: Origin,
    place: &mut Place,
) -> Result<(), UpstreamError> {
    loop {
        let event = match stream.next().await {
            Ok(Some(event)) => event,
            Ok(None) | Err(UpstreamError::Broken(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        place.pass(&event);
        let Some(mux) = mux.upgrade() else {
            return Err(UpstreamError::Broken("the link was closed".into()));
        };
        if is_message(&event) {
            mux.receive(event.data, origin);
        }
    }
}

/// The rest of a request's stream.
async fn resume(session: &Session, place: &mut Place) -> Result<Box<EventStream>, UpstreamError> {
    if place.last_event_id.is_none() {
        return Err(UpstreamError::Broken("the stream ended without a response".into()));
    }
    loop {
        place.attempts += 1;
        if place.attempts > MAX_ATTEMPTS {
            return Err(UpstreamError::Broken(
                "the stream ended without a response and could not be resumed".into(),
            ));
        }
        sleep(place.pause()).await;
        match open(session, place.last_event_id.as_deref()).await {
            Ok(stream) => return Ok(stream),
            Err(Refused::Later) => {}
            Err(Refused::Gone) => return Err(UpstreamError::Broken("the server ended the session".into())),
            Err(Refused::Never(reason)) => {
                return Err(UpstreamError::Broken(format!("the stream could not be resumed: {reason}")));
            }
        }
    }
}

/// Why a stream was not opened.
enum Refused {
    /// A passing fault.
    Later,
    /// The session has ended.
    Gone,
    /// The server has no such stream.
    Never(String),
}

async fn open(session: &Session, last_event_id: Option<&str>) -> Result<Box<EventStream>, Refused> {
    let mut request = session.sign(session.client.get());
    if let Some(id) = last_event_id {
        let id =
            HeaderValue::from_str(id).map_err(|_| Refused::Never("the event id fits no header".into()))?;
        request.headers_mut().insert(LAST_EVENT_ID, id);
    }
    let opening = async {
        let response = session.client.send(request).await?;
        body::read(response, session.client.max_message_bytes()).await
    };
    match timeout(POST_PATIENCE, opening).await {
        Ok(Ok(Answer::Events(stream))) => Ok(stream),
        Ok(Ok(Answer::Refused(StatusCode::NOT_FOUND, _))) if session.has_id() => Err(Refused::Gone),
        Ok(Ok(Answer::Refused(status, _)))
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS =>
        {
            Err(Refused::Later)
        }
        Ok(Ok(Answer::Refused(status, _))) => Err(Refused::Never(format!("HTTP {status}"))),
        Ok(Ok(_)) => Err(Refused::Never("no event stream".into())),
        Ok(Err(_)) | Err(_) => Err(Refused::Later),
    }
}

/// Keeps the standing stream open, if the server has one, for as long as the link lasts.
pub(super) async fn stand(session: Arc<Session>, mux: Weak<Mux>) {
    let mut place = Place::default();
    loop {
        match open(&session, place.last_event_id.as_deref()).await {
            Ok(mut stream) => {
                if let Err(error) = pump(&mut stream, &mux, Origin::Standing, &mut place).await
                    && let Some(mux) = mux.upgrade()
                {
                    mux.garbage(error.to_string());
                }
            }
            Err(Refused::Later) => {}
            // A server without a standing stream says 405.
            Err(Refused::Never(_)) => return,
            Err(Refused::Gone) => {
                if let Some(mux) = mux.upgrade() {
                    mux.fail(UpstreamError::Broken("the server ended the session".into()));
                }
                return;
            }
        }
        place.attempts = place.attempts.saturating_add(1);
        sleep(place.pause()).await;
    }
}
