//! What a client may do next.

use portcullis_core::wire::Version;
use serde_json::{Value, json};

use super::actor::Actor;
use crate::client::Door;

#[derive(Clone, Copy, Debug)]
enum Act {
    Call,
    Get,
    Read,
    Complete,
    List,
    Local,
    Subscribe,
    Cancel,
    Again,
    Nonsense,
    Unknown,
    Notify,
    StrayAnswer,
    Batch,
    CutAndResume,
    Leave,
    Vanish,
}

const ACTS: [(u64, Act); 17] = [
    (40, Act::Call),
    (10, Act::Get),
    (12, Act::Read),
    (5, Act::Complete),
    (8, Act::List),
    (5, Act::Local),
    (8, Act::Subscribe),
    (12, Act::Cancel),
    (3, Act::Again),
    (3, Act::Nonsense),
    (3, Act::Unknown),
    (4, Act::Notify),
    (2, Act::StrayAnswer),
    (3, Act::Batch),
    (5, Act::CutAndResume),
    (3, Act::Leave),
    (2, Act::Vanish),
];

const NONSENSE: [&str; 4] = ["{", r#"{"jsonrpc":"2.0"}"#, r#"{"a":1,"a":2}"#, "[]"];

impl Actor {
    pub(super) async fn act(&mut self) {
        let act = self.rng.weighted(&ACTS);
        self.world.count(&format!("{act:?}"));
        self.world.trace(self.number, format!("{act:?}"));
        match act {
            Act::Call => {
                let call = self.call();
                self.ask("tools/call", call).await;
            }
            Act::Get => {
                let name = self.shown("hi");
                self.ask("prompts/get", json!({"name": name})).await;
            }
            Act::Read => {
                let (server, n) = (self.server(), self.rng.between(0, 1_000));
                self.ask("resources/read", json!({"uri": format!("mem://{server}/{n}")})).await;
            }
            Act::Complete => {
                let name = self.shown("hi");
                let params = json!({"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "a", "value": ""}});
                self.ask("completion/complete", params).await;
            }
            Act::List => {
                let method = *self.rng.pick(&[
                    "tools/list",
                    "prompts/list",
                    "resources/list",
                    "resources/templates/list",
                ]);
                let params = if self.rng.chance(10) { json!({"cursor": "0-0"}) } else { json!({}) };
                self.ask(method, params).await;
            }
            Act::Local if self.is_modern() => self.ask("server/discover", json!({})).await,
            Act::Local => {
                let level = *self.rng.pick(&["debug", "error", "loud"]);
                self.ask("logging/setLevel", json!({"level": level})).await;
            }
            Act::Subscribe => self.subscribe().await,
            Act::Cancel => {
                if let Some(id) = self.some_request() {
                    self.cancel(&id).await;
                }
            }
            Act::Again if !self.is_modern() => {
                if let Some(id) = self.some_request() {
                    let message = self.open[&id.to_string()].message.clone();
                    self.send(message).await;
                }
            }
            Act::Nonsense => {
                let text = *self.rng.pick(&NONSENSE);
                self.unreadable += 1;
                self.send_text(text).await;
            }
            Act::Unknown => self.ask("tools/invent", json!({})).await,
            Act::Notify if !self.is_modern() => {
                let a = self.fresh_number();
                self.send(
                    json!({"method": "notifications/roots/list_changed", "params": {"_meta": {"a": a}}}),
                )
                .await;
                // Said so when the log is full.
                self.unreadable += 1;
            }
            Act::StrayAnswer if !self.is_modern() => {
                let a = self.fresh_number();
                self.send(json!({"id": 999_999, "result": {"_meta": {"a": a}}})).await;
                self.unreadable += 1;
            }
            Act::Batch if self.may_batch() => self.batch().await,
            Act::CutAndResume if self.card.door == Door::Http && !self.is_modern() => self.cut_and_resume(),
            Act::Leave => self.leave(true).await,
            Act::Vanish => self.leave(false).await,
            _ => {}
        }
    }

    /// A tool call, sometimes to a tool that is not there, not permitted, or not to be called like this.
    fn call(&mut self) -> Value {
        let tool = self.rng.weighted(&[(70, "echo"), (15, "strict"), (8, "denied"), (7, "none")]);
        let mut call = json!({"name": self.shown(tool), "arguments": {"n": self.rng.between(0, 9)}});
        if tool == "strict" && self.rng.chance(40) {
            call["arguments"]["n"] = json!("one");
        }
        call
    }

    pub(super) async fn ask(&mut self, method: &str, mut params: Value) {
        let (id, n) = (self.fresh_id(), self.fresh_number());
        params["_meta"]["n"] = json!(n);
        if self.rng.chance(50) {
            params["_meta"]["progressToken"] = json!(n);
        }
        if self.is_modern() && self.rng.chance(50) {
            params["_meta"]["io.modelcontextprotocol/logLevel"] = json!("info");
        }
        self.send(json!({"id": id, "method": method, "params": params})).await;
    }

    async fn subscribe(&mut self) {
        let uri = format!("mem://{}/watch", self.server());
        if !self.is_modern() {
            let method = *self.rng.pick(&["resources/subscribe", "resources/unsubscribe"]);
            return self.ask(method, json!({"uri": uri})).await;
        }
        let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": [uri]});
        self.ask("subscriptions/listen", json!({"notifications": wanted})).await;
    }

    /// Batches are taken apart by transports.
    fn may_batch(&self) -> bool {
        self.card.door != Door::Direct && self.card.version.is_some_and(Version::allows_batch)
    }

    async fn batch(&mut self) {
        let mut batch = Vec::new();
        for _ in 0..self.rng.between(1, 4) {
            let (id, n) = (self.fresh_id(), self.fresh_number());
            let mut params = self.call();
            params["_meta"]["n"] = json!(n);
            batch.push(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
        }
        self.expect(&batch);
        // The answers to the parts of a batch come together, when the last is there.
        self.send_text(&Value::Array(batch).to_string()).await;
    }

    /// Loses the connection of a request and asks for what it missed.
    fn cut_and_resume(&mut self) {
        let Some(id) = self.some_request() else { return };
        let Some(client) = &mut self.client else { return };
        let last = client.last_event(&id);
        if !client.cut(&id) {
            // Part of a batch, which is answered on one connection.
            return;
        }
        // Without an event the client cannot tell which stream it lost.
        match last {
            Some(last) => client.resume(&last),
            None => {
                self.open.entry(id.to_string()).and_modify(|open| open.let_go = true);
            }
        }
    }

    /// A request that is under way.
    fn some_request(&mut self) -> Option<Value> {
        let open: Vec<_> =
            self.open.values().filter(|o| !o.let_go).map(|o| o.message["id"].clone()).collect();
        (!open.is_empty()).then(|| self.rng.pick(&open).clone())
    }

    fn server(&mut self) -> String {
        match &self.card.endpoint {
            Some(server) => server.to_string(),
            None => self.rng.pick(&self.servers).clone(),
        }
    }

    /// A server's name for something, as this client's endpoint shows it.
    fn shown(&mut self, name: &str) -> String {
        match &self.card.endpoint {
            Some(_) => name.to_owned(),
            None => format!("{}__{name}", self.server()),
        }
    }
}
