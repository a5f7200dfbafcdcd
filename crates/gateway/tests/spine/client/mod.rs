//! Clients of every transport, which send what they are told and collect what they get.

mod direct;
mod http;
mod stdio;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use portcullis_core::{
    ServerName,
    wire::{Era, Message, Version, decode_one, json::Limits, meta},
};
use portcullis_identity::Authenticated;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::house::{House, local_user, settled};
pub(crate) use http::Network;

/// Through which door a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Door {
    /// `Gateway::serve` itself.
    Direct,
    /// Streamable HTTP over pipes in memory.
    Http,
    /// Streamable HTTP over a real loopback socket.
    Loopback,
    /// HTTP+SSE over pipes in memory.
    Sse,
    /// Standard input and output.
    Stdio,
}

/// Who a client is and what it can do.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) door: Door,
    /// Asked for in `initialize`, or named in every request; none sends only what it is told.
    pub(crate) version: Option<Version>,
    pub(crate) endpoint: Option<ServerName>,
    pub(crate) capabilities: Value,
}

impl Card {
    pub(crate) fn era(&self) -> Option<Era> {
        self.version.map(Version::era)
    }

    fn path(&self, first: &str) -> String {
        match &self.endpoint {
            Some(server) => format!("/{first}/{server}"),
            None => format!("/{first}"),
        }
    }
}

/// One message a client got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// HTTP status, where there is one; 200 on a stream.
    pub(crate) status: Option<u16>,
    pub(crate) message: Value,
}

/// What a door's tasks share: where messages go, and what can be cut off.
#[derive(Clone)]
struct Post {
    inbox: mpsc::UnboundedSender<Received>,
    /// By the id of the message they serve, which may have been used again.
    running: Arc<Mutex<HashMap<String, Vec<tokio::task::AbortHandle>>>>,
}

impl Post {
    fn deliver(&self, status: Option<u16>, body: &[u8]) {
        let message = serde_json::from_slice(body)
            .unwrap_or_else(|e| panic!("not JSON: {e}: {}", String::from_utf8_lossy(body)));
        let _client_gone = self.inbox.send(Received { status, message });
    }

    /// Runs what serves one message, so that it can be cut off by the message's id.
    fn run(&self, id: &Value, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task).abort_handle();
        self.running.lock().unwrap().entry(id.to_string()).or_default().push(handle);
    }

    fn cut(&self, id: &Value) -> bool {
        let handles = self.running.lock().unwrap().remove(&id.to_string());
        handles.map(|handles| handles.iter().for_each(|handle| handle.abort())).is_some()
    }

    fn cut_all(&self) {
        self.running.lock().unwrap().drain().flat_map(|(_, all)| all).for_each(|handle| handle.abort());
    }
}

enum Transport {
    Direct(direct::Direct),
    Http(http::Http),
    Stdio(stdio::Stdio),
}

/// A client.
pub(crate) struct Client {
    pub(crate) card: Card,
    transport: Transport,
    inbox: mpsc::UnboundedReceiver<Received>,
}

impl Client {
    /// Connects; a legacy client also shakes hands. Fails with the answer to that.
    pub(crate) async fn connect(house: &House, network: &Network, card: Card) -> Result<Self, Value> {
        Self::connect_as(house, network, card, local_user()).await
    }

    /// Connects as somebody, which only [`Door::Direct`] lets a client choose.
    pub(crate) async fn connect_as(
        house: &House,
        network: &Network,
        card: Card,
        caller: Authenticated,
    ) -> Result<Self, Value> {
        let (tx, inbox) = mpsc::unbounded_channel();
        let post = Post { inbox: tx, running: Arc::default() };
        let transport = match card.door {
            Door::Direct => Transport::Direct(direct::Direct::new(house, caller, &card, post)),
            Door::Http | Door::Loopback => Transport::Http(http::Http::streamable(network, &card, post)),
            Door::Sse => {
                Transport::Http(http::Http::with_stream(network, &card, post).await.ok_or_else(shut)?)
            }
            Door::Stdio => Transport::Stdio(stdio::Stdio::open(house, &card, post).await.ok_or_else(shut)?),
        };
        let mut client = Self { card, transport, inbox };
        if client.card.era() == Some(Era::Legacy) {
            client.shake_hands().await?;
        }
        Ok(client)
    }

    async fn shake_hands(&mut self) -> Result<(), Value> {
        let version = self.card.version.expect("a legacy client has a version");
        let hello = json!({"id": "hello", "method": "initialize", "params": {
            "protocolVersion": version.as_str(),
            "capabilities": self.card.capabilities,
            "clientInfo": {"name": "client", "version": "1"},
        }});
        self.send(hello).await;
        let mut answer = self.next().await.message;
        // A server may have had something to say before it.
        while answer["id"] != "hello" {
            answer = self.next().await.message;
        }
        if answer.get("result").is_none() {
            return Err(answer);
        }
        assert_eq!(answer["result"]["protocolVersion"], version.as_str());
        if let Transport::Direct(direct) = &mut self.transport {
            direct.join();
        }
        self.send(json!({"method": "notifications/initialized"})).await;
        if let Transport::Http(http) = &self.transport {
            http.listen(None);
        }
        settled().await;
        Ok(())
    }

    /// Sends a message, completed with what every message of the client's version has.
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_raw(self.complete(message)).await;
    }

    /// A message with what every message of the client's version has.
    pub(crate) fn complete(&self, mut message: Value) -> Bytes {
        message["jsonrpc"] = json!("2.0");
        if self.card.era() == Some(Era::Modern) && message.get("method").is_some() {
            self.add_context(&mut message);
        }
        message.to_string().into()
    }

    fn add_context(&self, message: &mut Value) {
        let own = &mut message["params"]["_meta"];
        for (key, value) in [
            (meta::PROTOCOL_VERSION, json!(Version::LATEST.as_str())),
            (meta::CLIENT_CAPABILITIES, self.card.capabilities.clone()),
            (meta::CLIENT_INFO, json!({"name": "client", "version": "1"})),
        ] {
            if own.get(key).is_none() {
                own[key] = value;
            }
        }
    }

    /// Sends these bytes. Returns when the gateway has taken them in; answers come later.
    pub(crate) async fn send_raw(&mut self, body: Bytes) {
        match &mut self.transport {
            Transport::Direct(direct) => direct.send(body),
            Transport::Http(http) => http.send(body),
            Transport::Stdio(stdio) => stdio.send(&body).await,
        }
        if self.card.door != Door::Loopback {
            settled().await;
        }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Received {
        let patience = tokio::time::Duration::from_secs(60);
        let received = tokio::time::timeout(patience, self.inbox.recv()).await;
        received.expect("nothing came").expect("the transport has ended")
    }

    /// The next message, however long it takes; none once the transport has ended.
    pub(crate) async fn recv(&mut self) -> Option<Received> {
        self.inbox.recv().await
    }

    /// The next message if there is one.
    pub(crate) fn try_next(&mut self) -> Option<Received> {
        self.inbox.try_recv().ok()
    }

    /// Cuts off the connection that serves this request, where each has its own; false when there is none.
    pub(crate) fn cut(&mut self, id: &Value) -> bool {
        match &self.transport {
            Transport::Direct(direct) => direct.post.cut(id),
            Transport::Http(http) => http.post.cut(id),
            Transport::Stdio(_) => panic!("requests share the pipes"),
        }
    }

    /// Asks for the rest of a stream.
    pub(crate) fn resume(&mut self, last_event: &str) {
        match &self.transport {
            Transport::Http(http) => http.listen(Some(last_event)),
            _ => panic!("only HTTP has streams to resume"),
        }
    }

    /// The id of the newest event on the stream of this request.
    pub(crate) fn last_event(&self, id: &Value) -> Option<String> {
        match &self.transport {
            Transport::Http(http) => http.last_event(id),
            _ => None,
        }
    }

    /// The session, where the client knows it.
    pub(crate) fn session(&self) -> Option<String> {
        match &self.transport {
            Transport::Direct(direct) => direct.session_id(),
            Transport::Http(http) => http.session_id(),
            Transport::Stdio(_) => None,
        }
    }

    /// Goes away without a word.
    pub(crate) fn vanish(&mut self) {
        match &mut self.transport {
            Transport::Direct(direct) => direct.post.cut_all(),
            Transport::Http(http) => http.post.cut_all(),
            Transport::Stdio(stdio) => stdio.hang_up(),
        }
    }

    /// Ends its session and goes away.
    pub(crate) async fn leave(&mut self) {
        match &mut self.transport {
            Transport::Direct(direct) => direct.end(),
            Transport::Http(http) => http.end().await,
            Transport::Stdio(stdio) => stdio.hang_up(),
        }
        self.vanish();
        settled().await;
    }
}

/// In place of an answer, where the transport itself was refused.
fn shut() -> Value {
    json!({"error": "the transport was refused"})
}

/// The id of a request, or null; answers have ids that others chose.
fn id_of(body: &Bytes) -> Value {
    let message = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if message.get("method").is_some() { message["id"].clone() } else { Value::Null }
}

/// The headers a client of 2026-07-28 sends with a message.
fn headers_of(card: &Card, body: &Bytes) -> Vec<(::http::HeaderName, ::http::HeaderValue)> {
    use portcullis_core::wire::header;
    match (card.era(), decode_one(body.clone(), &Limits::default())) {
        (Some(Era::Modern), Ok(Message::Request(request))) => {
            header::build(&request, &[], Version::LATEST).unwrap_or_default()
        }
        (Some(Era::Legacy), _) if card.version.is_some_and(Version::has_version_header) => {
            let version = card.version.map_or("", Version::as_str);
            vec![(header::PROTOCOL_VERSION, ::http::HeaderValue::from_static(version))]
        }
        _ => Vec::new(),
    }
}
