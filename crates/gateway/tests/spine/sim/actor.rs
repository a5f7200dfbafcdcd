//! A client that asks at random, answers at random, and remembers what it is owed.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_core::wire::Era;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep_until};

use super::{
    rng::Rng,
    world::{PER_CLIENT, World, number},
};
use crate::client::{Card, Client, Door};

pub(crate) struct Actor {
    pub(super) number: u64,
    pub(super) world: Arc<World>,
    pub(super) rng: Rng,
    pub(super) card: Card,
    pub(super) servers: Vec<String>,
    pub(super) client: Option<Client>,
    /// Requests that are owed an answer, by id.
    pub(super) open: BTreeMap<String, Open>,
    /// What will be sent later.
    later: Vec<(Instant, Value)>,
    next_number: u64,
    next_id: u64,
    /// Answers with no id that are still to come, at most.
    pub(super) unreadable: u64,
}

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) n: u64,
    pub(super) message: Value,
    /// How often it was sent under the same id.
    pub(super) times: u64,
    /// It need not be answered any more.
    pub(super) let_go: bool,
}

impl Actor {
    pub(crate) fn new(number: u64, world: Arc<World>, rng: Rng, card: Card, servers: Vec<String>) -> Self {
        Self {
            number,
            world,
            rng,
            card,
            servers,
            client: None,
            open: BTreeMap::new(),
            later: Vec::new(),
            next_number: number * PER_CLIENT,
            next_id: 0,
            unreadable: 0,
        }
    }

    pub(super) fn is_modern(&self) -> bool {
        self.card.era() == Some(Era::Modern)
    }

    /// Does this many things, then waits for everything it is owed.
    pub(crate) async fn live(mut self, steps: u64) -> Self {
        for _ in 0..steps {
            let pause = self.rng.between(1, 400);
            self.listen(Instant::now() + Duration::from_millis(pause)).await;
            if self.client.is_none() {
                self.connect().await;
            } else {
                self.act().await;
            }
        }
        self.let_go_of_subscriptions().await;
        let patience = Instant::now() + Duration::from_secs(90);
        while Instant::now() < patience && self.is_owed() {
            self.listen(Instant::now() + Duration::from_millis(500)).await;
        }
        for (id, open) in self.open.iter().filter(|(_, open)| !open.let_go) {
            self.world.fault(format!("{} never got an answer to {id}: {}", self.name(), open.message));
        }
        self
    }

    fn is_owed(&self) -> bool {
        self.client.is_some() && (!self.later.is_empty() || self.open.values().any(|open| !open.let_go))
    }

    pub(super) fn name(&self) -> String {
        format!("client {} ({:?}, {:?})", self.number, self.card.door, self.card.version)
    }

    async fn connect(&mut self) {
        let world = self.world.clone();
        match Client::connect(&world.house, &world.network, self.card.clone()).await {
            Ok(client) => {
                self.client = Some(client);
                self.world.count("connected");
            }
            // The server is down, the log is full, or there are enough sessions.
            Err(answer) => assert!(answer.get("error").is_some(), "{answer}"),
        }
    }

    /// Goes away; what it was owed is lost.
    pub(crate) async fn leave(&mut self, politely: bool) {
        let Some(mut client) = self.client.take() else { return };
        if politely {
            client.leave().await
        } else {
            client.vanish()
        }
        self.open.clear();
        self.later.clear();
        self.unreadable = 0;
    }

    /// Takes in what comes, and sends what is due, until then.
    async fn listen(&mut self, until: Instant) {
        loop {
            self.later.sort_by_key(|(due, _)| *due);
            let due = self.later.first().map_or(until, |(due, _)| until.min(*due));
            let Some(client) = &mut self.client else {
                return sleep_until(until).await;
            };
            let received = tokio::select! {
                biased;
                () = sleep_until(due) => None,
                received = client.recv() => match received {
                    Some(received) => Some(received),
                    None => return sleep_until(until).await,
                },
            };
            match received {
                Some(received) => match received.message {
                    Value::Array(batch) => batch.into_iter().for_each(|message| self.hear(message)),
                    message => self.hear(message),
                },
                None if due == until && self.later.first().is_none_or(|(due, _)| *due > until) => return,
                None => {
                    let (_, message) = self.later.remove(0);
                    self.send(message).await;
                }
            }
        }
    }

    /// Sends a message after a while.
    pub(super) fn send_later(&mut self, message: Value) {
        let after = Duration::from_millis(self.rng.between(1, 1_500));
        self.later.push((Instant::now() + after, message));
    }

    pub(super) async fn send(&mut self, message: Value) {
        let Some(client) = &mut self.client else { return };
        let bytes = client.complete(message.clone());
        self.world.sent(&message, &bytes);
        if message.get("id").is_some() && message.get("method").is_some() {
            let n = number(&message, "n").unwrap_or_default();
            let open = Open { n, message: message.clone(), times: 0, let_go: false };
            self.open.entry(message["id"].to_string()).or_insert(open).times += 1;
        }
        self.world.trace(self.number, format!("-> {message}"));
        client.send_raw(bytes).await;
    }

    pub(super) async fn send_text(&mut self, text: &str) {
        let Some(client) = &mut self.client else { return };
        client.send_raw(text.to_owned().into()).await;
    }

    /// A new number for a call or an answer.
    pub(super) fn fresh_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(super) fn fresh_id(&mut self) -> Value {
        self.next_id += 1;
        if self.next_id.is_multiple_of(3) { json!(format!("r{}", self.next_id)) } else { json!(self.next_id) }
    }

    /// Every request that may be answered has to be; subscriptions never are by themselves.
    async fn let_go_of_subscriptions(&mut self) {
        let is_listen = |open: &&Open| open.message["method"] == "subscriptions/listen" && !open.let_go;
        let ids: Vec<Value> = self.open.values().filter(is_listen).map(|o| o.message["id"].clone()).collect();
        for id in ids {
            self.cancel(&id).await;
        }
    }

    /// Cancels as the client's transport and version have it.
    pub(super) async fn cancel(&mut self, id: &Value) {
        self.world.count("cancelled");
        self.open.entry(id.to_string()).and_modify(|open| open.let_go = true);
        let own_connection = matches!(self.card.door, Door::Direct | Door::Http);
        if self.is_modern() && own_connection {
            let cut = self.client.as_mut().is_none_or(|client| client.cut(id));
            assert!(cut, "{}: {id} has no connection", self.name());
            return;
        }
        self.send(json!({"method": "notifications/cancelled", "params": {"requestId": id}})).await;
    }
}
