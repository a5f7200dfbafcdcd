//! Messages from a client that are not requests: notifications, and answers to what a server asked.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{
    ClientMessage, Context, Link, Outcome, Refusal, RefusalKind,
    wire::{Era, Message, Method, Notification, RequestId, Response, code, message::response_error},
};
use portcullis_inspect::ClearedMessage;

use crate::{
    gateway::Gateway, inbound::Inbound, outbound, outflow::Reply, session::Session, snapshot::Snapshot,
    trace::without_baggage, trail::Trail,
};

/// Named in records as what allowed a message that only its own session can send.
const SESSION_OWNER: &str = "session-owner";

impl Gateway {
    pub(crate) async fn notified(
        &self,
        snapshot: &Arc<Snapshot>,
        inbound: &Inbound,
        notification: Notification,
        trail: &mut Trail,
    ) -> Result<Reply, Refusal> {
        trail.named(notification.method());
        let Some(session) = &inbound.session else {
            // 2026-07-28 defines no client notification over HTTP; one that is well formed is accepted.
            return Ok(Reply::Accepted);
        };
        match notification.method_kind() {
            Method::Cancelled => cancel(session, &notification),
            Method::Initialized => session.initialized().cancel(),
            Method::Progress | Method::RootsListChanged | Method::TaskStatus => {
                let cleared = self.clear(snapshot, Message::Notification(notification))?;
                let record =
                    trail.allowed(&self.audit, snapshot, owner(), cleared.controls(), cleared.findings());
                let ticket = self.audit.open(record).await?;
                let message = cleared.into_message();
                let bytes = without_baggage(message.document(), "params", &snapshot.settings.baggage)?;
                let bytes = bytes.unwrap_or_else(|| message.bytes().clone());
                let sent = pass_on(session, &bytes).await;
                let outcome = if sent { Outcome::Completed } else { Outcome::Unknown };
                let _receipt = ticket.settle(outcome, 0, None).await?;
            }
            _ => {}
        }
        Ok(Reply::Accepted)
    }

    pub(crate) async fn answered(
        &self,
        snapshot: &Arc<Snapshot>,
        inbound: &Inbound,
        response: Response,
        trail: &mut Trail,
    ) -> Result<Reply, Refusal> {
        trail.named("response");
        let Some(session) = &inbound.session else {
            return Err(Refusal::new(
                RefusalKind::InvalidRequest,
                "a response is only accepted in a session",
            ));
        };
        let id = response.id().cloned();
        let cleared = self.clear(snapshot, Message::Response(response)).inspect_err(|_| {
            // Whoever asked is not left waiting for an answer that will not come.
            if let (Some(id), Some(refused)) = (&id, id.as_ref().and_then(refused_answer)) {
                session.deliver(id, refused);
            }
        })?;
        let record = trail.allowed(&self.audit, snapshot, owner(), cleared.controls(), cleared.findings());
        let ticket = self.audit.open(record).await?;
        let response = clean(cleared.into_message(), &snapshot.settings.baggage)?;
        let delivered = id.is_some_and(|id| session.deliver(&id, response));
        // An answer to a question nobody waits for any more is a race, not an offence.
        let detail = (!delivered).then(|| "nobody was waiting for it".to_owned());
        let _receipt = ticket.settle(Outcome::Completed, 0, detail).await?;
        Ok(Reply::Accepted)
    }

    fn clear(&self, snapshot: &Snapshot, message: Message) -> Result<ClearedMessage, Refusal> {
        let cx = Context { now_ms: self.clock.now_ms() };
        snapshot.inspector.client_message(ClientMessage { message }, &cx)
    }
}

/// The answer as its server gets it.
fn clean(message: Message, listed: &[Arc<str>]) -> Result<Response, Refusal> {
    let bytes = without_baggage(message.document(), "result", listed)?;
    let message = bytes.map_or(Ok(message), |bytes| outbound::decode(bytes, &outbound::GENEROUS));
    match message {
        Ok(Message::Response(response)) => Ok(response),
        _ => Err(Refusal::new(RefusalKind::Internal, "internal error").operator("an edit broke an answer")),
    }
}

/// What a server gets in place of an answer that was refused.
fn refused_answer(id: &RequestId) -> Option<Response> {
    let body = response_error(Some(id), code::INTERNAL_ERROR, "the client's answer was refused", None);
    match outbound::decode(body, &outbound::GENEROUS) {
        Ok(Message::Response(response)) => Some(response),
        _ => None,
    }
}

fn owner() -> Arc<[Arc<str>]> {
    Arc::from([Arc::from(SESSION_OWNER)])
}

fn cancel(session: &Session, notification: &Notification) {
    let id = notification.params().and_then(|p| p.get("requestId"));
    if let Some(id) = id.and_then(|id| RequestId::from_node(id).ok()) {
        session.cancel(&id);
    }
}

/// To every legacy server the session has a link to: which of them it concerns only they know.
async fn pass_on(session: &Session, notification: &Bytes) -> bool {
    let legacy = |link: &Arc<dyn Link>| link.info().version.era() == Era::Legacy;
    let links: Vec<_> = session.links().into_iter().filter(legacy).collect();
    let sent = futures_util::future::join_all(links.iter().map(|link| link.notify(notification.clone())));
    sent.await.iter().all(Result::is_ok)
}
