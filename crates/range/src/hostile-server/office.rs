//! Mail, calendar, files, a bank and the web: what an assistant gets to work with. A fake, all of it.
//!
//! What a tool answers is in the file of the world, by the tool's name; every call is written to the journal.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, Write},
};

use serde_json::{Value, json};

use crate::answer;

/// The name of a tool, and its parameters.
type Tool = (&'static str, &'static [&'static str]);

/// Each part of the office, and its tools.
const PARTS: &[(&str, &[Tool])] = &[
    (
        "mail",
        &[
            ("search_mails", &["query"]),
            ("read_mail", &["id"]),
            ("send_mail", &["to", "subject", "body"]),
            ("delete_mail", &["id"]),
        ],
    ),
    (
        "calendar",
        &[
            ("list_events", &["day"]),
            ("create_event", &["title", "day"]),
            ("create_meeting", &["title", "day", "participants"]),
            ("delete_event", &["id"]),
        ],
    ),
    (
        "files",
        &[
            ("list_files", &[]),
            ("read_file", &["name"]),
            ("write_file", &["name", "content"]),
            ("share_file", &["name", "with"]),
        ],
    ),
    (
        "bank",
        &[
            ("get_balance", &[]),
            ("list_transactions", &[]),
            ("transfer_money", &["iban", "amount"]),
            ("update_password", &["password"]),
        ],
    ),
    ("web", &[("search_web", &["query"]), ("fetch_page", &["url"]), ("post_comment", &["url", "text"])]),
];

pub(crate) fn run(part: &str, world: &str, journal: &str) {
    let tools = PARTS.iter().find(|(name, _)| *name == part).map(|(_, tools)| *tools).unwrap_or_default();
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let (id, params) = (&message["id"], &message["params"]);
        match message["method"].as_str().unwrap_or_default() {
            _ if id.is_null() => {}
            "initialize" => {
                let info = json!({ "name": part, "version": "1" });
                let offer = json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": info });
                answer(id, "result", &offer);
            }
            "tools/list" => {
                answer(id, "result", &json!({ "tools": tools.iter().map(tool).collect::<Vec<_>>() }))
            }
            "tools/call" => {
                let mut log = OpenOptions::new().create(true).append(true).open(journal).unwrap();
                writeln!(log, "{}", json!({ "tool": params["name"], "arguments": params["arguments"] }))
                    .unwrap();
                let world: Value = serde_json::from_slice(&fs::read(world).unwrap()).unwrap();
                tell(id, &world[params["name"].as_str().unwrap_or_default()]);
            }
            "ping" => answer(id, "result", &json!({})),
            _ => answer(id, "error", &json!({ "code": -32601, "message": "no such method" })),
        }
    }
}

fn tool((name, parameters): &(&str, &[&str])) -> Value {
    let properties = parameters.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" })));
    let properties: serde_json::Map<String, Value> = properties.collect();
    json!({ "name": name, "inputSchema": { "type": "object", "properties": properties } })
}

/// Text is told as text; an object says how else it is told.
fn tell(id: &Value, told: &Value) {
    let text = |text: &Value| json!([{ "type": "text", "text": text }]);
    match told {
        Value::Object(how) if how.contains_key("error") => {
            answer(id, "error", &json!({ "code": -32000, "message": how["error"] }));
        }
        Value::Object(how) if how.contains_key("failed") => {
            answer(id, "result", &json!({ "content": text(&how["failed"]), "isError": true }));
        }
        Value::Object(how) => {
            let result = json!({ "content": text(&json!("see the structure")), "structuredContent": how });
            answer(id, "result", &result);
        }
        Value::Null => answer(id, "result", &json!({ "content": text(&json!("done")) })),
        told => answer(id, "result", &json!({ "content": text(told) })),
    }
}
