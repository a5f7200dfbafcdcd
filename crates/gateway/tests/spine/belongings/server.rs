//! A server that marks what it gives out, and believes whatever it is shown.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::PEOPLE;
use crate::{
    fake::{Brain, Event},
    sim::rng::Rng,
};

/// What it may list: the first always, of the others some, different ones each time.
pub(super) const TOOLS: [&str; 13] =
    ["echo", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11"];

/// What marks whatever is this person's.
pub(super) fn mark(name: &str) -> String {
    format!("of-{name}")
}

/// Whose marks are in a text.
pub(super) fn marks(text: &str) -> impl Iterator<Item = &'static str> {
    PEOPLE.into_iter().filter(move |name| text.contains(&mark(name)))
}

pub(super) struct Trusting {
    number: AtomicU64,
    rng: Mutex<Rng>,
    tasks: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
}

impl Trusting {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            number: AtomicU64::new(1),
            rng: Mutex::new(rng),
            tasks: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.lock().clone()
    }

    /// A task of the caller's, or, now and then, whatever task there is.
    fn task(&self, number: u64, owner: &str) -> String {
        let mut tasks = self.tasks.lock();
        let mut rng = self.rng.lock();
        if !tasks.is_empty() && rng.chance(20) {
            return rng.pick(&tasks).clone();
        }
        let task = format!("t{number}-{}", mark(owner));
        tasks.push(task.clone());
        task
    }

    fn call(&self, number: u64, owner: &str, params: &Value) -> Vec<Event> {
        let secret = |whose: &str| json!({"resultType": "complete", "content": [{"type": "text", "text": format!("s{number}-{}", mark(whose))}]});
        let question = || json!({"method": "roots/list"});
        match (params["arguments"]["kind"].as_str(), params["requestState"].as_str()) {
            (Some("task"), _) => {
                vec![Event::Result(
                    json!({"resultType": "task", "taskId": self.task(number, owner), "status": "working"}),
                )]
            }
            (Some("state"), None) => vec![Event::Result(json!({"resultType": "input_required",
                "requestState": format!("r{number}-{}", mark(owner)), "inputRequests": {"k": question()}}))],
            // Whoever's state it is, gets that person's secret.
            (Some("state"), Some(state)) => {
                vec![Event::Result(secret(marks(state).next().unwrap_or("nobody")))]
            }
            (Some("ask"), _) => {
                vec![Event::Ask(question()), Event::Result(json!({"content": secret(owner)["content"]}))]
            }
            _ => vec![Event::Result(secret(owner))],
        }
    }
}

impl Brain for Trusting {
    fn answer(&self, server: &str, request: &Value) -> Option<Vec<Event>> {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let (method, params) = (request["method"].as_str().unwrap_or_default(), &request["params"]);
        if method == "tools/list" {
            let listed = |(at, name): (usize, &&str)| {
                let shown = at == 0 || number >> (at - 1) & 1 == 1;
                shown.then(|| json!({"name": name, "inputSchema": {"type": "object"}}))
            };
            let tools: Vec<_> = TOOLS.iter().enumerate().filter_map(listed).collect();
            let modern = server == "alpha";
            let more = if modern {
                json!({"resultType": "complete", "ttlMs": 1_000, "cacheScope": "public"})
            } else {
                json!({})
            };
            let mut result = more;
            result["tools"] = json!(tools);
            return Some(vec![Event::Result(result)]);
        }
        let Some(owner) = params["_meta"]["owner"].as_str() else {
            return Some(vec![Event::Result(json!({}))]);
        };
        if let Some(other) = marks(&request.to_string()).find(|name| *name != owner) {
            self.faults.lock().push(format!("{owner} brought what is {other}'s: {request}"));
        }
        Some(match method {
            "tools/call" => self.call(number, owner, params),
            // Whoever's task it is, this is what is known of it.
            _ if params["taskId"].is_string() => {
                vec![Event::Result(
                    json!({"resultType": "complete", "taskId": params["taskId"], "status": "working"}),
                )]
            }
            _ => vec![Event::Result(json!({"resultType": "complete"}))],
        })
    }
}
