//! A stream of server-sent events.

use std::time::Duration;

use hyper::body::Incoming;
use portcullis_core::UpstreamError;
use portcullis_wire::sse::{Event, SseFault, SseParser};
use tokio::time::timeout;

use super::body;

/// How long after its last message a stream may take to end, so that its connection can be used again.
const DRAIN: Duration = Duration::from_millis(250);

/// The body of an event stream.
#[derive(Debug)]
pub(crate) struct EventStream {
    body: Incoming,
    parser: SseParser,
    limit: usize,
}

impl EventStream {
    pub(crate) fn new(body: Incoming, limit: usize) -> Self {
        // Room for the field names around a message of the allowed size.
        Self { body, parser: SseParser::new(limit.saturating_add(1024)), limit }
    }

    /// The next event; `None` at the end. Can be dropped while waiting without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, UpstreamError> {
        loop {
            match self.parser.next() {
                Some(Ok(event)) => return Ok(Some(event)),
                Some(Err(SseFault::TooLong)) => return Err(UpstreamError::TooLarge { limit: self.limit }),
                Some(Err(fault)) => return Err(UpstreamError::Invalid(fault.to_string())),
                None => {}
            }
            match body::data(&mut self.body).await? {
                Some(piece) => self.parser.push(&piece),
                None => return Ok(None),
            }
        }
    }

    /// The next event with a message in it; `None` at the end.
    pub(crate) async fn next_message(&mut self) -> Result<Option<Event>, UpstreamError> {
        loop {
            match self.next().await? {
                Some(event) if is_message(&event) => return Ok(Some(event)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Reads what little may follow the last message. HTTP/1 can use a connection again only after that.
    pub(crate) fn drain(mut self) {
        tokio::spawn(
            async move { timeout(DRAIN, async { while let Ok(Some(_)) = self.next().await {} }).await },
        );
    }
}

/// Whether an event carries a message: other names mean something else, and some events have only an id.
pub(crate) fn is_message(event: &Event) -> bool {
    !event.data.is_empty() && event.event.as_deref().is_none_or(|name| name == "message")
}
