//! One connection to a fake server.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{
    BoxFuture, Exchange, Link, LinkProfile, Outbound, Replier, ServerInfo, UpstreamError, wire::Era,
};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Shared, exchange::FakeExchange, journal::What, script::Event};

/// Messages that wait for a slow reader, as on a real link.
const UNSOLICITED: usize = 64;

pub(super) struct FakeLink {
    pub(super) state: Arc<LinkState>,
    info: ServerInfo,
}

/// What the link's exchanges need; they do not keep the link.
pub(super) struct LinkState {
    pub(super) shared: Arc<Shared>,
    pub(super) number: usize,
    pub(super) profile: LinkProfile,
    pub(super) ended: CancellationToken,
    modern: bool,
    unsolicited: broadcast::Sender<Bytes>,
    /// Subscriptions of a stateless server: id, filter, way there.
    listeners: Mutex<Vec<(Value, Value, mpsc::UnboundedSender<Event>)>>,
    asked: Mutex<HashMap<String, oneshot::Sender<Value>>>,
    next_question: AtomicU64,
}

impl FakeLink {
    pub(super) fn new(shared: Arc<Shared>, info: ServerInfo, profile: LinkProfile, number: usize) -> Self {
        let state = LinkState {
            shared,
            number,
            profile,
            ended: CancellationToken::new(),
            modern: info.version.era() == Era::Modern,
            unsolicited: broadcast::Sender::new(UNSOLICITED),
            listeners: Mutex::default(),
            asked: Mutex::default(),
            next_question: AtomicU64::new(1),
        };
        Self { state: Arc::new(state), info }
    }
}

impl LinkState {
    pub(super) fn is_alive(&self) -> bool {
        !self.ended.is_cancelled()
    }

    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// A question of the server's own, and the way its answer comes back.
    pub(super) fn ask(&self) -> (Value, oneshot::Receiver<Value>) {
        let id = json!(format!("q{}-{}", self.number, self.next_question.fetch_add(1, Ordering::SeqCst)));
        let (tx, rx) = oneshot::channel();
        self.asked.lock().insert(id.to_string(), tx);
        (id, rx)
    }

    pub(super) fn announce(&self, message: &Value) {
        if !self.modern {
            let _nobody_listens = self.unsolicited.send(Bytes::from(message.to_string()));
            return;
        }
        let mut listeners = self.listeners.lock();
        listeners.retain(|(_, _, way)| !way.is_closed());
        for (id, filter, way) in listeners.iter().filter(|(_, filter, _)| wanted(filter, message)) {
            let _ = filter;
            let mut tagged = message.clone();
            tagged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] = id.clone();
            let _gone = way.send(Event::Note(tagged));
        }
    }

    /// Accepts a subscription: what is honoured is what was asked for, as far as the server offers it.
    pub(super) fn subscribe(&self, request: &Value, way: mpsc::UnboundedSender<Event>) -> Event {
        let asked = &request["params"]["notifications"];
        let honoured = self.shared.spec.lock().honoured(asked);
        let ack = json!({"method": "notifications/subscriptions/acknowledged", "params": {
            "notifications": honoured,
            "_meta": {"io.modelcontextprotocol/subscriptionId": request["id"]},
        }});
        self.listeners.lock().push((request["id"].clone(), honoured, way));
        Event::Note(ack)
    }
}

/// Whether a subscription covers a message.
fn wanted(filter: &Value, message: &Value) -> bool {
    match message["method"].as_str().unwrap_or_default() {
        "notifications/tools/list_changed" => filter["toolsListChanged"] == true,
        "notifications/prompts/list_changed" => filter["promptsListChanged"] == true,
        "notifications/resources/list_changed" => filter["resourcesListChanged"] == true,
        "notifications/resources/updated" => {
            let uri = &message["params"]["uri"];
            filter["resourceSubscriptions"].as_array().is_some_and(|uris| uris.contains(uri))
        }
        // A server that does not keep to the protocol sends whatever it likes.
        _ => true,
    }
}

impl Link for FakeLink {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn request(&self, outbound: Outbound) -> BoxFuture<'_, Result<Box<dyn Exchange>, UpstreamError>> {
        Box::pin(async move {
            if !self.state.is_alive() {
                return Err(UpstreamError::Unreachable("the link has ended".into()));
            }
            Ok(Box::new(FakeExchange::open(&self.state, &outbound)) as Box<dyn Exchange>)
        })
    }

    fn notify(&self, body: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(async move {
            if !self.state.is_alive() {
                return Err(UpstreamError::Unreachable("the link has ended".into()));
            }
            let entry = self.state.shared.note(&self.state, What::Notification, &body);
            self.state.shared.show(entry);
            Ok(())
        })
    }

    fn unsolicited(&self) -> broadcast::Receiver<Bytes> {
        self.state.unsolicited.subscribe()
    }

    fn replier(&self) -> Arc<dyn Replier> {
        Arc::new(FakeReplier(self.state.clone()))
    }

    fn is_alive(&self) -> bool {
        self.state.is_alive()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.state.end();
        Box::pin(std::future::ready(()))
    }
}

impl Drop for FakeLink {
    fn drop(&mut self) {
        self.state.end();
    }
}

pub(super) struct FakeReplier(pub(super) Arc<LinkState>);

impl Replier for FakeReplier {
    fn reply(&self, response: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(async move {
            if !self.0.is_alive() {
                return Err(UpstreamError::Broken("the link has ended".into()));
            }
            let entry = self.0.shared.note(&self.0, What::Reply, &response);
            let waiting = self.0.asked.lock().remove(&entry.message["id"].to_string());
            match waiting {
                Some(waiting) => {
                    let _let_go = waiting.send(entry.message);
                }
                None => self.0.shared.show(entry),
            }
            Ok(())
        })
    }
}
