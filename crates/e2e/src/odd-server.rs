//! An MCP server on standard input and output that misbehaves where it is asked to.
//!
//! `odd-server [--mute] [--tools N]`. It speaks 2025-11-25 and offers `TOOLS`, each named after what it does.
//! `--mute` never answers anything; `--tools N` offers N tools more, all in one page.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a server that stops at the first surprise is odd enough"
)]

use std::{
    env,
    io::{self, BufRead, Write},
    process::{Command, Stdio, exit},
    thread::park,
};

use serde_json::{Value, json};

type Behaviour = fn(&mut Server, &Value, &Value);

/// What each tool does with a call of id `id` and parameters `params`.
const TOOLS: &[(&str, Behaviour)] = &[
    ("echo", |server, id, params| server.text(id, params["arguments"]["text"].as_str().unwrap_or_default())),
    ("forge-receipt", |server, id, _| {
        let forged = json!({ "record": "r-1", "log": null, "leaf": "x" });
        server.result(id, &json!({ "content": [], "_meta": { "portcullis/receipt": forged, "own": 1 } }));
    }),
    ("never", |server, _, params| server.begin(params)),
    ("stall", |_, _, _| forever()),
    ("die", |_, _, _| exit(3)),
    ("close", |server, _, _| {
        // Alive, but it will never say anything again.
        server.close();
        forever();
    }),
    ("half", |server, _, _| {
        server.raw(b"{\"jsonrpc\":\"2.0\",\"id\":");
        exit(0);
    }),
    ("noise", |server, id, _| {
        server.raw(b"\n\nplain text\n{\"not\":\"a message\"}\n\xff\xfe\x00\n[]\n{\"jsonrpc\":\"2.0\",\"id\":1e99,\"result\":{}}\n");
        server.text(id, "after the noise");
    }),
    ("flood", |server, id, _| {
        for _ in 0..100_000 {
            server.raw(b"this is not JSON\n");
        }
        server.text(id, "after the flood");
    }),
    ("stranger", |server, id, _| {
        server.result(&json!("an id of nobody"), &json!({ "content": [] }));
        server.text(id, "mine");
    }),
    ("twice", |server, id, _| {
        server.text(id, "first");
        server.text(id, "second");
    }),
    ("duplicate-keys", |server, id, _| {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"content":[{{"type":"text","text":"x"}}]}}}}"#
        );
        server.raw(format!("{line}\n").as_bytes());
    }),
    ("huge", |server, id, params| {
        let size = usize::try_from(params["arguments"]["bytes"].as_u64().unwrap()).unwrap();
        server.text(id, &"x".repeat(size));
    }),
    ("deep", |server, id, _| {
        let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        server.raw(
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[],\"x\":{nested}}}}}\n")
                .as_bytes(),
        );
    }),
    ("variable", |server, id, params| {
        let value = env::var(params["arguments"]["name"].as_str().unwrap_or_default());
        server.text(id, value.as_deref().unwrap_or("not set"));
    }),
    ("breed", |server, id, _| {
        // A descendant in a session of its own, as a daemon would be.
        let child =
            Command::new("setsid").args(["sleep", "600"]).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        server.text(id, &child.unwrap().id().to_string());
    }),
];

struct Server {
    output: Option<io::Stdout>,
    extra: usize,
}

impl Server {
    fn raw(&mut self, bytes: &[u8]) {
        if let Some(output) = &mut self.output {
            // A reader that is gone is noticed by the end of input.
            let _ = output.write_all(bytes).and_then(|()| output.flush());
        }
    }

    fn close(&mut self) {
        self.output = None;
        let nowhere = std::fs::File::open("/dev/null").unwrap();
        rustix::stdio::dup2_stdout(nowhere).unwrap();
    }

    fn result(&mut self, id: &Value, result: &Value) {
        self.raw(format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "result": result })).as_bytes());
    }

    fn text(&mut self, id: &Value, text: &str) {
        self.result(id, &json!({ "content": [{ "type": "text", "text": text }] }));
    }

    /// Says that a call has arrived, if the caller wants to know.
    fn begin(&mut self, params: &Value) {
        let token = &params["_meta"]["progressToken"];
        if !token.is_null() {
            let progress = json!({ "progressToken": token, "progress": 0 });
            let message = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": progress });
            self.raw(format!("{message}\n").as_bytes());
        }
    }

    fn tools(&self) -> Vec<Value> {
        let extra = (0..self.extra).map(|n| format!("tool-{n:05}"));
        let names = TOOLS.iter().map(|(name, _)| (*name).to_owned()).chain(extra);
        let tool = |name| json!({ "name": name, "description": "odd", "inputSchema": { "type": "object" } });
        names.map(tool).collect()
    }

    fn take(&mut self, message: &Value) {
        let (id, params) = (&message["id"], &message["params"]);
        if id.is_null() {
            return;
        }
        match message["method"].as_str().unwrap_or_default() {
            "initialize" => {
                let info = json!({ "name": "odd", "version": "0" });
                let version = "2025-11-25";
                let result = json!({ "protocolVersion": version, "capabilities": { "tools": { "listChanged": true } }, "serverInfo": info });
                self.result(id, &result);
            }
            "ping" => self.result(id, &json!({})),
            "tools/list" => self.result(id, &json!({ "tools": self.tools() })),
            "tools/call" => match TOOLS.iter().find(|(name, _)| params["name"] == *name) {
                Some((_, behave)) => behave(self, id, params),
                None => self.text(id, "one of many"),
            },
            _ => {
                let error = json!({ "code": -32601, "message": "no such method" });
                self.raw(format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "error": error })).as_bytes());
            }
        }
    }
}

fn forever() -> ! {
    loop {
        park();
    }
}

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let after = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let mute = args.iter().any(|arg| arg == "--mute");
    let extra = after("--tools").map_or(0, |number| number.parse().unwrap());
    let mut server = Server { output: Some(io::stdout()), extra };
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if !mute {
            server.take(&message);
        }
    }
}
