//! Reading what a server answered, within limits.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use portcullis_core::UpstreamError;

use super::{client::root_cause, events::EventStream};

/// Longest error body read.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// An answer by its shape.
#[derive(Debug)]
pub(crate) enum Answer {
    /// One message, or in one version a batch.
    Json(Bytes),
    /// A stream of messages.
    Events(Box<EventStream>),
    /// Success without content.
    Accepted,
    /// An HTTP error, with its body when that is JSON.
    Refused(StatusCode, Option<Bytes>),
}

/// Tells what an answer is and reads it, unless it is a stream.
pub(crate) async fn read(
    response: Response<Incoming>,
    max_message_bytes: usize,
) -> Result<Answer, UpstreamError> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Ok(Answer::Refused(head.status, error_body(&head.headers, body).await));
    }
    if head.status == StatusCode::ACCEPTED || head.status == StatusCode::NO_CONTENT {
        return Ok(Answer::Accepted);
    }
    if head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(UpstreamError::Invalid(
            "the answer is compressed although that was not asked for".into(),
        ));
    }
    match media_type(&head.headers) {
        Some("application/json") => collect(body, max_message_bytes).await.map(Answer::Json),
        Some("text/event-stream") => Ok(Answer::Events(Box::new(EventStream::new(body, max_message_bytes)))),
        // A notification may be answered with an empty 200.
        None if body.is_end_stream() => Ok(Answer::Accepted),
        other => {
            let other: String = other.unwrap_or("none").chars().take(64).collect();
            Err(UpstreamError::Invalid(format!(
                "the media type of the answer is neither JSON nor an event stream: {other:?}"
            )))
        }
    }
}

/// The media type without parameters, if it is in the usual lower case.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split_once(';').map_or(value, |(media_type, _)| media_type).trim())
}

async fn error_body(headers: &HeaderMap, body: Incoming) -> Option<Bytes> {
    if media_type(headers) != Some("application/json") {
        return None;
    }
    collect(body, MAX_ERROR_BYTES).await.ok().filter(|body| !body.is_empty())
}

/// The whole body. One that arrives in one piece, as most do, is not copied.
pub(crate) async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, UpstreamError> {
    let too_large = UpstreamError::TooLarge { limit };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large);
    }
    let Some(first) = data(&mut body).await? else { return Ok(Bytes::new()) };
    let Some(second) = data(&mut body).await? else {
        return if first.len() > limit { Err(too_large) } else { Ok(first) };
    };
    let mut whole = BytesMut::with_capacity(body.size_hint().lower() as usize + first.len() + second.len());
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if whole.len() + piece.len() > limit {
            return Err(too_large);
        }
        whole.extend_from_slice(&piece);
        next = data(&mut body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece of a body; `None` at its end.
pub(super) async fn data(body: &mut Incoming) -> Result<Option<Bytes>, UpstreamError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(UpstreamError::Broken(root_cause(&error))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
