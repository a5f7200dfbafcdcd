//! Somebody who uses whatever handle there is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::server::{TOOLS, marks};
use crate::{
    client::{Card, Client, Door, Network},
    house::{House, somebody},
    sim::rng::Rng,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    /// Of a stateless server.
    State,
    /// Of a call that is held here.
    Held,
    Cursor,
}

/// A handle, and who was given it.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) kind: Kind,
    pub(super) at: Place,
    pub(super) value: String,
    owner: &'static str,
}

/// Which client of a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Alpha,
    Beta,
    Session,
}

/// What everybody together holds, and what went wrong.
#[derive(Default)]
pub(super) struct Pool {
    handles: Vec<Handle>,
    /// Who was first shown which list of which place.
    lists: BTreeMap<String, &'static str>,
    pub(super) faults: Vec<String>,
    pub(super) counts: BTreeMap<String, u64>,
}

impl Pool {
    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    pub(super) fn some(&self, rng: &mut Rng, kind: Kind) -> Option<Handle> {
        let of: Vec<_> = self.handles.iter().filter(|handle| handle.kind == kind).collect();
        (!of.is_empty()).then(|| (*rng.pick(&of)).clone())
    }
}

/// What a request was for.
#[derive(Clone, Debug)]
enum Wish {
    /// Something of one's own: a call of this kind.
    New(&'static str),
    Used(Handle),
    List,
}

pub(super) struct Person {
    pub(super) name: &'static str,
    alpha: Client,
    beta: Client,
    legacy: Client,
    open: BTreeMap<String, (Place, Wish)>,
    next: u64,
    listens: bool,
}

impl Person {
    pub(super) async fn arrive(house: &House, network: &Network, name: &'static str) -> Self {
        let connect = |version: &str, endpoint: &str| {
            let card = Card {
                door: Door::Direct,
                version: Some(version.parse().unwrap()),
                endpoint: Some(endpoint.parse().unwrap()),
                capabilities: json!({"roots": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}),
            };
            Client::connect_as(house, network, card, somebody(name))
        };
        Self {
            name,
            alpha: connect("2026-07-28", "alpha").await.unwrap(),
            beta: connect("2026-07-28", "beta").await.unwrap(),
            legacy: connect("2025-11-25", "beta").await.unwrap(),
            open: BTreeMap::new(),
            next: 0,
            listens: false,
        }
    }

    pub(super) fn session(&self) -> String {
        self.legacy.session().unwrap()
    }

    fn client(&mut self, at: Place) -> &mut Client {
        match at {
            Place::Alpha => &mut self.alpha,
            Place::Beta => &mut self.beta,
            Place::Session => &mut self.legacy,
        }
    }

    async fn send(&mut self, at: Place, method: &str, mut params: Value, wish: Wish) {
        self.next += 1;
        let id = format!("{}-{}", self.name, self.next);
        params["_meta"]["owner"] = json!(self.name);
        self.open.insert(id.clone(), (at, wish));
        self.client(at).send(json!({"id": id, "method": method, "params": params})).await;
    }

    pub(super) async fn call(&mut self, rng: &mut Rng, kind: &'static str) {
        let at = match kind {
            "task" | "state" => Place::Alpha,
            "ask" => *rng.pick(&[Place::Beta, Place::Session]),
            _ => *rng.pick(&[Place::Alpha, Place::Beta, Place::Session]),
        };
        self.send(at, "tools/call", json!({"name": "echo", "arguments": {"kind": kind}}), Wish::New(kind))
            .await;
    }

    pub(super) async fn list(&mut self, rng: &mut Rng, method: &str) {
        let at = *rng.pick(&[Place::Alpha, Place::Beta, Place::Session]);
        self.send(at, method, json!({}), Wish::List).await;
    }

    /// Uses a handle that anybody was given, as its owner would.
    pub(super) async fn use_any(&mut self, rng: &mut Rng, pool: &Pool) {
        let kind = *rng.pick(&[Kind::Task, Kind::State, Kind::Held, Kind::Cursor]);
        let Some(handle) = pool.some(rng, kind) else { return };
        let (method, params) = match kind {
            Kind::Task => {
                (*rng.pick(&["tasks/get", "tasks/cancel", "tasks/update"]), json!({"taskId": handle.value}))
            }
            Kind::Cursor => ("prompts/list", json!({"cursor": handle.value})),
            Kind::State | Kind::Held => {
                let kind = if kind == Kind::State { "state" } else { "ask" };
                let answers = json!({"k": {"roots": []}, "input-1": {"roots": []}});
                let params = json!({"name": "echo", "arguments": {"kind": kind}, "requestState": handle.value, "inputResponses": answers});
                ("tools/call", params)
            }
        };
        self.send(handle.at, method, params, Wish::Used(handle)).await;
    }

    /// Asks to be told of tasks, whosever they are; once.
    pub(super) async fn listen(&mut self, rng: &mut Rng, pool: &Pool) {
        let tasks: Vec<_> =
            (0..6).filter_map(|_| pool.some(rng, Kind::Task)).map(|task| task.value).collect();
        if !self.listens && tasks.len() == 6 {
            self.listens = true;
            self.send(
                Place::Alpha,
                "subscriptions/listen",
                json!({"notifications": {"taskIds": tasks}}),
                Wish::List,
            )
            .await;
        }
    }

    /// Takes in everything that has come, and looks at whose it is.
    pub(super) async fn hear(&mut self, pool: &mut Pool) {
        for at in [Place::Alpha, Place::Beta, Place::Session] {
            while let Some(received) = self.client(at).try_next() {
                let message = received.message;
                let text = message.to_string();
                if let Some(other) = marks(&text).find(|name| *name != self.name) {
                    pool.faults.push(format!("{} got what is {other}'s: {text}", self.name));
                }
                let foreign = |handle: &&Handle| handle.owner != self.name && text.contains(&handle.value);
                if let Some(handle) = pool.handles.iter().find(foreign) {
                    pool.faults.push(format!("{} got a handle of {}: {text}", self.name, handle.owner));
                }
                match (message.get("method"), message.get("id")) {
                    (Some(_), Some(id)) => {
                        self.client(at).send(json!({"id": id, "result": {"roots": []}})).await
                    }
                    (Some(method), None) if method == "notifications/tasks" => {
                        pool.count("told of an own task")
                    }
                    (Some(_), None) => {}
                    (None, _) => self.answered(at, &message, pool),
                }
            }
        }
    }

    fn answered(&mut self, at: Place, message: &Value, pool: &mut Pool) {
        let Some((_, wish)) = self.open.remove(message["id"].as_str().unwrap_or_default()) else { return };
        let result = &message["result"];
        if let Wish::Used(handle) = &wish {
            let whose = if handle.owner == self.name { "own" } else { "foreign" };
            match (whose, message.get("error")) {
                ("own", None) => pool.count(format!("own {:?}", handle.kind)),
                // A call is held for one answer.
                ("own", Some(_)) if handle.kind == Kind::Held => {}
                ("foreign", Some(error)) if error["code"] == -32602 => {
                    pool.count(format!("foreign {:?}", handle.kind))
                }
                _ => pool.faults.push(format!("{}: {whose} {handle:?}: {message}", self.name)),
            }
        }
        if let (Wish::New("task"), Some(_)) = (&wish, message.get("error")) {
            pool.count("withheld");
        }
        let mut keep = |kind, value: &Value| {
            if let Some(value) = value.as_str() {
                let known = pool.handles.iter().any(|handle| handle.kind == kind && handle.value == value);
                if !known {
                    pool.handles.push(Handle { kind, at, value: value.to_owned(), owner: self.name });
                }
            }
        };
        keep(Kind::Task, &result["taskId"]);
        keep(if at == Place::Alpha { Kind::State } else { Kind::Held }, &result["requestState"]);
        keep(Kind::Cursor, &result["nextCursor"]);
        if let Some(tools) = result["tools"].as_array() {
            let names: BTreeSet<_> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
            let list: String =
                TOOLS.iter().map(|name| if names.contains(name) { '1' } else { '0' }).collect();
            let server = if at == Place::Alpha { "alpha" } else { "beta" };
            let first = *pool.lists.entry(format!("{server} {list}")).or_insert(self.name);
            if first != self.name {
                pool.faults.push(format!("{} was shown the list of {first} at {server}: {list}", self.name));
            }
            pool.count("lists");
        }
    }
}
