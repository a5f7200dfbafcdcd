//! A server that offers what a file says at the moment.
//!
//! The file holds `instructions` and `tools`; it is read for every list and at the start. Every call is written to
//! the file of calls and answered with its tool's name. When the file has `announce`, the server says that its list
//! changed when it notices so, which it does when it is called.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, Write},
};

use serde_json::{Value, json};

use crate::{answer, say};

pub(crate) fn run(file: &str, calls: &str) {
    let read = || fs::read(file).unwrap();
    let mut listed = read();
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let id = &message["id"];
        match message["method"].as_str().unwrap_or_default() {
            _ if id.is_null() => {}
            "initialize" => answer(id, "result", &offer(&parsed(&read()))),
            "tools/list" => {
                listed = read();
                // The list is stale as soon as it is there, so that nobody has to wait.
                answer(id, "result", &json!({ "tools": parsed(&listed)["tools"], "ttlMs": 1 }));
            }
            "tools/call" => {
                let tool = message["params"]["name"].as_str().unwrap_or_default();
                let mut log = OpenOptions::new().create(true).append(true).open(calls).unwrap();
                writeln!(log, "{tool}").unwrap();
                let now = read();
                if now != listed && parsed(&now)["announce"] == true {
                    say(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
                }
                let content = [json!({ "type": "text", "text": tool })];
                answer(id, "result", &json!({ "content": content, "structuredContent": {} }));
            }
            "ping" => answer(id, "result", &json!({})),
            _ => answer(id, "error", &json!({ "code": -32601, "message": "no such method" })),
        }
    }
}

fn offer(definitions: &Value) -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "mail", "version": "1" },
        "instructions": definitions["instructions"],
    })
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}
