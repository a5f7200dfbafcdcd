//! The requests: whole HTTP messages, made once and stamped with a fresh id for each use.

use serde_json::{Value, json};

use crate::{
    http::Url,
    options::{Target, Work},
};

/// The first protocol version without sessions.
const STATELESS: &str = "2026-07-28";
/// Ids have a fixed width, so that a request differs from the next in these digits only.
pub(crate) const FIRST_ID: u32 = 100_000_000;
const ID_DIGITS: usize = 9;
const BOTH_TYPES: &str = "application/json, text/event-stream";

/// A whole HTTP request in which only the JSON-RPC id changes.
#[derive(Default)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    id_at: usize,
}

impl Template {
    pub(crate) fn stamp(&mut self, mut id: u32) -> &[u8] {
        for digit in self.bytes[self.id_at..self.id_at + ID_DIGITS].iter_mut().rev() {
            *digit = b'0' + (id % 10) as u8;
            id /= 10;
        }
        &self.bytes
    }

    pub(crate) fn id(&self) -> &[u8] {
        &self.bytes[self.id_at..self.id_at + ID_DIGITS]
    }
}

/// What the requests of one client have in common.
pub(crate) struct Requests {
    pub(crate) target: Target,
    pub(crate) url: Url,
    /// Session era only, once the server has named it.
    pub(crate) session: Option<String>,
}

impl Requests {
    pub(crate) fn stateless(&self) -> bool {
        self.target.proto.as_str() >= STATELESS
    }

    /// The request that `work` measures, or another method with its sizes.
    pub(crate) fn of(&self, method: &str, work: &Work) -> Template {
        self.template(method, params(&self.target, method, work))
    }

    pub(crate) fn initialize(&self) -> Template {
        let params = json!({
            "protocolVersion": self.target.proto,
            "capabilities": {},
            "clientInfo": {"name": "mcpload", "version": "0.1.0"},
        });
        self.template("initialize", params)
    }

    pub(crate) fn initialized(&self) -> Vec<u8> {
        let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        self.http("POST", "notifications/initialized", None, BOTH_TYPES, &body)
    }

    pub(crate) fn end_of_session(&self) -> Vec<u8> {
        self.http("DELETE", "", None, BOTH_TYPES, "")
    }

    /// Opens an event stream: `subscriptions/listen`, or `GET` in a session era.
    pub(crate) fn stream(&self) -> Vec<u8> {
        if self.stateless() {
            let params = json!({"notifications": {"toolsListChanged": true}});
            self.template("subscriptions/listen", params).bytes
        } else {
            self.http("GET", "", None, "text/event-stream", "")
        }
    }

    fn template(&self, method: &str, mut params: Value) -> Template {
        if self.stateless() {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.target.proto,
                "io.modelcontextprotocol/clientInfo": {"name": "mcpload", "version": "0.1.0"},
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let name = params["name"].as_str().map(str::to_owned);
        // The id goes first, so that its place is known whatever the parameters contain.
        let body = format!(r#"{{"jsonrpc":"2.0","id":{FIRST_ID},"method":"{method}","params":{params}}}"#);
        let bytes = self.http("POST", method, name.as_deref(), BOTH_TYPES, &body);
        let id_at = bytes.len() - body.len() + r#"{"jsonrpc":"2.0","id":"#.len();
        Template { bytes, id_at }
    }

    fn http(&self, verb: &str, method: &str, name: Option<&str>, accept: &str, body: &str) -> Vec<u8> {
        let Requests { target, url, session } = self;
        let mut out =
            format!("{verb} {} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\n", url.path, url.authority);
        let mut header = |name: &str, value: &str| {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            out.push_str("\r\n");
        };
        if verb == "POST" {
            header("Content-Type", "application/json");
            header("Content-Length", &body.len().to_string());
        }
        if method != "initialize" {
            header("MCP-Protocol-Version", &target.proto);
        }
        if self.stateless() {
            header("Mcp-Method", method);
            name.iter().for_each(|name| header("Mcp-Name", name));
        }
        session.iter().for_each(|session| header("Mcp-Session-Id", session));
        for line in &target.headers {
            if let Some((name, value)) = line.split_once(':') {
                header(name.trim(), value.trim());
            }
        }
        out.push_str("\r\n");
        out.push_str(body);
        out.into_bytes()
    }
}

fn params(target: &Target, method: &str, work: &Work) -> Value {
    if method != "tools/call" {
        return json!({});
    }
    let mut arguments = json!({"size": work.result_size});
    if work.arg_size > 0 {
        arguments["text"] = Value::String("lorem ipsum ".chars().cycle().take(work.arg_size).collect());
    }
    json!({"name": target.tool, "arguments": arguments})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn requests(proto: &str) -> Requests {
        let target = Target {
            name: "t".into(),
            url: "http://h:1/mcp".into(),
            proto: proto.into(),
            tool: "echo".into(),
            headers: vec!["X-A: b".into()],
            pid: None,
        };
        Requests { url: Url::parse(&target.url).unwrap(), target, session: Some("s1".into()) }
    }

    #[test]
    fn stamping_keeps_the_length() {
        let bytes = br#"{"id":100000000}"#.to_vec();
        let mut t = Template { bytes, id_at: 6 };
        assert_eq!(t.stamp(123_456_789), br#"{"id":123456789}"#);
        assert_eq!(t.stamp(FIRST_ID + 7), br#"{"id":100000007}"#);
    }

    #[test]
    fn each_era_has_its_headers() {
        let work = Work { arg_size: 10_240, ..Work::small_call() };
        for (proto, present, absent) in [
            ("2026-07-28", "Mcp-Name: echo", "initialize"),
            ("2025-11-25", "Mcp-Session-Id: s1", "Mcp-Method"),
        ] {
            let mut template = requests(proto).of("tools/call", &work);
            let text = String::from_utf8(template.stamp(FIRST_ID + 1).to_vec()).unwrap();
            assert!(text.contains(present) && !text.contains(absent) && text.contains("X-A: b"), "{text}");
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["id"], FIRST_ID + 1);
            assert_eq!(body["params"]["arguments"]["text"].as_str().map(str::len), Some(10_240));
        }
    }

    #[test]
    fn streams_are_opened_by_the_verb_of_the_era() {
        for (proto, start) in [("2026-07-28", "POST /mcp "), ("2025-11-25", "GET /mcp ")] {
            assert!(requests(proto).stream().starts_with(start.as_bytes()), "{proto}");
        }
    }
}
