//! Every message a POST of its own.

use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use portcullis_core::{BoxFuture, UpstreamError};
use portcullis_wire::{
    Method, RequestId, Version,
    header::{PROTOCOL_VERSION, SESSION_ID},
};
use tokio::sync::Semaphore;

use super::reader;
use crate::upstream::{
    http::{
        body::{self, Answer},
        modern::refusal,
        way::Way,
    },
    mux::{Mux, Opened, Origin, Outlet, Parcel},
    patience::Patience,
};

/// Cancellations and answers to pings under way at once; more are dropped.
const MAX_POSTED: usize = 64;

/// A legacy session on one server.
pub(super) struct Session {
    pub(super) client: Arc<Way>,
    id: OnceLock<HeaderValue>,
    version: OnceLock<Version>,
}

impl Session {
    pub(super) fn new(client: Arc<Way>) -> Self {
        Self { client, id: OnceLock::new(), version: OnceLock::new() }
    }

    pub(super) fn settle(&self, version: Version) {
        let _already_settled = self.version.set(version);
    }

    /// Whether the server has given the session an id. One that has none cannot end.
    pub(super) fn has_id(&self) -> bool {
        self.id.get().is_some()
    }

    /// The request as one of this session.
    pub(super) fn sign(&self, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
        if let Some(id) = self.id.get() {
            request.headers_mut().insert(SESSION_ID, id.clone());
        }
        if let Some(version) = self.version.get().filter(|version| version.has_version_header()) {
            request.headers_mut().insert(PROTOCOL_VERSION, HeaderValue::from_static(version.as_str()));
        }
        request
    }

    /// 2025-11-25 basic/transports, Session Management: visible ASCII only.
    fn adopt(&self, id: Option<&HeaderValue>) -> Result<(), UpstreamError> {
        let Some(id) = id else { return Ok(()) };
        if id.is_empty() || !id.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte)) {
            return Err(UpstreamError::Invalid("the session id has characters that it must not have".into()));
        }
        let mut id = id.clone();
        // It is as good as a credential at servers that do not check who uses it.
        id.set_sensitive(true);
        let _already_known = self.id.set(id);
        Ok(())
    }
}

/// The way out of a legacy link.
pub(super) struct Posts {
    pub(super) session: Arc<Session>,
    mux: Weak<Mux>,
    posted: Arc<Semaphore>,
}

impl Posts {
    pub(super) fn new(session: Arc<Session>, mux: Weak<Mux>) -> Self {
        Self { session, mux, posted: Arc::new(Semaphore::new(MAX_POSTED)) }
    }

    async fn send(&self, parcel: Parcel) -> Result<(), UpstreamError> {
        let Parcel { message, headers, request, deadline } = parcel;
        let total = deadline.saturating_duration_since(tokio::time::Instant::now());
        let patience = Patience::new(request.as_ref().map_or(total, |opened| opened.idle), total);
        let mut post = self.session.sign(self.session.client.post(message));
        post.headers_mut().extend(headers);
        let response = patience.wait(self.session.client.send(post)).await??;
        if request.as_ref().is_some_and(|opened| opened.method == Method::Initialize) {
            self.session.adopt(response.headers().get(SESSION_ID))?;
        }
        let answer = patience.wait(body::read(response, self.session.client.max_message_bytes())).await??;
        match (answer, request) {
            (Answer::Refused(StatusCode::NOT_FOUND, _), _) if self.session.has_id() => Err(self.gone()),
            (answer, Some(opened)) => self.answered(answer, opened),
            (Answer::Refused(status, body), None) => {
                Err(UpstreamError::Http { status: status.as_u16(), body })
            }
            (_, None) => Ok(()),
        }
    }

    /// Hands the answer to a request to where answers go.
    fn answered(&self, answer: Answer, opened: Opened) -> Result<(), UpstreamError> {
        let Some(mux) = self.mux.upgrade() else { return Ok(()) };
        let number = opened.number;
        match answer {
            Answer::Json(bytes) => {
                mux.receive(bytes, Origin::Request(number));
                let reason = "the answer does not contain the response";
                mux.fail_request(number, UpstreamError::Invalid(reason.into()));
            }
            Answer::Events(stream) => {
                tokio::spawn(reader::read(self.session.clone(), self.mux.clone(), opened, stream));
            }
            Answer::Accepted => {
                return Err(UpstreamError::Invalid("the request was accepted but not answered".into()));
            }
            Answer::Refused(status, body) => {
                let response = refusal(status, body, &RequestId::from_u64(number))?;
                mux.receive(response, Origin::Request(number));
            }
        }
        Ok(())
    }

    /// The server no longer knows the session; what else is under way in it has an unknown end.
    fn gone(&self) -> UpstreamError {
        if let Some(mux) = self.mux.upgrade() {
            mux.fail(UpstreamError::Broken("the server ended the session".into()));
        }
        UpstreamError::SessionGone
    }
}

impl Outlet for Posts {
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(self.send(parcel))
    }

    fn post(&self, message: Bytes, _essential: bool) {
        let Ok(room) = self.posted.clone().try_acquire_owned() else { return };
        let session = self.session.clone();
        tokio::spawn(async move {
            let _room = room;
            let patience = Patience::new(super::POST_PATIENCE, super::POST_PATIENCE);
            let _not_vital =
                patience.wait(session.client.send(session.sign(session.client.post(message)))).await;
        });
    }
}
