//! Bad input over HTTP: each case has the documented status and code, and a record that says why.

use std::time::Duration;

use portcullis_testkit::gateway::{Gateway, Record, Setup};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    message::{LEGACY, MODERN, call, initialize, legacy, modern},
    odd::odd,
    processes::resident_kib,
    raw::{Request, SOON, exchange, read},
};

/// Small limits, so that exceeding them is quick.
const LIMITS: &str = "[limits]\nbody_bytes = 4096\njson_depth = 16\nheader_read_seconds = 1\nbody_read_seconds = 1\n\
                      requests_per_second = 100000\n";

async fn gateway() -> Gateway {
    Setup::new().stdio("odd", &odd(&[])).sections(LIMITS).start().await.unwrap()
}

/// A request, the HTTP status and JSON-RPC code it gets, and the kind its record has.
struct Case {
    name: &'static str,
    request: Request,
    status: u16,
    code: i64,
    kind: &'static str,
}

fn case(name: &'static str, request: Request, status: u16, code: i64, kind: &'static str) -> Case {
    Case { name, request, status, code, kind }
}

/// Bodies that are no message, whatever the headers say.
fn unreadable() -> Vec<Case> {
    let head = |body: &[u8]| {
        Request::post("/mcp", body).header("mcp-protocol-version", MODERN).header("mcp-method", "tools/list")
    };
    let good = modern(1, "tools/list", json!({})).to_string();
    let with = |from: &str, to: &str| head(good.replacen(from, to, 1).as_bytes());
    let deep = format!(r#""params":{{"x":{}{},"#, "[".repeat(20), "]".repeat(20));
    vec![
        case("nothing", head(b""), 400, -32700, "malformed"),
        case("cut short", head(&good.as_bytes()[..good.len() - 2]), 400, -32700, "malformed"),
        case("not JSON", head(b"<xml/>"), 400, -32700, "malformed"),
        case(
            "not UTF-8",
            head(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}"),
            400,
            -32700,
            "malformed",
        ),
        case("trailing data", head(format!("{good}{good}").as_bytes()), 400, -32700, "malformed"),
        case("duplicate key", with("\"id\":1", "\"id\":1,\"id\":2"), 400, -32700, "malformed"),
        case("duplicate key, escaped", with("\"id\":1", "\"id\":1,\"i\\u0064\":2"), 400, -32700, "malformed"),
        case("lone surrogate", with("\"e2e\"", "\"\\ud800\""), 400, -32700, "malformed"),
        case("too deep", with("\"params\":{", &deep), 400, -32700, "malformed"),
        case("number beyond range", with("\"id\":1", "\"id\":1e999"), 400, -32700, "malformed"),
        case("a string", head(b"\"x\""), 400, -32600, "invalid-request"),
        case("a batch", head(format!("[{good}]").as_bytes()), 400, -32600, "invalid-request"),
        case("no jsonrpc", with("\"jsonrpc\":\"2.0\",", ""), 400, -32600, "invalid-request"),
        case("other jsonrpc", with("\"2.0\"", "\"1.0\""), 400, -32600, "invalid-request"),
        case("id null", with("\"id\":1", "\"id\":null"), 400, -32600, "invalid-request"),
        case("id a fraction", with("\"id\":1", "\"id\":1.5"), 400, -32600, "invalid-request"),
        case("method a number", with("\"tools/list\"", "7"), 400, -32600, "invalid-request"),
        case("method in capitals", with("\"method\"", "\"METHOD\""), 400, -32600, "invalid-request"),
    ]
}

/// Messages that contradict their headers or their version.
fn disagreeing() -> Vec<Case> {
    let list = modern(1, "tools/list", json!({}));
    let calling = modern(1, "tools/call", call("echo", json!({})));
    let bare = legacy(1, "tools/list", json!({}));
    let post = |message: &Value| Request::modern("/mcp/odd", message);
    let mut newer = list.clone();
    newer["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    vec![
        case(
            "another method",
            post(&list).header("mcp-method", "tools/call"),
            400,
            -32020,
            "header-mismatch",
        ),
        case("no method header", post(&list).without("mcp-method"), 400, -32020, "header-mismatch"),
        case("another name", post(&calling).header("mcp-name", "die"), 400, -32020, "header-mismatch"),
        case("no name header", post(&calling).without("mcp-name"), 400, -32020, "header-mismatch"),
        case(
            "broken base64",
            post(&calling).header("mcp-name", "=?base64?*?="),
            400,
            -32020,
            "header-mismatch",
        ),
        case(
            "no version header",
            post(&list).without("mcp-protocol-version"),
            400,
            -32020,
            "header-mismatch",
        ),
        case(
            "unknown version header",
            post(&list).header("mcp-protocol-version", "2099-01-01"),
            400,
            -32020,
            "header-mismatch",
        ),
        case(
            "unknown version",
            post(&newer).header("mcp-protocol-version", "2099-01-01"),
            400,
            -32022,
            "unsupported-version",
        ),
        case("no _meta", post(&bare), 400, -32602, "invalid-params"),
        case(
            "legacy without session",
            post(&bare).header("mcp-protocol-version", LEGACY),
            400,
            -32600,
            "invalid-request",
        ),
        case(
            "unknown session",
            Request::post("/mcp", bare.to_string()).header("mcp-session-id", "nobody"),
            404,
            -32600,
            "no-session",
        ),
        case("method of another version", post(&modern(1, "ping", json!({}))), 404, -32601, "unknown-method"),
        case("method of nobody", post(&modern(1, "tools/destroy", json!({}))), 404, -32601, "unknown-method"),
        case(
            "a server's method",
            post(&modern(1, "sampling/createMessage", json!({}))),
            404,
            -32601,
            "unknown-method",
        ),
        case("no name", post(&modern(1, "tools/call", json!({}))), 400, -32602, "invalid-params"),
        case(
            "unknown tool",
            post(&modern(1, "tools/call", call("nothing", json!({})))),
            200,
            -32602,
            "not-found",
        ),
        case(
            "unknown resource",
            Request::modern("/mcp", &modern(1, "resources/read", json!({ "uri": "x://y" }))),
            200,
            -32602,
            "resource-not-found",
        ),
        case("unknown server", Request::modern("/mcp/nobody", &list), 200, -32602, "not-found"),
    ]
}

/// Requests that HTTP itself makes unacceptable.
fn misdirected() -> Vec<Case> {
    let list = modern(1, "tools/list", json!({}));
    let post = || Request::modern("/mcp", &list);
    let large = modern(1, "tools/list", json!({ "x": "y".repeat(5_000) }));
    vec![
        case("foreign host", post().header("host", "evil.example"), 403, 40301, "bad-host"),
        case("foreign origin", post().header("origin", "https://evil.example"), 403, 40301, "bad-origin"),
        case("null origin", post().header("origin", "null"), 403, 40301, "bad-origin"),
        case(
            "a form",
            post().header("content-type", "application/x-www-form-urlencoded"),
            415,
            -32600,
            "media-type",
        ),
        case("no content type", post().without("content-type"), 415, -32600, "media-type"),
        case(
            "no events accepted",
            post().header("accept", "application/json"),
            406,
            -32600,
            "not-acceptable",
        ),
        case(
            "no endpoint",
            Request::new("GET", "/.well-known/oauth-protected-resource"),
            404,
            -32600,
            "no-such-path",
        ),
        case("no endpoint to post to", Request::post("/", "{}"), 404, -32600, "no-such-path"),
        case("stream of nobody", Request::new("GET", "/sse/nobody"), 404, -32600, "no-such-path"),
        case("GET without session", Request::new("GET", "/mcp"), 405, -32600, "http-method"),
        case("DELETE without session", Request::new("DELETE", "/mcp"), 405, -32600, "http-method"),
        case("PUT", Request::new("PUT", "/mcp"), 405, -32600, "http-method"),
        case("oversize, announced", Request::modern("/mcp", &large), 413, -32600, "too-large"),
        case("message without session", Request::post("/message", "{}"), 400, -32600, "invalid-request"),
    ]
}

#[tokio::test]
async fn bad_requests_get_the_documented_error_and_a_record() {
    let gateway = gateway().await;
    let mut wrong = Vec::new();
    for case in unreadable().into_iter().chain(disagreeing()).chain(misdirected()) {
        let answer = case.request.send(gateway.address()).await;
        let explains = |it: &Record| it.text("id") == answer.record();
        // A refusal is written down, but nobody waits for the disk on its account.
        let record = gateway.wait_for("the record of a refusal", SOON, explains).await;
        let record = record.unwrap_or_else(|e| panic!("{}: {answer:?}: {e}", case.name));
        let kind = record.refused();
        let (seen, wanted) = ((answer.status, answer.code(), kind), (case.status, case.code, case.kind));
        if seen != wanted {
            wrong.push(format!("{}: {seen:?}, not {wanted:?}; {}", case.name, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    every_refusal_names_its_peer(&gateway);
    // Who is known by then is on record too.
    let known = |kind: &str| {
        let records = gateway.records().unwrap();
        let record = records.iter().find(|it| it.refused() == kind).unwrap();
        record.value()["caller"]["principal"]["id"].as_str().map(str::to_owned)
    };
    for (kind, caller) in [("bad-host", None), ("bad-origin", None), ("too-large", Some("loopback"))] {
        assert_eq!(known(kind).as_deref(), caller, "{kind}");
    }
    still_serves(&gateway).await;
}

/// However little of a request was read.
fn every_refusal_names_its_peer(gateway: &Gateway) {
    let records = gateway.records().unwrap();
    let refused: Vec<_> = records.iter().filter(|it| !it.refused().is_empty()).collect();
    assert!(!refused.is_empty(), "nothing was refused");
    for record in refused {
        assert_eq!(record.value()["context"]["peer"], "127.0.0.1", "{}", record.value());
    }
}

/// An ordinary call is answered.
async fn still_serves(gateway: &Gateway) {
    let message = modern(9, "tools/call", call("echo", json!({ "text": "fine" })));
    let answer = Request::modern("/mcp/odd", &message).send(gateway.address()).await;
    assert_eq!(
        (answer.status, answer.json()["result"]["content"][0]["text"].as_str()),
        (200, Some("fine")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_session_keeps_to_its_version_and_its_owner_ends_it() {
    let gateway = gateway().await;
    let opened = Request::post("/mcp/odd", initialize(LEGACY).to_string()).send(gateway.address()).await;
    let session = opened.headers.get("mcp-session-id").unwrap_or_else(|| panic!("{opened:?}")).clone();
    let list = legacy(1, "tools/list", json!({})).to_string();
    let post = |version: &str| {
        Request::post("/mcp/odd", list.clone())
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", version)
    };
    let table = [
        (post(LEGACY), 200, 0),
        (post("2025-06-18"), 400, -32600),
        (Request::post("/mcp/odd", "{").header("mcp-session-id", &session), 400, -32700),
        (Request::post("/mcp", list.clone()).header("mcp-session-id", &session), 404, -32600),
        (Request::new("DELETE", "/mcp/odd").header("mcp-session-id", &session), 204, 0),
        (post(LEGACY), 404, -32600),
    ];
    for (request, status, code) in table {
        let answer = request.send(gateway.address()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
    }
}

/// On HTTP+SSE a POST is only accepted; what is wrong with the message is said on the stream.
#[tokio::test]
async fn bad_messages_on_a_legacy_stream_are_answered_there() {
    let gateway = gateway().await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(&Request::new("GET", "/sse/odd").bytes()).await.unwrap();
    let opened = read_until(&mut stream, "/message/odd?sessionId=").await;
    let rest = match opened.ends_with('\n') {
        true => opened,
        false => opened + &read_until(&mut stream, "\n").await,
    };
    let endpoint = rest.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let table = [
        (initialize("2024-11-05"), 202, "\"protocolVersion\":\"2024-11-05\""),
        (json!("no message"), 202, "-32600"),
        (legacy(1, "tools/destroy", json!({})), 202, "-32601"),
        (legacy(2, "tools/call", call("nothing", json!({}))), 202, "-32602"),
        (legacy(3, "tools/call", call("echo", json!({ "text": "fine" }))), 202, "fine"),
    ];
    for (message, status, said) in table {
        let answer = Request::post(endpoint, message.to_string()).send(gateway.address()).await;
        assert_eq!(answer.status, status, "{message}: {answer:?}");
        read_until(&mut stream, said).await;
    }
    let stranger = Request::post("/message/odd?sessionId=nobody", "{}").send(gateway.address()).await;
    assert_eq!((stranger.status, stranger.code()), (404, -32600), "{stranger:?}");
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused_at_the_door() {
    let gateway = gateway().await;
    let huge = format!("GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
    let table: [(&[u8], &[u16]); 4] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[0, 400]),
        (b"NONSENSE\r\n\r\n", &[400]),
        (b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n", &[400]),
        (huge.as_bytes(), &[431]),
    ];
    for (bytes, statuses) in table {
        let answer = exchange(gateway.address(), bytes).await;
        assert!(statuses.contains(&answer.status), "{}: {answer:?}", String::from_utf8_lossy(bytes));
    }
    still_serves(&gateway).await;
    every_refusal_names_its_peer(&gateway);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_waited_for() {
    let gateway = gateway().await;
    // Without an announced length the limit is met while reading, and the rest is not taken in.
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = Request::post("/mcp", "").header("transfer-encoding", "chunked").head(None);
    stream.write_all(&head).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 2048, "x".repeat(2048));
    for _ in 0..4 {
        // The gateway may have closed already.
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    let answer = read(&mut stream).await;
    assert_eq!((answer.status, answer.code()), (413, -32600), "{answer:?}");
    still_serves(&gateway).await;
}

#[tokio::test]
async fn connections_without_a_place_are_told_and_on_record_without_flooding_it() {
    let limits = "[limits]\nconnections_per_ip = 4\n";
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(limits).start().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(TcpStream::connect(gateway.address()).await.unwrap());
    }
    let message = modern(1, "tools/list", json!({}));
    let turned = Request::modern("/mcp", &message).send(gateway.address()).await;
    assert_eq!((turned.status, &*turned.headers["retry-after"]), (429, "10"), "{turned:?}");
    let first = gateway.wait_for("the record", SOON, |it| it.text("id") == turned.record()).await.unwrap();
    assert_eq!((first.refused(), &first.value()["context"]["peer"]), ("too-many", &json!("127.0.0.1")));
    for _ in 0..30 {
        let again = Request::modern("/mcp", &message).send(gateway.address()).await;
        // One record explains them all.
        assert_eq!((again.status, again.record()), (429, turned.record()), "{again:?}");
    }
    drop(held);
    let (_, records) = gateway.stop().await.unwrap();
    let about: Vec<_> = records.iter().filter(|it| it.refused() == "too-many").collect();
    assert_eq!(about.len(), 1, "{about:?}");
    let counted = records.iter().find(|it| it.text("event") == "refusal-summary").unwrap().text("detail");
    let expected =
        format!("30 more connections from 127.0.0.1 were turned away after record {}", turned.record());
    assert!(counted.contains("limits.connections_per_ip") && counted.ends_with(&expected), "{counted}");
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let gateway = gateway().await;
    let message = modern(1, "tools/list", json!({}));
    let request = Request::modern("/mcp", &message);
    let (head, whole) = (request.head(Some(100)), request.bytes());
    // Where the request stops arriving, and the answer to that: none in the head, a timeout in the body.
    let table: [(&str, &[u8], u16); 4] = [
        ("nothing", b"", 0),
        ("half a head", &head[..head.len() / 2], 0),
        ("no body", &head, 408),
        ("half a body", &whole[..whole.len() - 10], 408),
    ];
    for (name, bytes, status) in table {
        let began = Instant::now();
        let answer = exchange(gateway.address(), bytes).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{name}: {:?}", began.elapsed());
    }
    still_serves(&gateway).await;
    every_refusal_names_its_peer(&gateway);
}

#[tokio::test]
async fn dripping_bytes_buys_no_time() {
    let gateway = gateway().await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        // One byte at a time, for as long as somebody takes it.
        for byte in b"GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ".iter().chain(std::iter::repeat(&b'y')) {
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut rest = Vec::new();
    let closed = timeout(Duration::from_secs(8), async {
        tokio::select! {
            () = drip => {}
            _ = reader.read_to_end(&mut rest) => {}
        }
    });
    assert!(closed.await.is_ok(), "the connection is still open");
    still_serves(&gateway).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_call() {
    let gateway = gateway().await;
    for half in [true, false] {
        let mut message = modern(7, "tools/call", call("never", json!({})));
        message["params"]["_meta"]["progressToken"] = json!("t");
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(&Request::modern("/mcp/odd", &message).bytes()).await.unwrap();
        read_until(&mut stream, "notifications/progress").await;
        let records = gateway.records().unwrap();
        let called = |it: &&Record| it.allows("tools/call", "odd", "never");
        let decision = records.iter().rfind(called).unwrap();
        if half {
            stream.shutdown().await.unwrap();
        } else {
            drop(stream);
        }
        let ended = |it: &Record| it.text("decision") == decision.text("id");
        let outcome = gateway.wait_for("the outcome", SOON, ended).await.unwrap();
        assert_eq!(outcome.text("outcome"), "cancelled", "{outcome:?}");
    }
    still_serves(&gateway).await;
}

/// Reads until `text` has come, and returns all that came.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let mut part = [0; 1024];
        let read = timeout(SOON, stream.read(&mut part)).await.unwrap().unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    seen
}

#[tokio::test]
async fn memory_is_flat_under_bad_input() {
    let gateway = gateway().await;
    let message = modern(1, "tools/list", json!({}));
    let bad = [
        Request::post("/mcp", "{").bytes(),
        Request::modern("/mcp", &message).without("mcp-method").bytes(),
        Request::modern("/mcp", &modern(1, "tools/call", call("nothing", json!({})))).bytes(),
        Request::modern("/mcp", &modern(1, "tools/list", json!({ "x": "y".repeat(5_000) }))).bytes(),
    ];
    flood(&gateway, &bad, 1_000).await;
    let before = resident_kib(gateway.pid());
    flood(&gateway, &bad, 4_000).await;
    let after = resident_kib(gateway.pid());
    assert!(after < before + 8 * 1024, "from {before} KiB to {after} KiB");
    still_serves(&gateway).await;
}

/// Sends `count` bad requests over connections of their own, a few at a time.
async fn flood(gateway: &Gateway, bad: &[Vec<u8>], count: usize) {
    let one = |number: usize| async move {
        let answer = exchange(gateway.address(), &bad[number % bad.len()]).await;
        assert!(answer.status >= 200, "{answer:?}");
    };
    for first in (0..count).step_by(8) {
        futures_util::future::join_all((first..first + 8).map(one)).await;
    }
}
