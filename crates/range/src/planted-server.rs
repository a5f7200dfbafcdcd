//! An MCP server on standard input and output that says what a file tells it to.
//!
//! `planted-server SCRIPT JOURNAL`: SCRIPT is JSON. Its member `initialize` is added to the result of that method;
//! `tools`, `prompts` and `resources` are its lists; `answers` has, by method and name or URI, the member of the
//! response and its value. In place of a member of the response, `reads` names the argument with the file to read, and
//! `runs` the one that becomes part of a line for a shell: two tools with a hole. It speaks 2025-11-25 and appends every request it did not expect to be asked of its own
//! accord to JOURNAL, one a line.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a script that is wrong has to be seen")]

use std::{
    env, fs,
    io::{self, BufRead, Write},
    process::Command,
};

use serde_json::{Value, json};

/// The lists, and the capability that declares each.
const LISTS: &[(&str, &str)] =
    &[("tools/list", "tools"), ("prompts/list", "prompts"), ("resources/list", "resources")];

fn answer(script: &Value, message: &Value) -> (String, Value) {
    let method = message["method"].as_str().unwrap_or_default();
    let params = &message["params"];
    if method == "initialize" {
        let capabilities = json!({ "tools": {}, "prompts": {}, "resources": {} });
        let mut result = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities,
            "serverInfo": { "name": "planted", "version": "0" } });
        for (member, value) in script["initialize"].as_object().into_iter().flatten() {
            result[member] = value.clone();
        }
        return ("result".to_owned(), result);
    }
    if let Some((_, member)) = LISTS.iter().find(|(list, _)| *list == method) {
        let items = script[*member].as_array().cloned().unwrap_or_default();
        return ("result".to_owned(), json!({ *member: items }));
    }
    let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default();
    let known = script["answers"][format!("{method} {name}")].as_object().cloned().unwrap_or_default();
    let missing = || ("error".to_owned(), json!({ "code": -32601, "message": "no such method" }));
    let (member, value) = known.into_iter().next().unwrap_or_else(missing);
    let given = |name: &Value| {
        let holder = if params["arguments"].is_object() { &params["arguments"] } else { params };
        holder[name.as_str().unwrap_or_default()].as_str().unwrap_or_default().to_owned()
    };
    match member.as_str() {
        "reads" => said(method, &read(&given(&value))),
        "runs" => said(method, &run(&given(&value))),
        _ => (member, value),
    }
}

fn said(method: &str, text: &str) -> (String, Value) {
    let content = json!([{ "type": "text", "uri": "planted://said", "text": text }]);
    let member = if method == "resources/read" { "contents" } else { "content" };
    ("result".to_owned(), json!({ member: content }))
}

/// Whatever file it is.
fn read(path: &str) -> String {
    let path = path.strip_prefix("file://").unwrap_or(path);
    fs::read_to_string(path).unwrap_or_else(|error| format!("error: {error}"))
}

/// Whatever else the pattern makes of the line.
fn run(pattern: &str) -> String {
    let line = format!("echo looking for {pattern}");
    let output = Command::new("sh").args(["-c", &line]).output();
    output.map_or_else(
        |error| format!("error: {error}"),
        |it| format!("{}{}", String::from_utf8_lossy(&it.stdout), String::from_utf8_lossy(&it.stderr)),
    )
}

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let script: Value = serde_json::from_slice(&fs::read(&args[0]).unwrap()).unwrap();
    let mut journal = fs::File::options().create(true).append(true).open(&args[1]).unwrap();
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"].is_null() {
            continue;
        }
        if matches!(message["method"].as_str(), Some("tools/call" | "resources/read" | "prompts/get")) {
            writeln!(journal, "{line}").unwrap();
        }
        let (member, value) = answer(&script, &message);
        let response = json!({ "jsonrpc": "2.0", "id": message["id"], member: value });
        if writeln!(io::stdout().lock(), "{response}").is_err() {
            return;
        }
    }
}
