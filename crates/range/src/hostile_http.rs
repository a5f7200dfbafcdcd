//! An MCP server on HTTP whose answers are too much: too large, too long, without end.
//!
//! It speaks 2026-07-28 as far as it takes to be called, and offers [`TOOLS`].

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{bomb, http::has_closed, trouble::Trouble};

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
/// Larger than any message may be.
const LARGE: usize = 9 << 20;

/// What a tool does: a head, then the same over and over with a pause, for as long as somebody reads.
struct Tool {
    name: &'static str,
    head: &'static str,
    /// What comes first.
    first: &'static str,
    again: Again,
    pause: Duration,
}

/// What is repeated.
enum Again {
    Text(&'static str),
    Letters,
    /// Lines of one event.
    Lines,
    /// A progress notification for the token of the call.
    Progress,
}

const fn tool(name: &'static str, head: &'static str, first: &'static str, again: Again, pause: u64) -> Tool {
    Tool { name, head, first, again, pause: Duration::from_millis(pause) }
}

/// Tools that never come to an end.
const TOOLS: &[Tool] = &[
    tool("endless-body", JSON, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"", Again::Letters, 0),
    tool("endless-line", EVENTS, "data: ", Again::Letters, 0),
    tool("endless-event", EVENTS, "", Again::Lines, 0),
    tool("endless-fields", EVENTS, "", Again::Text("id: 1\nretry: 1\nx: y\n"), 0),
    tool("endless-comments", EVENTS, "", Again::Text(": still there\n\n"), 10),
    tool("endless-noise", EVENTS, "", Again::Text("data: noise\n\n"), 0),
    tool("endless-progress", EVENTS, "", Again::Progress, 1),
    tool("silent-stream", EVENTS, "", Again::Text(""), 100),
];

/// Tools that say what they have to say, and all of it.
const WHOLE: [&str; 3] = ["calm", "large-body", "packed"];

/// The server, until the value is dropped.
pub(crate) struct HostileHttp {
    address: SocketAddr,
    endless: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl HostileHttp {
    /// Serves on a free port.
    pub(crate) async fn start() -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Trouble::io("listening"))?;
        let address = listener.local_addr().map_err(Trouble::io("listening"))?;
        let endless = Arc::<AtomicUsize>::default();
        let under_way = endless.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, under_way.clone()));
            }
        });
        Ok(Self { address, endless, accepting })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Waits until nobody listens to an endless answer any more and returns how many still go on.
    pub(crate) async fn under_way(&self, deadline: Duration) -> usize {
        let end = Instant::now() + deadline;
        loop {
            let now = self.endless.load(Ordering::SeqCst);
            if now == 0 || Instant::now() >= end {
                return now;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for HostileHttp {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers the requests of one connection; `None` once it has ended.
async fn serve(mut stream: TcpStream, endless: Arc<AtomicUsize>) -> Option<()> {
    let mut received = Vec::new();
    loop {
        let message = next(&mut stream, &mut received).await?;
        let name = message.pointer("/params/name").and_then(Value::as_str).unwrap_or_default();
        match TOOLS.iter().find(|tool| tool.name == name) {
            Some(tool) => {
                endless.fetch_add(1, Ordering::SeqCst);
                go_on(&mut stream, tool, &message).await;
                endless.fetch_sub(1, Ordering::SeqCst);
                return None;
            }
            None => stream.write_all(&answer(&message, name)).await.ok()?,
        }
    }
}

/// The body of the next request.
async fn next(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<Value> {
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some((message, length)) = complete(received) {
            received.drain(..length);
            return Some(message);
        }
        let read = stream.read(&mut chunk).await.ok()?;
        received.extend_from_slice(chunk.get(..read).filter(|read| !read.is_empty())?);
    }
}

/// The message at the start and the length of its request, when all of it is there.
fn complete(received: &[u8]) -> Option<(Value, usize)> {
    let head = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(received.get(..head)?).to_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let end = head + length.unwrap_or(0);
    Some((serde_json::from_slice(received.get(head..end)?).unwrap_or_default(), end))
}

fn answer(message: &Value, name: &str) -> Vec<u8> {
    let Some(id) = message.get("id") else {
        return b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_vec();
    };
    let result = |mut result: Value| {
        if let Some(members) = result.as_object_mut() {
            members.insert("resultType".to_owned(), json!("complete"));
        }
        json!({ "jsonrpc": "2.0", "id": id, "result": result })
    };
    let text = |text: &str| result(json!({ "content": [{ "type": "text", "text": text }] }));
    match (message.get("method").and_then(Value::as_str).unwrap_or_default(), name) {
        ("server/discover", _) => whole("", result(discovered()).to_string().as_bytes()),
        ("tools/list", _) => whole("", result(listed()).to_string().as_bytes()),
        (_, "calm") => whole("", text("calm").to_string().as_bytes()),
        (_, "large-body") => whole("", text(&"x".repeat(LARGE)).to_string().as_bytes()),
        (_, "packed") => whole("content-encoding: gzip\r\n", &bomb::gzip(1 << 20)),
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            whole("", json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().as_bytes())
        }
    }
}

fn whole(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn discovered() -> Value {
    json!({
        "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} }, "ttlMs": 0, "cacheScope": "private",
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "hostile", "version": "0" } },
    })
}

fn listed() -> Value {
    let names = TOOLS.iter().map(|tool| tool.name).chain(WHOLE);
    let tools: Vec<_> =
        names.map(|name| json!({ "name": name, "inputSchema": { "type": "object" } })).collect();
    json!({ "tools": tools, "ttlMs": 60_000, "cacheScope": "private" })
}

/// Says the same until nobody reads any more.
async fn go_on(stream: &mut TcpStream, tool: &Tool, message: &Value) {
    let token = message.pointer("/params/_meta/progressToken").cloned().unwrap_or_default();
    let mut said = stream.write_all(tool.head.as_bytes()).await.and(Ok(()));
    let mut number: u64 = 0;
    let mut text = tool.first.to_owned();
    // A reader that has gone is noticed even while there is nothing to write.
    while said.is_ok() && !has_closed(stream) {
        if !text.is_empty() {
            said = stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await;
        }
        number += 1;
        text = match &tool.again {
            Again::Text(text) => (*text).to_owned(),
            Again::Letters => "x".repeat(64 << 10),
            Again::Lines => format!("data: {}\n", "x".repeat(64 << 10)),
            Again::Progress => {
                let params = json!({ "progressToken": token, "progress": number });
                let note = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
                format!("data: {note}\n\n")
            }
        };
        sleep(tool.pause).await;
    }
}
