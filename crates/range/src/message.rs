//! Messages as text, so that nothing but the attack differs between an attack and its twin.

use serde_json::{Value, json};

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";

/// The `_meta` that every request of 2026-07-28 carries.
pub(crate) const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"range","version":"0"}}"#;

/// A request; every part is JSON.
pub(crate) fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// A call of `tool` under 2026-07-28.
pub(crate) fn call(tool: &str, arguments: &str) -> String {
    request("1", "tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments},{META}}}"#))
}

/// A call of `tool` under an earlier version.
pub(crate) fn legacy_call(tool: &str) -> String {
    request("1", "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{}}}}"#))
}

/// `initialize` of the last version that has it.
pub(crate) fn initialize() -> String {
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "range", "version": "0" },
    });
    request("0", "initialize", &params.to_string())
}

/// The text of the first content of a tool's result.
pub(crate) fn text_of(answer: &Value) -> &str {
    answer.pointer("/result/content/0/text").and_then(Value::as_str).unwrap_or_default()
}
