//! Messages of both eras, as data.

use serde_json::{Value, json};

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";

/// A request of 2026-07-28 with the `_meta` that version wants.
pub(crate) fn modern(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "e2e", "version": "0" },
    });
    legacy(id, method, params)
}

/// A request of the earlier versions.
pub(crate) fn legacy(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// Parameters of a tool call.
pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    json!({ "name": tool, "arguments": arguments })
}

/// `initialize` of a legacy version.
pub(crate) fn initialize(version: &str) -> Value {
    let client = json!({ "name": "e2e", "version": "0" });
    legacy(0, "initialize", json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client }))
}
