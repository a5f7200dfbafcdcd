//! Bad answers from a server: the caller gets the documented error, the log an outcome, the next caller an answer.

use std::time::Duration;

use portcullis_testkit::gateway::{Gateway, Setup};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    message::{LEGACY, call, initialize, legacy, modern},
    odd::odd,
    processes::resident_kib,
    raw::{Answer, Request, SOON},
};

/// A server may be silent for a second; messages are small.
const LIMITS: &str = "[limits]\nrequest_seconds = 1\nresponse_bytes = 65536\njson_depth = 64\n";

async fn ask(gateway: &Gateway, tool: &str, arguments: Value) -> Answer {
    let message = modern(1, "tools/call", call(tool, arguments));
    Request::modern("/mcp/odd", &message).send(gateway.address()).await
}

/// How the calls of a tool ended. An outcome is written down without anybody waiting for it.
async fn outcomes(gateway: &Gateway, tool: &str) -> Vec<String> {
    let calls = gateway.records().unwrap();
    let calls: Vec<_> =
        calls.iter().filter(|it| it.allows("tools/call", "odd", tool)).map(|it| it.text("id")).collect();
    let last = calls.last().expect("the call was allowed");
    gateway.wait_for("the outcome", SOON, |it| it.text("decision") == *last).await.unwrap();
    let records = gateway.records().unwrap();
    let ended = records.iter().filter(|it| calls.contains(&it.text("decision")));
    ended.map(|it| it.text("outcome").to_owned()).collect()
}

#[tokio::test]
async fn each_failure_has_its_error_and_its_outcome() {
    // Tool, arguments, HTTP status, JSON-RPC code, text of the result, recorded outcome.
    let table = [
        ("echo", json!({ "text": "hello" }), 200, 0, "hello", "completed"),
        ("never", json!({}), 504, 50201, "", "unknown"),
        ("die", json!({}), 502, 50201, "", "unknown"),
        ("half", json!({}), 502, 50201, "", "unknown"),
        ("close", json!({}), 502, 50201, "", "unknown"),
        ("noise", json!({}), 200, 0, "after the noise", "completed"),
        ("stranger", json!({}), 200, 0, "mine", "completed"),
        ("twice", json!({}), 200, 0, "first", "completed"),
        ("flood", json!({}), 502, 50201, "", "withheld"),
        ("huge", json!({ "bytes": 200_000 }), 502, 50201, "", "withheld"),
    ];
    let mut wrong = Vec::new();
    for (tool, arguments, status, code, text, outcome) in table {
        // One each: a server that keeps ending is not started again at once.
        let gateway = Setup::new().stdio("odd", &odd(&[])).sections(LIMITS).start().await.unwrap();
        let answer = ask(&gateway, tool, arguments).await;
        let seen = answer.json()["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        let recorded = outcomes(&gateway, tool).await;
        if (answer.status, answer.code(), &*seen) != (status, code, text) || recorded != [outcome] {
            wrong.push(format!("{tool}: {answer:?}, {recorded:?}; not {status} {code} `{text}` {outcome}"));
        }
        let next = ask(&gateway, "echo", json!({ "text": "next" })).await;
        if next.json()["result"]["content"][0]["text"] != "next" {
            wrong.push(format!("after {tool}: {next:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_server_that_hangs_is_started_again() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(LIMITS).start().await.unwrap();
    let hung = ask(&gateway, "stall", json!({})).await;
    assert_eq!((hung.status, hung.code()), (504, 50201), "{hung:?}");
    assert_eq!(outcomes(&gateway, "stall").await, ["unknown"]);
    gateway.wait_for("its end", SOON, |it| it.text("event") == "child-exited").await.unwrap();
    let answer = ask(&gateway, "echo", json!({ "text": "again" })).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "again", "{answer:?}");
}

#[tokio::test]
async fn answers_that_two_readers_could_read_differently_never_arrive() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(LIMITS).start().await.unwrap();
    for tool in ["duplicate-keys", "deep"] {
        let answer = ask(&gateway, tool, json!({})).await;
        assert_eq!(answer.code(), 50201, "{tool}: {answer:?}");
        assert!(answer.json().get("result").is_none(), "{tool}: {answer:?}");
        assert_ne!(outcomes(&gateway, tool).await, ["completed"], "{tool}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_holds_nobody_else_up() {
    let setup =
        Setup::new().stdio("mute", &odd(&["--mute"])).with("connect_seconds = 2").stdio("odd", &odd(&[]));
    let gateway = setup.start().await.unwrap();
    let began = Instant::now();
    let answer = ask(&gateway, "echo", json!({ "text": "hello" })).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "hello", "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let direct =
        Request::modern("/mcp/mute", &modern(1, "tools/list", json!({}))).send(gateway.address()).await;
    assert!(matches!((direct.status, direct.code()), (502 | 504, 50201)), "{direct:?}");
    // On the aggregate it is left out, and said so.
    let listed = Request::modern("/mcp", &modern(1, "tools/list", json!({}))).send(gateway.address()).await;
    let tools = listed.json()["result"]["tools"].as_array().cloned().unwrap_or_default();
    assert!(tools.iter().any(|tool| tool["name"] == "odd__echo"), "{listed:?}");
    gateway.wait_for("that it is left out", SOON, |it| it.text("event") == "degraded").await.unwrap();
}

/// All pages of the tools of `path` to a legacy client, and how many pages there were.
async fn all_tools(gateway: &Gateway, path: &str) -> (Vec<String>, usize) {
    let opened = Request::post(path, initialize(LEGACY).to_string()).send(gateway.address()).await;
    let session = opened.headers.get("mcp-session-id").unwrap_or_else(|| panic!("{opened:?}")).clone();
    let (mut names, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        let request = Request::post(path, legacy(1, "tools/list", params).to_string());
        let answer = request.header("mcp-session-id", &session).send(gateway.address()).await.json();
        let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
        names.extend(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match answer["result"]["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (names, pages),
        }
    }
}

#[tokio::test]
async fn ten_thousand_tools_come_through_in_pages_and_memory_is_flat() {
    let odds = odd(&["--tools", "9900"]);
    let gateway = Setup::new()
        .stdio("odd", &odds)
        .sections("[limits]\nrequests_per_second = 100000\n")
        .start()
        .await
        .unwrap();
    let (names, pages) = all_tools(&gateway, "/mcp/odd").await;
    assert!(names.len() > 9_900 && names.contains(&"tool-09899".to_owned()), "{}", names.len());
    assert!(pages > 1, "{pages} pages");
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    let before = resident_kib(gateway.pid());
    for _ in 0..2 {
        assert_eq!(all_tools(&gateway, "/mcp").await.0.len(), names.len());
    }
    let after = resident_kib(gateway.pid());
    assert!(after < before + 48 * 1024, "from {before} KiB to {after} KiB");
}

#[tokio::test]
async fn more_tools_than_the_limit_are_refused_as_a_whole() {
    let odds = odd(&["--tools", "1000"]);
    let gateway =
        Setup::new().stdio("odd", &odds).sections("[limits]\nlist_items = 500\n").start().await.unwrap();
    let answer =
        Request::modern("/mcp/odd", &modern(1, "tools/list", json!({}))).send(gateway.address()).await;
    assert_eq!((answer.status, answer.code()), (502, 50201), "{answer:?}");
}
