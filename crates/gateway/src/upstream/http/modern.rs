//! Stateless Streamable HTTP (2026-07-28): one POST per request, one link for everybody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use portcullis_core::{
    BoxFuture, Exchange, Link, OnBehalf, Outbound, Replier, ServerInfo, UpstreamError, UpstreamEvent,
};
use portcullis_wire::{
    Message, RequestId, Version, decode_one,
    header::{METHOD, PROTOCOL_VERSION},
    json::Limits,
    message,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::{
    body::{self, Answer},
    events::EventStream,
    way::Way,
};
use crate::upstream::{health::Health, patience::Patience};

/// A stateless server. Requests on it share nothing but the pool of connections.
pub(crate) struct ModernLink {
    client: Arc<Way>,
    info: ServerInfo,
    slots: Arc<Semaphore>,
    health: Arc<Health>,
    /// The server has answered as if it were another than the one that was discovered.
    changed: AtomicBool,
    /// Never sent to: this version has no messages outside requests.
    silence: broadcast::Sender<Bytes>,
}

impl ModernLink {
    pub(crate) fn new(
        client: Arc<Way>,
        info: ServerInfo,
        slots: Arc<Semaphore>,
        health: Arc<Health>,
    ) -> Self {
        Self {
            client,
            info,
            slots,
            health,
            changed: AtomicBool::new(false),
            silence: broadcast::Sender::new(1),
        }
    }

    async fn request(&self, outbound: Outbound) -> Result<Box<dyn Exchange>, UpstreamError> {
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| UpstreamError::Busy)?;
        let sent = send(&self.client, outbound, slot).await;
        self.health.heard(sent.as_ref().err());
        if let Err(UpstreamError::Http { status: 400 | 404 | 405, .. }) = &sent {
            self.changed.store(true, Ordering::Relaxed);
        }
        sent
    }
}

/// Sends a modern request, to a server that may turn out not to be modern.
pub(super) async fn send(
    client: &Way,
    outbound: Outbound,
    slot: OwnedSemaphorePermit,
) -> Result<Box<dyn Exchange>, UpstreamError> {
    let patience = Patience::of(&outbound);
    let mut request = client.post(outbound.body);
    let headers = request.headers_mut();
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(Version::LATEST.as_str()));
    if let Ok(method) = HeaderValue::from_str(&outbound.method) {
        headers.insert(METHOD, method);
    }
    for (name, value) in outbound.headers {
        headers.insert(name, value);
    }
    let response = patience.wait(client.send(request)).await??;
    let reading = *client.reading();
    let source = match patience.wait(body::read(response, reading.max_bytes)).await?? {
        // Not read here: the spine's strict walk comes next, and finds the same id or refuses.
        Answer::Json(bytes) => Source::Whole(bytes),
        Answer::Events(stream) => Source::Events(stream),
        Answer::Accepted => {
            return Err(UpstreamError::Invalid("the request was accepted but not answered".into()));
        }
        Answer::Refused(status, body) => Source::Whole(refusal(status, body, &outbound.id)?),
    };
    Ok(Box::new(ModernExchange { source, id: outbound.id, patience, reading, _slot: slot }))
}

/// An HTTP error that is an answer to the request: modern servers give some JSON-RPC errors a status.
///
/// Credentials are the gateway's own business, so 401 and 403 never are.
pub(super) fn refusal(
    status: StatusCode,
    body: Option<Bytes>,
    id: &RequestId,
) -> Result<Bytes, UpstreamError> {
    let refused = |body| UpstreamError::Http { status: status.as_u16(), body };
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(refused(body));
    }
    match body.clone().map(|body| decode_one(body, &Limits::default())) {
        Some(Ok(Message::Response(response)))
            if response.error().is_some() && response.id().is_none_or(|own| own == id) =>
        {
            Ok(message::with_id(response.document(), id))
        }
        _ => Err(refused(body)),
    }
}

struct ModernExchange {
    source: Source,
    id: RequestId,
    patience: Patience,
    reading: Limits,
    _slot: OwnedSemaphorePermit,
}

enum Source {
    Whole(Bytes),
    Events(Box<EventStream>),
    Done,
}

impl ModernExchange {
    async fn next(&mut self) -> Result<UpstreamEvent, UpstreamError> {
        let mut stream = match std::mem::replace(&mut self.source, Source::Done) {
            Source::Whole(bytes) => return Ok(UpstreamEvent::Response(bytes)),
            Source::Events(stream) => stream,
            Source::Done => return Err(UpstreamError::Broken("the exchange has ended".into())),
        };
        let event = self.patience.wait(stream.next_message()).await??;
        let Some(event) = event else {
            return Err(UpstreamError::Broken("the stream ended without a response".into()));
        };
        let event = self.classify(event.data)?;
        match event {
            UpstreamEvent::Response(_) => stream.drain(),
            _ => self.source = Source::Events(stream),
        }
        Ok(event)
    }

    fn classify(&self, bytes: Bytes) -> Result<UpstreamEvent, UpstreamError> {
        let invalid = |reason: &str| Err(UpstreamError::Invalid(reason.to_owned()));
        match decode_one(bytes, &self.reading) {
            Ok(Message::Notification(notification)) => {
                Ok(UpstreamEvent::Notification(notification.bytes().clone()))
            }
            Ok(Message::Response(response)) if response.id().is_none_or(|id| *id == self.id) => {
                Ok(UpstreamEvent::Response(message::with_id(response.document(), &self.id)))
            }
            Ok(Message::Response(_)) => invalid("a response to another request"),
            Ok(Message::Request(_)) => invalid("a request, which this version does not let servers send"),
            Err(error) => invalid(&error.to_string()),
        }
    }
}

impl Exchange for ModernExchange {
    fn next(&mut self) -> BoxFuture<'_, Result<UpstreamEvent, UpstreamError>> {
        Box::pin(self.next())
    }

    fn replier(&self) -> Arc<dyn Replier> {
        Arc::new(NoReplier)
    }
}

/// For versions in which servers ask nothing.
struct NoReplier;

impl Replier for NoReplier {
    fn reply(&self, _response: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(async {
            Err(UpstreamError::Invalid("this version has no requests from servers to answer".into()))
        })
    }
}

impl Link for ModernLink {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn request(&self, outbound: Outbound) -> BoxFuture<'_, Result<Box<dyn Exchange>, UpstreamError>> {
        Box::pin(self.request(outbound))
    }

    fn notify(&self, _body: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(async {
            Err(UpstreamError::Invalid("this version has no notifications from clients".into()))
        })
    }

    fn unsolicited(&self) -> broadcast::Receiver<Bytes> {
        self.silence.subscribe()
    }

    fn replier(&self) -> Arc<dyn Replier> {
        Arc::new(NoReplier)
    }

    fn renew(&self, on_behalf: &OnBehalf) {
        self.client.renew(on_behalf);
    }

    fn is_alive(&self) -> bool {
        !self.changed.load(Ordering::Relaxed)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
