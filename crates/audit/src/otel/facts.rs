//! What a record says about a call, as attributes.

use portcullis_core::{
    Channel, DecisionRecord, RecordId,
    wire::{Method, code},
};

use super::proto::{KeyValue, attribute};

/// Stands for every method nobody has heard of, so that a caller cannot make up names without end.
const OTHER: &str = "_OTHER";

/// A call in the words of the conventions.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Name of its spans.
    pub(super) name: String,
    /// What its measurements are told apart by.
    pub(super) series: Series,
    /// It is a server's own connection: no MCP operation, and there are as many as that server likes.
    pub(super) is_egress: bool,
    /// On both spans.
    pub(super) common: Vec<KeyValue>,
    /// On the gateway's own span and its log records.
    pub(super) own: Vec<KeyValue>,
}

/// `error.type` as measurements have it: a code that no protocol defines is a server's to make up.
pub(super) fn measured(error: &str) -> &str {
    let known = |number: i64| KNOWN_CODES.contains(&number);
    if error.parse::<i64>().is_ok_and(|number| !known(number)) { OTHER } else { error }
}

/// Codes of JSON-RPC and of MCP.
const KNOWN_CODES: [i64; 10] = [
    code::PARSE_ERROR,
    code::INVALID_REQUEST,
    code::METHOD_NOT_FOUND,
    code::INVALID_PARAMS,
    code::INTERNAL_ERROR,
    code::RESOURCE_NOT_FOUND,
    code::URL_ELICITATION_REQUIRED,
    code::HEADER_MISMATCH,
    code::MISSING_REQUIRED_CLIENT_CAPABILITY,
    code::UNSUPPORTED_PROTOCOL_VERSION,
];

/// What measurements are told apart by: few values each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Series {
    pub(super) method: &'static str,
    pub(super) tool: Option<String>,
    pub(super) version: Option<&'static str>,
    pub(super) error: Option<String>,
}

impl Facts {
    pub(super) fn of(id: &RecordId, record: &DecisionRecord) -> Self {
        let method = record.method.as_deref().and_then(|name| Method::parse(name).as_str()).unwrap_or(OTHER);
        let item = record.item.as_deref().filter(|item| !item.is_empty());
        let (key, is_named) = match record.item_kind {
            Some("Tool") => ("gen_ai.tool.name", true),
            Some("Prompt") => ("gen_ai.prompt.name", true),
            Some("Resource") => ("mcp.resource.uri", false),
            _ => ("portcullis.item", false),
        };
        let name = match item.filter(|_| is_named) {
            Some(item) => format!("{method} {item}"),
            None => method.to_owned(),
        };
        let tool = item.filter(|_| key == "gen_ai.tool.name");
        let series = Series { method, tool: tool.map(str::to_owned), version: record.version, error: None };
        Self {
            name,
            series,
            is_egress: record.channel == Channel::Egress,
            common: common(record, method, item.map(|item| (key, item))),
            own: own(id, record),
        }
    }
}

fn common(record: &DecisionRecord, method: &str, item: Option<(&str, &str)>) -> Vec<KeyValue> {
    let server = record.server.as_ref().map(ToString::to_string);
    let operation = (method == "tools/call").then_some("execute_tool");
    [
        attribute("mcp.method.name", Some(method)),
        item.and_then(|(key, item)| attribute(key, Some(item))),
        attribute("gen_ai.operation.name", operation),
        attribute("portcullis.server", server),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn own(id: &RecordId, record: &DecisionRecord) -> Vec<KeyValue> {
    let caller = record.caller.as_deref();
    let transport = match record.channel {
        Channel::Stdio => "pipe",
        _ => "tcp",
    };
    let request_id = record.spans.as_ref().map(|spans| &*spans.request_id);
    [
        attribute("mcp.protocol.version", record.version),
        attribute("jsonrpc.request.id", request_id),
        attribute("network.transport", Some(transport)),
        attribute("client.address", record.context.peer.map(|peer| peer.to_string())),
        attribute("enduser.id", caller.map(|caller| caller.principal.to_string())),
        attribute("portcullis.actor", caller.and_then(|it| it.actor.as_ref()).map(ToString::to_string)),
        attribute("portcullis.tenant", caller.and_then(|caller| caller.tenant.as_deref())),
        attribute("portcullis.record", Some(id.to_string())),
        attribute("portcullis.policy", record.policy.map(|digest| digest.to_string())),
        attribute("portcullis.sandbox", record.context.sandbox.map(|digest| digest.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}
