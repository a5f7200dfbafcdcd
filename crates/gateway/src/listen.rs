//! `subscriptions/listen` (2026-07-28 basic/patterns/subscriptions) over one or many servers of either era.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use portcullis_audit::Ticket;
use portcullis_core::{
    Answer, BoxFuture, Consent, Context, Exchange, Item, Link, Outcome, Refusal, ServerName, Surface,
    UpstreamEvent,
    wire::{Document, Era, Message, Method, Node, Notification, Patch, RequestId, message, meta},
};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
};

use crate::{
    begun,
    dispatch::Clear,
    feed::subscription_filter,
    gateway::Gateway,
    outbound::{self, GENEROUS, Timing},
    outflow::{Answered, Delivery, Outflow, Reply},
    prefix,
    resolve::profile,
    session::InFlight,
    snapshot::{Server, Snapshot},
    stops::Admission,
    subscriptions::Subscribed,
    tasks,
    translate::answer::quoted,
};

/// Messages that may wait for a slow client before its servers are held up.
const BACKLOG: usize = 64;
/// A subscription has no natural end.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// List changes as `subscriptions/listen` names them, and the capability that declares each.
pub(crate) const LISTS: [(&str, &str); 3] =
    [("toolsListChanged", "tools"), ("promptsListChanged", "prompts"), ("resourcesListChanged", "resources")];

/// What a client asks to hear of, or a server agrees to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    lists: Vec<&'static str>,
    uris: Vec<String>,
    tasks: Vec<String>,
}

impl Filter {
    fn read(node: Option<Node<'_>>) -> Self {
        let Some(node) = node else { return Self::default() };
        let texts = |key: &str| -> Vec<String> {
            let list = node.get(key).into_iter().flat_map(|l| l.elements());
            list.filter_map(|t| t.as_str()).map(|t| t.into_owned()).collect()
        };
        let on = |(key, _): &&(&'static str, &str)| node.get(key).and_then(|v| v.as_bool()) == Some(true);
        Self {
            lists: LISTS.iter().filter(on).map(|(key, _)| *key).collect(),
            uris: texts("resourceSubscriptions"),
            tasks: texts("taskIds"),
        }
    }

    fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.uris.is_empty() && self.tasks.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.lists.extend(other.lists);
        self.lists.sort_unstable();
        self.lists.dedup();
        self.uris.extend(other.uris);
        self.tasks.extend(other.tasks);
    }

    fn write(&self) -> Vec<u8> {
        subscription_filter(&self.lists, &self.uris, &self.tasks)
    }
}

/// One server's part of a subscription.
struct Source {
    server: Arc<Server>,
    honoured: Filter,
    messages: Messages,
}

enum Messages {
    Subscription(Box<dyn Exchange>),
    /// Given back when the client leaves.
    Unsolicited(broadcast::Receiver<Bytes>, Subscribed),
}

impl Gateway {
    pub(crate) async fn listen(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: Clear,
        ticket: Ticket,
        inflight: Option<InFlight>,
    ) -> Reply {
        let asked = Filter::read(cleared.call.request.params().and_then(|p| p.get("notifications")));
        let mut honoured = Filter::default();
        let (tx, rx) = mpsc::channel(BACKLOG);
        let mut tasks = JoinSet::new();
        let subscription = Arc::new(Subscription {
            gateway: self.clone(),
            snapshot: snapshot.clone(),
            id: cleared.call.request.id().clone(),
            aggregate: cleared.call.endpoint.is_none(),
        });
        for server in snapshot.behind(cleared.call.endpoint.as_ref()) {
            let part = self.part_of(snapshot, &cleared, &asked, server).await;
            if part.is_empty() {
                continue;
            }
            match self.open_source(&cleared, server, part).await {
                Ok(source) => {
                    honoured.add(subscription.shown(&source));
                    let heard = server.announcements.listen();
                    let (name, own) = (server.name.clone(), source.honoured.clone());
                    tasks.spawn(subscription.clone().pass_on(heard, name, own, tx.downgrade()));
                    tasks.spawn(subscription.clone().pump(source, tx.clone()));
                }
                Err(refusal) => self.note_left_out(&server.name, &refusal),
            }
        }
        let ack = subscription.acknowledgement(&honoured);
        // The channel closes when every part has ended; a subscription without parts stays open.
        let open = tasks.is_empty().then_some(tx);
        let admission = cleared.admission.clone();
        let flow = Listening {
            admission,
            subscription,
            rx,
            _open: open,
            _parts: tasks,
            ticket: Some(ticket),
            inflight,
        };
        begun::begin(Delivery::Event(ack), flow)
    }

    /// What of a client's wishes concerns one server, less what policy would not let it read.
    async fn part_of(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: &Clear,
        asked: &Filter,
        server: &Arc<Server>,
    ) -> Filter {
        let call = &cleared.call;
        let cx = Context { now_ms: self.clock.now_ms() };
        let mut part = Filter { lists: asked.lists.clone(), ..Filter::default() };
        for uri in &asked.uris {
            let item = Item::Resource(uri.as_str().into());
            let readable = snapshot.authoriser.visible(call.into(), &server.name, &item, &cx);
            if readable && self.may_have(snapshot, cleared, server, uri).await {
                part.uris.push(uri.clone());
            }
        }
        for task in &asked.tasks {
            let own = match &call.endpoint {
                Some(_) => Some(task.as_str()),
                None => prefix::split(task).filter(|(s, _)| *s == server.name.as_str()).map(|(_, id)| id),
            };
            let its = |id: &&str| self.tasks.is_of(&server.name, id, &call.caller, cx.now_ms);
            part.tasks.extend(own.filter(its).map(str::to_owned));
        }
        part
    }

    /// One server's endpoint takes any URI; the aggregate asks the servers that list it or a template of it.
    async fn may_have(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: &Clear,
        server: &Arc<Server>,
        uri: &str,
    ) -> bool {
        use portcullis_core::ListKind::{Resources, Templates};
        if cleared.call.endpoint.is_some() {
            return true;
        }
        let profile = profile(&cleared.call.caller, &cleared.client);
        let now_ms = self.clock.now_ms();
        let listed = self.list(snapshot, server, Resources, &profile, now_ms).await;
        if listed.is_ok_and(|list| list.get(uri).is_some()) {
            return true;
        }
        let templates = self.list(snapshot, server, Templates, &profile, now_ms).await;
        templates.is_ok_and(|list| list.entries.iter().any(|e| crate::template::matches(&e.name, uri)))
    }

    async fn open_source(
        self: &Arc<Self>,
        cleared: &Clear,
        server: &Arc<Server>,
        part: Filter,
    ) -> Result<Source, Refusal> {
        let profile = profile(&cleared.call.caller, &cleared.client);
        let link = self.link_of(server, &profile, &cleared.client).await?;
        let mut lists = crate::watch::listed(link.as_ref());
        lists.retain(|list| part.lists.contains(list));
        let mut source = match link.info().version.era() {
            Era::Modern => subscribe(server, &link, part).await?,
            Era::Legacy => imitate(server, &link, part).await,
        };
        source.honoured.lists = lists;
        Ok(source)
    }
}

async fn subscribe(server: &Arc<Server>, link: &Arc<dyn Link>, part: Filter) -> Result<Source, Refusal> {
    let mut params = b"{\"notifications\":".to_vec();
    params.extend_from_slice(&part.write());
    params.push(b'}');
    let outbound = outbound::own(
        link.as_ref(),
        "subscriptions/listen",
        &params,
        Timing { idle: FOREVER, total: FOREVER },
    )?;
    let mut exchange = link.request(outbound).await.map_err(|e| outbound::refusal(&server.name, &e))?;
    let UpstreamEvent::Notification(ack) = first_of(&mut exchange, server).await? else {
        return Err(crate::translate::untranslatable("the server does not accept subscriptions"));
    };
    let ack = Document::parse(ack, &GENEROUS).map_err(|e| crate::translate::untranslatable(e.to_string()))?;
    let mut honoured = Filter::read(ack.root().path(&["params", "notifications"]));
    // A server does not widen what its client may hear of.
    honoured.uris.retain(|uri| part.uris.contains(uri));
    honoured.tasks.retain(|task| part.tasks.contains(task));
    Ok(Source { server: server.clone(), honoured, messages: Messages::Subscription(exchange) })
}

/// The first message of a subscription, which comes at once (2026-07-28 basic/patterns/subscriptions),
/// although those after it may take for ever.
pub(crate) async fn first_of(
    exchange: &mut Box<dyn Exchange>,
    server: &Server,
) -> Result<UpstreamEvent, Refusal> {
    let idle = server.timing.idle;
    let first = tokio::time::timeout(idle, exchange.next()).await;
    let first = first.unwrap_or(Err(portcullis_core::UpstreamError::Timeout(idle)));
    first.map_err(|e| outbound::refusal(&server.name, &e))
}

/// A legacy server's list changes arrive unasked; each resource is subscribed on its own.
async fn imitate(server: &Arc<Server>, link: &Arc<dyn Link>, part: Filter) -> Source {
    let messages = link.unsolicited();
    let mut honoured = Filter::default();
    let mut subscribed = Subscribed::new(link.clone(), server.clone());
    for uri in part.uris {
        subscribed.add(uri).await;
    }
    honoured.uris = subscribed.uris().to_vec();
    Source { server: server.clone(), honoured, messages: Messages::Unsolicited(messages, subscribed) }
}

/// What every part of one client's subscription shares.
struct Subscription {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    id: RequestId,
    aggregate: bool,
}

impl Subscription {
    /// What a server honours, in the names the client knows.
    fn shown(&self, source: &Source) -> Filter {
        let mut shown = source.honoured.clone();
        if self.aggregate {
            shown.tasks.iter_mut().for_each(|task| *task = prefix::join(&source.server.name, task));
        }
        shown
    }

    /// The acknowledgement comes first and names what is honoured.
    fn acknowledgement(&self, honoured: &Filter) -> Bytes {
        let mut params = b"{\"notifications\":".to_vec();
        params.extend_from_slice(&honoured.write());
        params.extend_from_slice(format!(",\"_meta\":{{\"{}\":", meta::SUBSCRIPTION_ID).as_bytes());
        params.extend_from_slice(self.id.raw());
        params.extend_from_slice(b"}}");
        message::notification("notifications/subscriptions/acknowledged", Some(&params))
    }

    async fn pump(self: Arc<Self>, source: Source, tx: mpsc::Sender<Bytes>) {
        let Source { server, honoured, messages } = source;
        match messages {
            Messages::Subscription(mut exchange) => {
                while let Ok(UpstreamEvent::Notification(body)) = exchange.next().await {
                    if self.carry(&server, &honoured, body, &tx).await.is_none() {
                        return;
                    }
                }
            }
            Messages::Unsolicited(mut messages, _subscribed) => loop {
                match messages.recv().await {
                    Ok(body) => {
                        if self.carry(&server, &honoured, body, &tx).await.is_none() {
                            return;
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            },
        }
    }

    /// Passes on what the gateway itself announces about a server's lists, for as long as there is a client.
    async fn pass_on(
        self: Arc<Self>,
        mut heard: broadcast::Receiver<Bytes>,
        server: ServerName,
        honoured: Filter,
        tx: mpsc::WeakSender<Bytes>,
    ) {
        loop {
            let body = match heard.recv().await {
                Ok(body) => body,
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            let Ok(Message::Notification(notification)) = outbound::decode(body, &GENEROUS) else { continue };
            let Some(tx) = tx.upgrade() else { return };
            if asked_for(&notification, &honoured)
                && let Some(tagged) = self.tagged(&server, &notification)
                && tx.send(tagged).await.is_err()
            {
                return;
            }
        }
    }

    /// Passes on one message if it is one the client asked for. None when the client is gone.
    async fn carry(
        &self,
        server: &Server,
        honoured: &Filter,
        body: Bytes,
        tx: &mpsc::Sender<Bytes>,
    ) -> Option<()> {
        let limits = &self.snapshot.inspector.limits().response;
        let Ok(message @ Message::Notification(_)) = outbound::decode(body, limits) else {
            self.gateway.metrics.dropped_messages.add(1);
            return Some(());
        };
        let promised = self.gateway.tasks.promised_in(&server.name, &message);
        let promised = promised.as_deref().map(tasks::promised_by);
        let answer = Answer { server: Some(server.name.clone()), surface: Surface::Notification, message };
        let cx = Context { now_ms: self.gateway.clock.now_ms() };
        let released = match self.snapshot.inspector.response(answer, promised, Consent::Absent, &cx) {
            Ok(released) => {
                self.gateway.note_findings(&server.name, released.findings());
                released.into_message()
            }
            Err(refusal) => {
                self.gateway.note_withheld(&server.name, &refusal);
                return Some(());
            }
        };
        let Message::Notification(notification) = released else { return Some(()) };
        server.catalogues.invalidate(notification.method());
        if !asked_for(&notification, honoured) {
            return Some(());
        }
        tx.send(self.tagged(&server.name, &notification)?).await.ok()
    }

    /// With this client's subscription id, and task ids as it knows them.
    fn tagged(&self, server: &ServerName, notification: &Notification) -> Option<Bytes> {
        let document = notification.document();
        let mut patch = Patch::new(document);
        let tag = format!("{{\"{}\":{}}}", meta::SUBSCRIPTION_ID, self.id);
        match (notification.params(), notification.meta()) {
            (_, Some(own)) => patch.set(own, meta::SUBSCRIPTION_ID, self.id.raw().clone()).ok()?,
            (Some(params), None) => patch.set(params, "_meta", tag).ok()?,
            (None, None) => patch.set(document.root(), "params", format!("{{\"_meta\":{tag}}}")).ok()?,
        };
        if self.aggregate
            && let Some(params) = notification.params()
            && let Some(task) = params.get("taskId").and_then(|t| t.as_str())
        {
            patch.set(params, "taskId", quoted(&prefix::join(server, &task))).ok()?;
        }
        Some(patch.apply())
    }
}

fn asked_for(notification: &Notification, honoured: &Filter) -> bool {
    let params = notification.params();
    match notification.method_kind() {
        Method::ToolsListChanged => honoured.lists.contains(&"toolsListChanged"),
        Method::PromptsListChanged => honoured.lists.contains(&"promptsListChanged"),
        Method::ResourcesListChanged => honoured.lists.contains(&"resourcesListChanged"),
        Method::ResourceUpdated => {
            let uri = params.and_then(|p| p.get("uri")).and_then(|u| u.as_str());
            uri.is_some_and(|uri| honoured.uris.iter().any(|u| uri.starts_with(u.as_str())))
        }
        Method::TaskNotification | Method::TaskStatus => {
            let task = params.and_then(|p| p.get("taskId")).and_then(|t| t.as_str());
            task.is_some_and(|task| honoured.tasks.iter().any(|known| *known == task))
        }
        _ => false,
    }
}

/// An open subscription.
struct Listening {
    subscription: Arc<Subscription>,
    rx: mpsc::Receiver<Bytes>,
    _open: Option<mpsc::Sender<Bytes>>,
    /// Tasks that end with the subscription.
    _parts: JoinSet<()>,
    ticket: Option<Ticket>,
    inflight: Option<InFlight>,
    admission: Arc<Admission>,
}

impl Listening {
    async fn advance(&mut self) -> Option<Delivery> {
        self.ticket.as_ref()?;
        let halt = self.admission.halt();
        let let_go = async {
            match &self.inflight {
                Some(inflight) => inflight.let_go().await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            () = let_go => return self.cancelled(),
            stopped = halt.fired() => return self.stopped(&stopped),
            event = self.rx.recv() => event,
        };
        match event {
            Some(event) => Some(Delivery::Event(event)),
            None => self.end(),
        }
    }

    /// What its client has let go of gets no answer; a session that ends for other reasons does.
    fn cancelled(&mut self) -> Option<Delivery> {
        if self.inflight.as_ref().is_some_and(InFlight::session_ended) {
            return self.end();
        }
        if let Some(ticket) = self.ticket.take() {
            let _receipt = ticket.close(Outcome::Cancelled, 0, Some("cancelled by the client".to_owned()));
        }
        None
    }

    /// A subscription that was stopped ends as every subscription does; the record says why.
    fn stopped(&mut self, refusal: &Refusal) -> Option<Delivery> {
        let ticket = self.ticket.take()?;
        let _receipt = ticket.close(Outcome::Stopped, 0, Some(refusal.detail().to_owned()));
        self.last_word()
    }

    /// A subscription that ends by itself ends with an empty complete result.
    fn end(&mut self) -> Option<Delivery> {
        if let Some(ticket) = self.ticket.take() {
            let _receipt = ticket.close(Outcome::Completed, 0, None);
        }
        self.last_word()
    }

    fn last_word(&self) -> Option<Delivery> {
        let tag = format!("{{\"{}\":{}}}", meta::SUBSCRIPTION_ID, self.subscription.id);
        let result = format!("{{\"resultType\":\"complete\",\"_meta\":{tag}}}");
        let body = message::response_result(&self.subscription.id, result.as_bytes());
        Some(Delivery::Final(Answered { status: 200, body }))
    }
}

impl Outflow for Listening {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(self.advance())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let _receipt =
                ticket.close(Outcome::Cancelled, 0, Some("the client closed the subscription".to_owned()));
        }
    }
}
