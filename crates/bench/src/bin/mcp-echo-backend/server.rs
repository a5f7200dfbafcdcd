//! JSON-RPC in, JSON-RPC out, whatever the transport.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::tools::Tools;

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28","2025-11-25","2025-06-18","2025-03-26"],"capabilities":{"tools":{"listChanged":true}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"echo-backend","version":"0.1.0"}},"ttlMs":3600000,"cacheScope":"public"}"#;
const PARSE_ERROR: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: &'a str,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct InitParams<'a> {
    #[serde(rename = "protocolVersion", borrow)]
    protocol_version: &'a str,
}

pub(crate) enum Reply {
    /// A notification: nothing to say.
    Accepted,
    Message(VecDeque<Bytes>),
    /// The answer to `initialize`, which opens a session.
    NewSession(VecDeque<Bytes>),
    /// The first message of a stream that stays open.
    Stream(Bytes),
}

pub(crate) struct Server {
    tools: Tools,
}

impl Server {
    pub(crate) fn new(tools: usize) -> Server {
        Server { tools: Tools::new(tools) }
    }

    pub(crate) fn handle(&self, body: &[u8]) -> Reply {
        let Ok(env) = serde_json::from_slice::<Envelope>(body) else {
            return message(PARSE_ERROR.to_owned());
        };
        let Some(id) = env.id.map(RawValue::get) else {
            return Reply::Accepted;
        };
        let params = env.params.map_or("{}", RawValue::get);
        match env.method {
            "tools/call" => match self.tools.call(id, params) {
                Some(chunks) => Reply::Message(chunks),
                None => error(id, -32602, "unknown tool"),
            },
            "tools/list" => result(id, &self.tools.listing),
            "ping" => result(id, "{}"),
            "server/discover" => result(id, DISCOVERED),
            "initialize" => initialize(id, params),
            "subscriptions/listen" => acknowledge(id),
            "prompts/list" => result(id, r#"{"prompts":[]}"#),
            "resources/list" => result(id, r#"{"resources":[]}"#),
            "resources/templates/list" => result(id, r#"{"resourceTemplates":[]}"#),
            _ => error(id, -32601, "method not found"),
        }
    }
}

fn initialize(id: &str, params: &str) -> Reply {
    let version =
        serde_json::from_str::<InitParams>(params).map_or("2025-06-18", |params| params.protocol_version);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{version}","capabilities":{{"tools":{{"listChanged":true}}}},"serverInfo":{{"name":"echo-backend","version":"0.1.0"}}}}}}"#
    );
    Reply::NewSession([text.into()].into())
}

/// MCP 2026-07-28, basic/patterns/subscriptions: the first message of the stream.
fn acknowledge(id: &str) -> Reply {
    let text = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{{"toolsListChanged":true}}}}}}"#
    );
    Reply::Stream(text.into())
}

fn message(text: String) -> Reply {
    Reply::Message([text.into()].into())
}

fn result(id: &str, result: &str) -> Reply {
    message(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

fn error(id: &str, code: i32, text: &str) -> Reply {
    message(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{text}"}}}}"#))
}
