//! HTTP by hand: what no client library would send.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{message::MODERN, trouble::Trouble};

/// No answer may take longer, whatever was asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// An HTTP request in the making.
#[derive(Clone)]
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request with the headers every transport wants.
    pub(crate) fn new(verb: &str, path: &str) -> Self {
        let request = Self { line: format!("{verb} {path} HTTP/1.1"), headers: Vec::new(), body: Vec::new() };
        request
            .header("host", "127.0.0.1")
            .header("accept", "application/json, text/event-stream")
            .header("connection", "close")
    }

    /// A POST of `body` as JSON.
    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", path).header("content-type", "application/json") }
    }

    /// A POST of a call of `tool` under 2026-07-28, with the headers that repeat what the body says.
    pub(crate) fn call(path: &str, tool: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post(path, body)
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
    }

    /// Sets a header.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Adds a header, whether or not there is one of that name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the request line.
    pub(crate) fn line(self, line: &str) -> Self {
        Self { line: line.to_owned(), ..self }
    }

    /// Takes a header away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// The bytes, complete.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(&format!("content-length: {}\r\n", self.body.len()));
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The head alone, with the lines that say how long the body is.
    pub(crate) fn head(&self, framing: &str) -> Vec<u8> {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{headers}{framing}\r\n", self.line).into_bytes()
    }
}

/// Everything that came back on one connection.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) answers: Vec<Answer>,
    /// Whether the other side ended the connection.
    pub(crate) closed: bool,
}

/// One HTTP response.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, repeated headers joined with `, `.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// Connects from `from`, an address of this machine, or from whichever the system takes.
pub(crate) async fn connect(to: SocketAddr, from: Option<IpAddr>) -> Result<TcpStream, Trouble> {
    let doing = || Trouble::io(format!("connecting to {to}"));
    let socket = TcpSocket::new_v4().map_err(doing())?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0)).map_err(doing())?;
    }
    let stream = socket.connect(to).await.map_err(doing())?;
    stream.set_nodelay(true).map_err(doing())?;
    Ok(stream)
}

/// Sends bytes and reads what comes back until the connection ends.
pub(crate) async fn exchange(to: SocketAddr, bytes: &[u8]) -> Result<Exchange, Trouble> {
    let mut stream = connect(to, None).await?;
    Ok(converse(&mut stream, bytes).await)
}

/// The same on a connection that exists.
pub(crate) async fn converse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> Exchange {
    let mut received = Vec::new();
    let (mut reader, mut writer) = tokio::io::split(stream);
    // The other side may answer and close before it has taken everything, and what is on its way is then reset;
    // both are answers.
    let both = async { tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut received)) };
    let closed = timeout(PATIENCE, both).await.is_ok();
    Exchange { answers: Answer::all(&received), closed }
}

/// Whether the other side has ended a connection on which nothing more is expected.
pub(crate) fn has_closed(stream: &TcpStream) -> bool {
    loop {
        match stream.try_read(&mut [0; 1_024]) {
            Ok(0) => return true,
            // An answer that came before.
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

impl Exchange {
    /// The first answer; an empty one when there was none.
    pub(crate) fn first(&self) -> Answer {
        self.answers.first().cloned().unwrap_or_default()
    }
}

impl Answer {
    /// The responses in what was read.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while let Some((answer, rest)) = Self::next(bytes) {
            answers.push(answer);
            bytes = rest;
        }
        answers
    }

    /// The response at the start, as far as it is there, and what follows it.
    fn next(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, rest) = (String::from_utf8_lossy(bytes.get(..at)?), bytes.get(at + 4..)?);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|word| word.parse().ok());
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            headers
                .entry(name.to_lowercase())
                .and_modify(|known| *known = format!("{known}, {value}"))
                .or_insert_with(|| value.to_owned());
        }
        let (body, rest) = body(&headers, rest);
        Some((
            Self { status: status.unwrap_or(0), headers, body: String::from_utf8_lossy(&body).into_owned() },
            rest,
        ))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body as JSON: the whole, or the last event of a stream; null when it is neither.
    pub(crate) fn json(&self) -> Value {
        let last = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        serde_json::from_str(last.unwrap_or(&self.body)).unwrap_or_default()
    }

    /// JSON-RPC error code; 0 when there is none.
    pub(crate) fn code(&self) -> i64 {
        self.json().pointer("/error/code").and_then(Value::as_i64).unwrap_or_default()
    }

    /// The record that explains the refusal.
    pub(crate) fn record(&self) -> String {
        let json = self.json();
        json.pointer("/error/data/record").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

fn body<'b>(headers: &BTreeMap<String, String>, rest: &'b [u8]) -> (Vec<u8>, &'b [u8]) {
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        return unchunked(rest);
    }
    let length = headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
    let (body, rest) = rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or((rest, &[]));
    (body.to_vec(), rest)
}

/// RFC 9112 section 7.1, without extensions and trailers, which the gateway does not send.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    loop {
        let chunk = rest.windows(2).position(|window| window == b"\r\n").and_then(|at| {
            let size = usize::from_str_radix(std::str::from_utf8(rest.get(..at)?).ok()?, 16).ok()?;
            Some((rest.get(at + 2..at + 2 + size)?, rest.get(at + 4 + size..)?))
        });
        let Some((data, after)) = chunk else { return (body, &[]) };
        rest = after;
        if data.is_empty() {
            return (body, rest);
        }
        body.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, wanted: &[(u16, &str)]) {
        let answers = Answer::all(bytes.as_bytes());
        let seen: Vec<_> = answers.iter().map(|answer| (answer.status, &*answer.body)).collect();
        assert_eq!(seen, wanted, "{bytes}");
    }

    #[test]
    fn answers_are_told_apart() {
        check("", &[]);
        check("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", &[(400, "")]);
        let two =
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n";
        check(two, &[(200, "hi"), (204, "")]);
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        check(&format!("{chunked}{two}"), &[(200, "abcd"), (200, "hi"), (204, "")]);
        check("HTTP/1.1 200 OK\r\n\r\nto the end", &[(200, "to the end")]);
    }
}
