//! What a client makes of what it gets.

use serde_json::{Value, json};

use super::{
    actor::{Actor, Open},
    world::{PER_CLIENT, number},
};

impl Actor {
    pub(super) fn hear(&mut self, message: Value) {
        self.world.trace(self.number, format!("<- {message}"));
        if let Some(n) = number(&message, "n")
            && n / PER_CLIENT != self.number
        {
            return self.fault("was told of somebody else's call", &message);
        }
        match (message.get("method").is_some(), message.get("id")) {
            (true, Some(_)) => self.asked(&message),
            (true, None) => self.world.count("notified"),
            (false, Some(Value::Null)) => match self.unreadable.checked_sub(1) {
                Some(left) => self.unreadable = left,
                None => self.fault("got an answer to nothing it said", &message),
            },
            (false, Some(id)) => self.answered(&id.to_string(), &message),
            (false, None) => self.fault("got no message", &message),
        }
    }

    fn fault(&self, what: &str, message: &Value) {
        self.world.fault(format!("{} {what}: {message}", self.name()));
    }

    /// A server's question: answered, answered too late, answered with an error, or not at all.
    fn asked(&mut self, message: &Value) {
        self.world.count("asked");
        if self.is_modern() {
            return self.fault("was sent a request", message);
        }
        let id = &message["id"];
        let a = self.fresh_number();
        let answer = match self.rng.between(0, 10) {
            0 => return,
            1 => json!({"id": id, "error": {"code": -1, "message": "no", "data": {"a": a}}}),
            _ => json!({"id": id, "result": self.answer(message, a)}),
        };
        // The log may be full, which is said without an id.
        self.unreadable += 1;
        self.send_later(answer);
    }

    fn answer(&self, question: &Value, a: u64) -> Value {
        json!({"action": "accept", "role": "assistant", "roots": [],
            "_meta": {"n": question["params"]["_meta"]["n"], "a": a}})
    }

    fn answered(&mut self, id: &str, message: &Value) {
        let Some(open) = self.open.get(id).cloned() else {
            return self.fault("got an answer to a request it never made, or got it twice", message);
        };
        let own = number(message, "n");
        if own.is_some_and(|n| n != open.n) {
            self.fault(&format!("got the answer of {own:?} for {}", open.n), message);
        }
        let times = match open.times {
            1 => {
                self.open.remove(id);
                0
            }
            times => times - 1,
        };
        self.open.entry(id.to_owned()).and_modify(|open| open.times = times);
        let result = &message["result"];
        match (message.get("error"), result["resultType"].as_str()) {
            (Some(_), _) => self.world.count("error"),
            (None, Some("input_required")) if self.is_modern() => self.come_back(&open, result),
            (None, Some(kind)) if !self.is_modern() && kind != "surprise" => {
                self.fault("got a result of a kind it does not know", message)
            }
            (None, _) => self.world.count("result"),
        }
    }

    /// Sends a call again with answers: most of the time with all of them, and as it was.
    fn come_back(&mut self, open: &Open, result: &Value) {
        self.world.count("input required");
        let asked = result["inputRequests"].as_object().cloned().unwrap_or_default();
        if let Some(other) =
            asked.values().filter_map(|q| q["params"]["_meta"]["n"].as_u64()).find(|n| *n != open.n)
        {
            self.fault(&format!("is asked about {other} during {}", open.n), result);
        }
        if self.rng.chance(15) {
            return;
        }
        let mut answers = json!({});
        for (key, question) in &asked {
            let a = self.fresh_number();
            answers[key] = self.answer(question, a);
        }
        let mut message = open.message.clone();
        message["id"] = self.fresh_id();
        message["params"]["inputResponses"] = answers;
        match result.get("requestState") {
            Some(state) => message["params"]["requestState"] = state.clone(),
            None => {
                message["params"].as_object_mut().unwrap().remove("requestState");
            }
        }
        if self.rng.chance(10) {
            message["params"]["arguments"] = json!({"n": -1});
        }
        self.send_later(message);
    }

    /// Notes the parts of a batch as sent.
    pub(super) fn expect(&mut self, batch: &[Value]) {
        for message in batch {
            self.world.sent(message, message.to_string().as_bytes());
            let n = number(message, "n").unwrap_or_default();
            let open = Open { n, message: message.clone(), times: 1, let_go: false };
            self.open.insert(message["id"].to_string(), open);
        }
    }
}
