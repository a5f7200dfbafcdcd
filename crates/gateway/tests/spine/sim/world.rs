//! What everybody in a run shares, and what is known about every message.
//!
//! Every request of a client carries `_meta.n`, a number that is its call's alone and names the client; every
//! answer to a question carries `_meta.a` besides. Servers repeat `n` in all they say.

use std::{collections::HashMap, fmt::Display};

use parking_lot::Mutex;
use portcullis_core::Digest;
use serde_json::Value;
use tokio::time::Instant;

use crate::{client::Network, house::House};

/// Numbers of one client begin at its own multiple of this.
pub(crate) const PER_CLIENT: u64 = 1_000_000;

pub(crate) struct World {
    pub(crate) house: House,
    pub(crate) network: Network,
    facts: Mutex<Facts>,
    begun: Instant,
    traces: bool,
}

#[derive(Default)]
pub(crate) struct Facts {
    /// Digests of the messages that carried each call.
    pub(crate) calls: HashMap<u64, Vec<String>>,
    /// Digest of the message that carried each answer.
    pub(crate) answers: HashMap<u64, String>,
    /// What must not have happened.
    pub(crate) faults: Vec<String>,
    /// How often things happened, so that a run that tests nothing is noticed.
    pub(crate) counts: HashMap<String, u64>,
}

impl World {
    pub(crate) fn new(house: House) -> Self {
        let network = Network::memory(&house);
        let traces = std::env::var_os("SPINE_TRACE").is_some();
        Self { house, network, facts: Mutex::default(), begun: Instant::now(), traces }
    }

    /// Notes a message that a client is about to send.
    pub(crate) fn sent(&self, message: &Value, bytes: &[u8]) {
        let digest = Digest::of(bytes).to_string();
        let mut facts = self.facts.lock();
        if let Some(n) = number(message, "n") {
            facts.calls.entry(n).or_default().push(digest.clone());
        }
        for a in answers_in(message) {
            facts.answers.insert(a, digest.clone());
        }
    }

    /// Says what happens, when somebody wants to know.
    pub(crate) fn trace(&self, who: impl Display, what: impl Display) {
        if self.traces {
            eprintln!("{:>6} {who} {what}", self.begun.elapsed().as_millis());
        }
    }

    pub(crate) fn fault(&self, what: impl Into<String>) {
        self.facts.lock().faults.push(what.into());
    }

    pub(crate) fn count(&self, what: &str) {
        *self.facts.lock().counts.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn into_parts(self) -> (House, Network, Facts) {
        (self.house, self.network, self.facts.into_inner())
    }
}

/// `n` or `a` of a message, wherever its kind of message has it.
pub(crate) fn number(message: &Value, name: &str) -> Option<u64> {
    let places = [
        &message["params"]["_meta"][name],
        &message["result"]["_meta"][name],
        &message["error"]["data"][name],
    ];
    places.into_iter().find_map(Value::as_u64)
}

/// Every answer a message carries: as a response, or in the retry of a call.
pub(crate) fn answers_in(message: &Value) -> Vec<u64> {
    let carried = message["params"]["inputResponses"].as_object();
    let retried = carried.into_iter().flat_map(|answers| answers.values());
    let retried = retried.filter_map(|answer| answer["_meta"]["a"].as_u64());
    number(message, "a").into_iter().chain(retried).collect()
}
