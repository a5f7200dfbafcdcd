//! Steps 8 to 11 for a request that has been permitted, cleared and written down.

use std::sync::Arc;

use portcullis_audit::Ticket;
use portcullis_core::{
    Answer, Channel, Consent, Context, Item, Outcome, Refusal, RefusalKind, Surface,
    wire::{Era, Message, Method, RequestId, decode_one, message},
};
use portcullis_inspect::{Cleared, Released};
use portcullis_policy::Permitted;

use crate::{
    begun, feed,
    gateway::Gateway,
    local::Local,
    outbound::GENEROUS,
    outflow::{Answered, Outflow, Reply},
    receipt,
    relay::Relay,
    reply::{self, Reader},
    resolve::{Resolved, Route, profile},
    session::InFlight,
    snapshot::{Server, Snapshot},
};

/// A request that may be forwarded.
pub(crate) type Clear = Cleared<Permitted<Box<Resolved>>>;

impl Gateway {
    pub(crate) async fn dispatch(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: Clear,
        ticket: Ticket,
        inflight: Option<InFlight>,
        cx: &Context,
    ) -> Reply {
        if inflight.as_ref().is_some_and(|inflight| inflight.cancelled().is_cancelled()) {
            let _receipt =
                ticket.close(Outcome::Cancelled, 0, Some("cancelled before it was sent".to_owned()));
            return Reply::Accepted;
        }
        match &cleared.route {
            Route::Local if cleared.call.request.method_kind() == Method::SubscriptionsListen => {
                self.listen(snapshot, cleared, ticket, inflight).await
            }
            Route::Local => self.local(snapshot, cleared, ticket, cx).await,
            Route::Server { server, .. } => {
                let server = server.clone();
                if self.keeps_subscription(&cleared, &server).await {
                    return self.resubscribe(snapshot, cleared, server, ticket, cx).await;
                }
                self.remote(snapshot, cleared, server, ticket, inflight).await
            }
        }
    }

    async fn local(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: Clear,
        ticket: Ticket,
        cx: &Context,
    ) -> Reply {
        let answered = self.answer_locally(snapshot, &cleared, cx.now_ms).await;
        let local = match answered {
            Ok(local) => local,
            Err(refusal) => return self.end_refused(&cleared, ticket, refusal),
        };
        self.finish_local(snapshot, &cleared, ticket, local, cx).await
    }

    async fn finish_local(
        &self,
        snapshot: &Snapshot,
        cleared: &Clear,
        mut ticket: Ticket,
        local: Local,
        cx: &Context,
    ) -> Reply {
        let mut body = message::response_result(cleared.call.request.id(), &local.result);
        if receipt::is_asked(&cleared.call.request) {
            match receipt::in_response(&body, Some(&ticket)) {
                Ok(with) => body = with,
                Err(refusal) => return self.end_refused(cleared, ticket, refusal),
            }
        }
        match self.release_own(snapshot, body, cx) {
            Ok(released) => {
                ticket.inspected(released.controls(), released.findings());
                let body = released.message().bytes().clone();
                let settled = ticket.settle(Outcome::Completed, len(&body), None).await;
                match (settled, local.opened) {
                    (Err(refusal), _) => self.plain_refusal(cleared, &refusal),
                    (Ok(_), Some(opened)) => {
                        Reply::Opened(Answered { status: 200, body }, opened.hand_over())
                    }
                    (Ok(_), None) => Reply::Message(Answered { status: 200, body }),
                }
            }
            Err(refusal) => self.end_refused(cleared, ticket, refusal),
        }
    }

    /// Whether a session's resource subscription has to be kept by the gateway, because its server is of the
    /// stateless era.
    async fn keeps_subscription(self: &Arc<Self>, resolved: &Resolved, server: &Arc<Server>) -> bool {
        let method = resolved.call.request.method_kind();
        if !matches!(method, Method::ResourcesSubscribe | Method::ResourcesUnsubscribe) {
            return false;
        }
        let profile = profile(&resolved.call.caller, &resolved.client);
        // A server that cannot be reached now fails the same way when the request is sent.
        let link = self.link_of(server, &profile, &resolved.client).await;
        link.is_ok_and(|link| link.info().version.era() == Era::Modern)
    }

    async fn resubscribe(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: Clear,
        server: Arc<Server>,
        ticket: Ticket,
        cx: &Context,
    ) -> Reply {
        match self.change_subscription(&cleared, &server).await {
            Ok(()) => self.finish_local(snapshot, &cleared, ticket, Local::plain(b"{}".to_vec()), cx).await,
            Err(refusal) => self.end_refused(&cleared, ticket, refusal),
        }
    }

    async fn change_subscription(
        self: &Arc<Self>,
        resolved: &Resolved,
        server: &Arc<Server>,
    ) -> Result<(), Refusal> {
        let (Some(session), Item::Resource(uri)) = (&resolved.client.session, &resolved.call.target.item)
        else {
            return Err(Refusal::new(RefusalKind::InvalidRequest, "subscriptions need a session"));
        };
        let profile = profile(&resolved.call.caller, &resolved.client);
        let link = self.link_of(server, &profile, &resolved.client).await?;
        let subscribes = resolved.call.request.method_kind() == Method::ResourcesSubscribe;
        if subscribes {
            session.subscribe(uri.to_string(), server.name.clone());
        } else {
            session.unsubscribe(uri);
        }
        let changed = feed::resubscribe(self, session, server, &link).await;
        if subscribes && changed.is_err() {
            session.unsubscribe(uri);
        }
        changed
    }

    /// Inspects a message the gateway wrote, by the same rule as a server's.
    pub(crate) fn release_own(
        &self,
        snapshot: &Snapshot,
        body: bytes::Bytes,
        cx: &Context,
    ) -> Result<Released, Refusal> {
        let message = decode_one(body, &GENEROUS).map_err(|e| {
            Refusal::new(RefusalKind::Internal, "internal error").operator(format!("own answer: {e}"))
        })?;
        let surface = match &message {
            Message::Response(response) if response.error().is_some() => Surface::Error,
            Message::Response(_) => Surface::Result,
            Message::Notification(_) => Surface::Notification,
            Message::Request(_) => Surface::ServerRequest,
        };
        snapshot.inspector.response(Answer { server: None, surface, message }, None, Consent::Absent, cx)
    }

    async fn remote(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: Clear,
        server: Arc<Server>,
        ticket: Ticket,
        inflight: Option<InFlight>,
    ) -> Reply {
        let lasts = cleared.client.session.is_some();
        let patience = (cleared.call.channel == Channel::Http).then_some(begun::SILENCE);
        let (gateway, snapshot) = (self.clone(), snapshot.clone());
        let coming = async move {
            let mut relay = Relay::start(&gateway, &snapshot, cleared, server, ticket, inflight).await;
            let first = relay.next().await?;
            Some((first, relay))
        };
        if !lasts {
            return begun::reply(Box::pin(coming), patience).await;
        }
        // A session's client that goes away has not cancelled (2025-11-25 basic/transports): in a task of its
        // own the call outlives the connection.
        let task = tokio::spawn(coming);
        begun::reply(Box::pin(async { task.await.ok().flatten() }), patience).await
    }

    /// Ends a call that was written down as allowed but could not be carried out.
    pub(crate) fn end_refused(&self, resolved: &Resolved, ticket: Ticket, refusal: Refusal) -> Reply {
        let receipt = ticket.close(outcome_of(&refusal), 0, Some(refusal.detail().to_owned()));
        self.plain_refusal(resolved, &refusal.recorded(receipt.record_id().clone()))
    }

    fn plain_refusal(&self, resolved: &Resolved, refusal: &Refusal) -> Reply {
        self.metrics.refused(refusal.kind());
        let answered = reply::refusal(refusal, reader(resolved, Some(resolved.call.request.id())));
        // A better token can be what is missing even after the decision, where a server is shown one made from it.
        if refusal.challenge().is_some() {
            Reply::Challenged(answered, refusal.clone())
        } else {
            Reply::Message(answered)
        }
    }
}

/// How a failure after dispatch is recorded.
pub(crate) fn outcome_of(refusal: &Refusal) -> Outcome {
    match refusal.kind() {
        RefusalKind::Cancelled => Outcome::Cancelled,
        RefusalKind::Stopped => Outcome::Stopped,
        RefusalKind::Draining => Outcome::Abandoned,
        RefusalKind::UpstreamUnavailable | RefusalKind::UpstreamTimeout => Outcome::Unknown,
        _ => Outcome::Withheld,
    }
}

pub(crate) fn reader<'a>(resolved: &'a Resolved, id: Option<&'a RequestId>) -> Reader<'a> {
    Reader { version: Some(resolved.call.version), in_session: resolved.client.session.is_some(), id }
}

pub(crate) fn len(body: &bytes::Bytes) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}
