//! One line of the journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One message as it arrived, before anything looked at its meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// The transport it came by.
    pub wire: Wire,
    /// What it is by the shape of its JSON-RPC envelope.
    pub kind: Kind,
    /// HTTP method (`POST`, `GET`, `DELETE`); absent on stdio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// JSON-RPC `method`; absent for responses and for requests without a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// JSON-RPC `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// JSON-RPC `params`, parsed: duplicate keys are gone here, so compare bytes through [`Self::body`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// Every HTTP header, names in lower case, repeated headers joined with `, `. Empty on stdio.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The exact bytes of the body or line (without its newline) when they are UTF-8, else with U+FFFD
    /// in place of what is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

/// The transport a message arrived by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Streamable HTTP.
    Http,
    /// Newline-delimited JSON on standard input.
    Stdio,
}

/// What a message is by the shape of its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `method` and `id`.
    Request,
    /// `method` without `id`.
    Notification,
    /// `result` or `error`: the client answers a request of the server.
    Response,
    /// A JSON array: legal in 2025-03-26 only.
    Batch,
    /// An HTTP request without a body: opening or resuming a stream, ending a session.
    Bodyless,
    /// Not JSON, or JSON that is no message.
    Malformed,
}

impl Received {
    /// What arrived on standard input.
    #[must_use]
    pub fn on_stdio(line: &[u8]) -> Self {
        Self::new(Wire::Stdio, line)
    }

    /// What arrived by HTTP.
    #[must_use]
    pub fn on_http(verb: &str, headers: BTreeMap<String, String>, body: &[u8]) -> Self {
        Self { verb: Some(verb.to_owned()), headers, ..Self::new(Wire::Http, body) }
    }

    fn new(wire: Wire, bytes: &[u8]) -> Self {
        let message = serde_json::from_slice::<Value>(bytes).ok();
        let field = |name: &str| message.as_ref().and_then(|value| value.get(name)).cloned();
        Self {
            wire,
            kind: Kind::of(bytes, message.as_ref()),
            verb: None,
            method: field("method").and_then(|method| method.as_str().map(str::to_owned)),
            id: field("id"),
            params: field("params"),
            headers: BTreeMap::new(),
            body: String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// Whether this is a request for `method`.
    #[must_use]
    pub fn is_request(&self, method: &str) -> bool {
        self.kind == Kind::Request && self.method.as_deref() == Some(method)
    }

    /// Whether this is a `tools/call` of `tool`.
    #[must_use]
    pub fn calls(&self, tool: &str) -> bool {
        self.is_request("tools/call")
            && self.params.as_ref().and_then(|params| params.get("name")).and_then(Value::as_str)
                == Some(tool)
    }
}

impl Kind {
    fn of(bytes: &[u8], message: Option<&Value>) -> Self {
        let has = |name: &str| message.is_some_and(|value| value.get(name).is_some());
        match message {
            _ if bytes.is_empty() => Self::Bodyless,
            Some(Value::Array(_)) => Self::Batch,
            Some(Value::Object(_)) if has("method") && has("id") => Self::Request,
            Some(Value::Object(_)) if has("method") => Self::Notification,
            Some(Value::Object(_)) if has("result") || has("error") => Self::Response,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, kind: Kind, method: Option<&str>) {
        let received = Received::on_stdio(line.as_bytes());
        assert_eq!((received.kind, received.method.as_deref()), (kind, method), "{line}");
        assert_eq!(received.body, line);
    }

    #[test]
    fn an_envelope_tells_its_kind() {
        check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request, Some("ping"));
        check(r#"{"jsonrpc":"2.0","method":"x"}"#, Kind::Notification, Some("x"));
        check(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Response, None);
        check(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, Kind::Response, None);
        check(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Kind::Batch, None);
        check("", Kind::Bodyless, None);
        check("{", Kind::Malformed, None);
        check("7", Kind::Malformed, None);
        check("{}", Kind::Malformed, None);
    }

    #[test]
    fn the_body_keeps_what_parsing_loses() {
        let line = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","name":"evil"}}"#;
        let received = Received::on_stdio(line.as_bytes());
        assert!(received.calls("evil"));
        assert_eq!(received.body, line);
    }
}
