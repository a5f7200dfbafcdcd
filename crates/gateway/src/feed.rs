//! Messages of a server that belong to no request, on their way to a legacy session.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use portcullis_core::{
    Answer, Consent, Context, Exchange, Link, Refusal, Replier, Surface, UpstreamEvent,
    wire::{
        Era, Message, Method, Notification, Patch, Request, RequestId, code, message,
        meta::{self, LogLevel},
    },
};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    gateway::Gateway,
    listen,
    outbound::{self, GENEROUS, Timing},
    session::Session,
    snapshot::Server,
    tasks,
    translate::{answer::quoted, input},
    watch,
};

/// A subscription has no natural end.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Time before a server that refused or ended a subscription is asked again.
const RETRY: Duration = Duration::from_secs(60);

/// The task that carries one server's messages to one session; ends when dropped.
#[derive(Debug)]
pub(crate) struct Feed {
    task: tokio::task::AbortHandle,
    link: Weak<dyn Link>,
}

impl Feed {
    pub(crate) fn carries(&self, link: &Arc<dyn Link>) -> bool {
        !self.task.is_finished() && std::ptr::addr_eq(self.link.as_ptr(), Arc::as_ptr(link))
    }

    pub(crate) fn link(&self) -> Option<Arc<dyn Link>> {
        self.link.upgrade()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the feed of a server to a session unless it runs.
pub(crate) fn attach(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    server: &Arc<Server>,
    link: &Arc<dyn Link>,
) {
    if session.has_feed(&server.name, link) {
        return;
    }
    let carrier = Carrier::new(gateway, session, server);
    let task = match link.info().version.era() {
        Era::Legacy => tokio::spawn(carrier.unsolicited(link.clone())),
        Era::Modern => tokio::spawn(carrier.subscribed(None, Arc::downgrade(link))),
    };
    session.put_feed(server.name.clone(), Feed { task: task.abort_handle(), link: Arc::downgrade(link) });
}

/// `resources/subscribe` and `resources/unsubscribe` of a session at a stateless server: the set of URIs
/// is part of the subscription, so the session gets a new one before the old one ends.
///
/// # Errors
/// When the server does not honour the subscription.
pub(crate) async fn resubscribe(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    server: &Arc<Server>,
    link: &Arc<dyn Link>,
) -> Result<(), Refusal> {
    let carrier = Carrier::new(gateway, session, server);
    let wishes = carrier.wishes(link.as_ref())?;
    let exchange = if wishes.is_empty() { None } else { Some(carrier.subscribe(link, &wishes).await?) };
    let task = tokio::spawn(carrier.subscribed(exchange, Arc::downgrade(link)));
    session.put_feed(server.name.clone(), Feed { task: task.abort_handle(), link: Arc::downgrade(link) });
    Ok(())
}

/// What a session hears of a stateless server: the list changes it announces, and resources.
struct Wishes {
    lists: Vec<&'static str>,
    uris: Vec<String>,
}

impl Wishes {
    fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.uris.is_empty()
    }
}

struct Carrier {
    gateway: Weak<Gateway>,
    session: Weak<Session>,
    server: Weak<Server>,
}

impl Carrier {
    fn new(gateway: &Arc<Gateway>, session: &Arc<Session>, server: &Arc<Server>) -> Self {
        Self {
            gateway: Arc::downgrade(gateway),
            session: Arc::downgrade(session),
            server: Arc::downgrade(server),
        }
    }

    async fn unsolicited(self, link: Arc<dyn Link>) {
        let mut messages = link.unsolicited();
        let replier = link.replier();
        drop(link);
        loop {
            match messages.recv().await {
                Ok(body) => {
                    if self.carry(body, Some(&replier)).is_none() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Carries a subscription, `first` if there is one, and opens another whenever one has ended, for as long
    /// as the link lives.
    async fn subscribed(self, mut first: Option<Box<dyn Exchange>>, link: Weak<dyn Link>) {
        loop {
            if let Some(exchange) = first.take() {
                self.events(exchange).await;
                tokio::time::sleep(RETRY).await;
            }
            let Some(link) = link.upgrade() else { return };
            let Ok(wishes) = self.wishes(link.as_ref()) else { return };
            if wishes.is_empty() {
                drop(link);
                // The client's first subscription puts another feed in place of this one.
                return std::future::pending().await;
            }
            match self.subscribe(&link, &wishes).await {
                Ok(exchange) => first = Some(exchange),
                Err(_) => {
                    drop(link);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn wishes(&self, link: &dyn Link) -> Result<Wishes, Refusal> {
        let (Some(session), Some(server)) = (self.session.upgrade(), self.server.upgrade()) else {
            return Err(gone());
        };
        Ok(Wishes { lists: watch::announced(link), uris: session.subscribed_at(&server.name) })
    }

    /// Opens a subscription and waits for its acknowledgement.
    async fn subscribe(&self, link: &Arc<dyn Link>, wishes: &Wishes) -> Result<Box<dyn Exchange>, Refusal> {
        let Some(server) = self.server.upgrade() else { return Err(gone()) };
        let filter = subscription_filter(&wishes.lists, &wishes.uris, &[]);
        let params = [b"{\"notifications\":".as_slice(), &filter, b"}"].concat();
        let timing = Timing { idle: FOREVER, total: FOREVER };
        let outbound = outbound::own(link.as_ref(), "subscriptions/listen", &params, timing)?;
        let mut exchange = link.request(outbound).await.map_err(|e| outbound::refusal(&server.name, &e))?;
        match listen::first_of(&mut exchange, &server).await? {
            UpstreamEvent::Notification(body) if honours(&body, &wishes.uris) => Ok(exchange),
            UpstreamEvent::Notification(_) => {
                Err(crate::translate::untranslatable("the server does not announce changes of this resource"))
            }
            _ => Err(crate::translate::untranslatable("the server does not accept subscriptions")),
        }
    }

    async fn events(&self, mut exchange: Box<dyn Exchange>) {
        while let Ok(UpstreamEvent::Notification(body)) = exchange.next().await {
            if self.carry(body, None).is_none() {
                return;
            }
        }
    }

    /// Inspects a message and pushes it to the session. None when there is nobody left to carry for.
    fn carry(&self, body: Bytes, replier: Option<&Arc<dyn Replier>>) -> Option<()> {
        let (gateway, session, server) =
            (self.gateway.upgrade()?, self.session.upgrade()?, self.server.upgrade()?);
        let snapshot = gateway.snapshot();
        let cx = Context { now_ms: gateway.clock.now_ms() };
        let Ok(message) = outbound::decode(body, &snapshot.inspector.limits().response) else {
            gateway.metrics.dropped_messages.add(1);
            return Some(());
        };
        let (surface, asked) = match &message {
            Message::Request(request) => (Surface::ServerRequest, Some(request.id().clone())),
            _ => (Surface::Notification, None),
        };
        let promised = gateway.tasks.promised_in(&server.name, &message);
        let promised = promised.as_deref().map(tasks::promised_by);
        let answer = Answer { server: Some(server.name.clone()), surface, message };
        match snapshot.inspector.response(answer, promised, Consent::Absent, &cx) {
            Ok(released) => {
                gateway.note_findings(&server.name, released.findings());
                if let Message::Notification(notification) = released.message()
                    && !gateway.tasks.may_hear(&server.name, notification, &session.owner, cx.now_ms)
                {
                    gateway.metrics.dropped_messages.add(1);
                    return Some(());
                }
                self.push(&session, &server, released.into_message(), replier);
            }
            Err(refusal) => {
                gateway.note_withheld(&server.name, &refusal);
                if let (Some(id), Some(replier)) = (asked, replier) {
                    decline(&id, "the request was refused", replier.clone());
                }
            }
        }
        Some(())
    }

    fn push(
        &self,
        session: &Arc<Session>,
        server: &Server,
        message: Message,
        replier: Option<&Arc<dyn Replier>>,
    ) {
        match message {
            Message::Notification(notification) => {
                server.catalogues.invalidate(notification.method());
                if wanted(session, &notification) {
                    session.push(untagged(&notification));
                }
            }
            Message::Request(request) => {
                if let Some(replier) = replier {
                    ask(session, &request, replier.clone());
                }
            }
            Message::Response(_) => {}
        }
    }
}

fn wanted(session: &Session, notification: &Notification) -> bool {
    match notification.method_kind() {
        Method::LogMessage => {
            let level = notification.params().and_then(|p| p.get("level")).and_then(|l| l.as_str());
            level.as_deref().and_then(LogLevel::parse).is_some_and(|level| level >= session.log_level())
        }
        Method::ToolsListChanged
        | Method::PromptsListChanged
        | Method::ResourcesListChanged
        | Method::ResourceUpdated
        | Method::ElicitationComplete
        | Method::TaskStatus => true,
        _ => false,
    }
}

/// Without the key that ties it to a subscription, which a legacy client knows nothing of.
fn untagged(notification: &Notification) -> Bytes {
    let tag = notification.meta().filter(|m| m.get(meta::SUBSCRIPTION_ID).is_some());
    let Some(tagged) = tag else { return notification.bytes().clone() };
    let mut patch = Patch::new(notification.document());
    let removed = match (tagged.len(), notification.params()) {
        (1, Some(params)) => patch.remove(params, "_meta").is_ok(),
        _ => patch.remove(tagged, meta::SUBSCRIPTION_ID).is_ok(),
    };
    if removed { patch.apply() } else { notification.bytes().clone() }
}

/// Passes a legacy server's request that belongs to no call to the session's client, and its answer back.
fn ask(session: &Arc<Session>, request: &Request, replier: Arc<dyn Replier>) {
    let servers_id = request.id().clone();
    if !input::ASKABLE.contains(&request.method()) {
        return decline(&servers_id, "this request is not served", replier);
    }
    let (id, answer) = session.expect_response();
    session.push(message::with_id(request.document(), &id));
    let (session, ended) = (Arc::downgrade(session), session.closed().clone());
    tokio::spawn(async move {
        let response = tokio::select! {
            biased;
            () = ended.cancelled() => None,
            answer = answer => answer.ok(),
        };
        if let Some(session) = session.upgrade() {
            session.forget_response(&id);
        }
        let body = match response {
            Some(response) => message::with_id(response.document(), &servers_id),
            None => {
                message::response_error(Some(&servers_id), code::INTERNAL_ERROR, "the client is gone", None)
            }
        };
        replier.reply(body).await
    });
}

/// Answers a server's request with an error, so that it does not wait for ever.
fn decline(id: &RequestId, why: &str, replier: Arc<dyn Replier>) {
    let body = message::response_error(Some(id), code::METHOD_NOT_FOUND, why, None);
    tokio::spawn(async move { replier.reply(body).await });
}

/// The value of `params.notifications` in `subscriptions/listen`.
pub(crate) fn subscription_filter(lists: &[&str], uris: &[String], tasks: &[String]) -> Vec<u8> {
    let mut members: Vec<String> = lists.iter().map(|list| format!("\"{list}\":true")).collect();
    for (key, texts) in [("resourceSubscriptions", uris), ("taskIds", tasks)] {
        let texts: Vec<_> = texts.iter().map(|t| String::from_utf8_lossy(&quoted(t)).into_owned()).collect();
        if !texts.is_empty() {
            members.push(format!("\"{key}\":[{}]", texts.join(",")));
        }
    }
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// Whether an acknowledgement covers every URI asked for.
fn honours(ack: &Bytes, uris: &[String]) -> bool {
    let Ok(Message::Notification(ack)) = outbound::decode(ack.clone(), &GENEROUS) else { return false };
    if ack.method_kind() != Method::SubscriptionsAcknowledged {
        return false;
    }
    let honoured = ack.params().and_then(|p| p.path(&["notifications", "resourceSubscriptions"]));
    let honoured: Vec<_> = honoured
        .into_iter()
        .flat_map(|h| h.elements())
        .filter_map(|u| u.as_str())
        .map(|u| u.into_owned())
        .collect();
    uris.iter().all(|uri| honoured.contains(uri))
}

fn gone() -> Refusal {
    Refusal::new(portcullis_core::RefusalKind::NoSession, "the session has ended")
}
