//! Reading a request body under a size and a time limit (control NET-05).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use portcullis_core::{ControlId, Refusal, RefusalKind};

/// The whole body. A body that announces more than the limit is refused before a byte of it is read.
pub(super) async fn read(body: Incoming, limit: usize, time: Duration) -> Result<Bytes, Refusal> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(limit));
    }
    match tokio::time::timeout(time, collect(body, limit)).await {
        Ok(body) => body,
        Err(_) => Err(Refusal::new(RefusalKind::Timeout, format!("the body did not arrive within {time:?}"))
            .by(ControlId::Net05)),
    }
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            Refusal::new(RefusalKind::InvalidRequest, "the body ended early")
                .operator(format!("request body: {e}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(0, Bytes::len).saturating_add(rest.len());
        if so_far.saturating_add(data.len()) > limit {
            return Err(too_large(limit));
        }
        match &first {
            // Most bodies arrive in one piece, which is then used as it is.
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    let first = first.unwrap_or_default();
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len().saturating_add(rest.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(
        RefusalKind::TooLarge,
        format!("the body is larger than {limit} bytes (`limits.body_bytes`)"),
    )
    .by(ControlId::Net05)
}
