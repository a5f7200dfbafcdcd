//! HTTP by hand: what no client library would send.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// No answer may take longer, whatever was asked.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// An HTTP request in the making.
#[derive(Clone)]
pub(crate) struct Request {
    verb: &'static str,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    /// A request for `path` with the headers every transport wants.
    pub(crate) fn new(verb: &'static str, path: &str) -> Self {
        let headers = [
            ("accept", "application/json, text/event-stream"),
            ("connection", "close"),
            ("host", "127.0.0.1"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { verb, path: path.to_owned(), headers: headers.into(), body: Vec::new() }
    }

    /// A POST of `body` to `/mcp`.
    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let post = Self::new("POST", path).header("content-type", "application/json");
        Self { body: body.into(), ..post }
    }

    /// A POST of a 2026-07-28 message, with the headers that repeat it.
    pub(crate) fn modern(path: &str, message: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let post = Self::post(path, message.to_string())
            .header("mcp-protocol-version", super::message::MODERN)
            .header("mcp-method", &text(&message["method"]).unwrap_or_default());
        match text(&message["params"]["name"]).or_else(|| text(&message["params"]["uri"])) {
            Some(name) => post.header("mcp-name", &name),
            None => post,
        }
    }

    /// Sets a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes a header away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The bytes, complete.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(Some(self.body.len()));
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The head alone, announcing `length` bytes to come.
    pub(crate) fn head(&self, length: Option<usize>) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.verb, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(length) = length {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Sends it and reads the answer to its end.
    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        exchange(to, &self.bytes()).await
    }
}

/// Sends bytes and reads the answer to its end.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // The other side may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read(&mut stream).await
}

/// Reads an answer to its end.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut bytes)).await;
    // A reset after the answer means that the rest of the request was not wanted.
    let _ = read.unwrap_or_else(|_| panic!("no end within {SOON:?} of: {}", String::from_utf8_lossy(&bytes)));
    Answer::parse(&String::from_utf8_lossy(&bytes))
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status: status.unwrap_or(0), headers: headers.collect(), body: body.to_owned() }
    }

    /// The body as JSON: the whole, or the last event of a stream; null when it is neither.
    pub(crate) fn json(&self) -> Value {
        let last = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        serde_json::from_str(last.unwrap_or(&self.body)).unwrap_or_default()
    }

    /// JSON-RPC error code; 0 when there is none.
    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_default()
    }

    /// The record that explains the refusal.
    pub(crate) fn record(&self) -> String {
        self.json()["error"]["data"]["record"].as_str().unwrap_or_default().to_owned()
    }
}
