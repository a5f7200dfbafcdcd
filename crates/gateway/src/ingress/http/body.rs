//! Reading a request body under a size and a time limit (control NET-05).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use portcullis_core::{ControlId, Refusal, RefusalKind};

/// How long, and how much of a body is taken in before a refusal of it is sent. Taking in costs no memory, and whoever sends
/// it no less than it costs here; a body that is larger than this is left where it is.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 8 * 1024 * 1024;

/// The body of a request, read or not.
///
/// A refusal that is sent while the body is still coming can be lost: the connection or the stream is reset behind it, and
/// clients then discard what they have not read (RFC 9112 section 9.6; over HTTP/2, curl before 8.0 takes the reset that RFC
/// 9113 section 8.1 provides for as a failure). So what is left is taken in first, within bounds.
pub(super) struct Upload {
    incoming: Incoming,
    /// Its sender waits for leave to send it, which nothing of it that is not wanted gets.
    waits: bool,
    /// It did not come in the time it had.
    late: bool,
}

impl Upload {
    pub(super) fn new(incoming: Incoming, headers: &HeaderMap) -> Self {
        Self { incoming, waits: headers.contains_key(header::EXPECT), late: false }
    }

    /// The whole body. A body that announces more than the limit is refused before a byte of it is read.
    pub(super) async fn read(&mut self, limit: usize, time: Duration) -> Result<Bytes, Refusal> {
        let announced = usize::try_from(self.incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large(limit));
        }
        self.waits = false;
        match tokio::time::timeout(time, collect(&mut self.incoming, limit)).await {
            Ok(body) => body,
            Err(_) => {
                self.late = true;
                Err(Refusal::new(
                    RefusalKind::Timeout,
                    format!("the body did not arrive within {time:?} (`limits.body_read_seconds`)"),
                )
                .by(ControlId::Net05))
            }
        }
    }

    /// Takes in what is left, for nobody.
    pub(super) async fn drain(mut self) {
        if self.waits || self.late || self.incoming.size_hint().lower() > LINGER_BYTES {
            return;
        }
        let taken_in = async {
            let mut left = LINGER_BYTES;
            while let Some(Ok(frame)) = self.incoming.frame().await {
                let more = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                match left.checked_sub(more) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        // Whoever is slower than that has their connection closed behind the answer.
        let _in_time = tokio::time::timeout(LINGER, taken_in).await;
    }
}

async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, Refusal> {
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
