//! Servers that do whatever their seed says: answer, wait, report, ask, break the protocol, die.

use serde_json::{Value, json};

use super::{rng::Rng, world::number};
use crate::fake::{Brain, Event, Spec};

/// Tools that every server has: one that takes anything, one that wants a number, one that no policy permits.
const TOOLS: &str = r#"[{"name":"echo","inputSchema":{"type":"object"}},
    {"name":"strict","inputSchema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}},
    {"name":"denied","inputSchema":{"type":"object"}}]"#;

/// A server of this version and name.
pub(crate) fn spec(name: &str, version: &str, rng: &mut Rng) -> Spec {
    let announces = rng.chance(60);
    let mut spec = Spec::read(version, "{}");
    spec.capabilities = Some(json!({
        "tools": {"listChanged": announces}, "prompts": {"listChanged": announces}, "completions": {},
        "resources": {"listChanged": announces, "subscribe": rng.chance(70)}, "logging": {},
    }));
    spec.tools = serde_json::from_str(TOOLS).unwrap();
    spec.prompts = vec![json!({"name": "hi"})];
    spec.resources = vec![json!({"uri": format!("mem://{name}/watch"), "name": "watch"})];
    spec.templates = vec![json!({"uriTemplate": format!("mem://{name}/{{id}}"), "name": "any"})];
    spec.page = rng.chance(30).then_some(2);
    spec
}

/// Decides by the seed and the call's own number, so that it does not matter who is served first.
pub(crate) struct Whim {
    pub(crate) seed: u64,
    pub(crate) modern: bool,
}

impl Brain for Whim {
    fn answer(&self, server: &str, request: &Value) -> Option<Vec<Event>> {
        let method = request["method"].as_str().unwrap_or_default();
        // The gateway's own requests have no number.
        let Some(n) = number(request, "n") else { return Some(vec![Event::Result(json!({}))]) };
        let params = &request["params"];
        let round = round(params);
        let mut rng = Rng::of(self.seed ^ (round << 32), n ^ u64::from(server.as_bytes()[1]));
        let mut events = Vec::new();
        for _ in 0..rng.between(0, 4) {
            self.meanwhile(&mut rng, &mut events, n, method, params);
        }
        events.push(Event::Pause(rng.between(0, 900)));
        events.push(self.ending(&mut rng, method, n, round));
        Some(events)
    }
}

impl Whim {
    fn meanwhile(&self, rng: &mut Rng, events: &mut Vec<Event>, n: u64, method: &str, params: &Value) {
        events.push(Event::Pause(rng.between(0, 700)));
        let token = &params["_meta"]["progressToken"];
        match rng.between(0, 4) {
            0 if !token.is_null() => events.push(Event::Note(json!({"method": "notifications/progress",
                "params": {"progressToken": token, "progress": 1, "_meta": {"n": n}}}))),
            1 => {
                events.push(Event::Note(json!({"method": "notifications/message",
                "params": {"level": rng.pick(&["debug", "info", "error"]), "data": "x", "_meta": {"n": n}}})))
            }
            2 if !self.modern => events.push(Event::Ask(question(rng, n))),
            3 if rng.chance(10) => {
                events.push(Event::Request(json!({"id": "bad", "method": method, "params": {}})))
            }
            _ => {}
        }
    }

    fn ending(&self, rng: &mut Rng, method: &str, n: u64, round: u64) -> Event {
        let may_ask = matches!(method, "tools/call" | "prompts/get" | "resources/read");
        match rng.between(0, 100) {
            0..3 => Event::Hang,
            3..5 => Event::Break,
            7..9 => Event::Raw(r#"{"jsonrpc":"2.0","id":1,"id":2}"#.to_owned()),
            9..11 => Event::Result(json!({"resultType": "surprise", "_meta": {"n": n}})),
            11..13 if self.modern => {
                Event::Result(json!({"resultType": "task", "taskId": "t", "_meta": {"n": n}}))
            }
            13..18 => {
                let code = *rng.pick(&[-32602, -32002, -32042, -32021, -32603, 7]);
                Event::Error(json!({"code": code, "message": "no", "data": {"n": n}}))
            }
            20..50 if self.modern && may_ask && round < 3 => {
                let asked: serde_json::Map<_, _> =
                    (0..rng.between(0, 3)).map(|at| (format!("k{at}"), question(rng, n))).collect();
                let mut result =
                    json!({"resultType": "input_required", "inputRequests": asked, "_meta": {"n": n}});
                result["requestState"] = json!(format!("{n}:{}", round + 1));
                Event::Result(result)
            }
            _ => {
                let mut result = json!({"content": [], "messages": [], "contents": [],
                    "completion": {"values": []}, "_meta": {"n": n}});
                if self.modern {
                    result["resultType"] = json!("complete");
                }
                Event::Result(result)
            }
        }
    }
}

/// How often a call has come back with answers, from the state it was given.
fn round(params: &Value) -> u64 {
    let state = params["requestState"].as_str().unwrap_or("0:0");
    state.split_once(':').and_then(|(_, round)| round.parse().ok()).unwrap_or(0)
}

fn question(rng: &mut Rng, n: u64) -> Value {
    let method = *rng.pick(&["elicitation/create", "sampling/createMessage", "roots/list"]);
    json!({"method": method, "params": {"message": "?", "messages": [], "_meta": {"n": n}}})
}
