//! Bad input on standard input: the documented code, a record, and the next message is read.

use portcullis_testkit::gateway::{read_records, wait_for_record};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    message::{LEGACY, call, initialize, legacy, modern},
    odd::odd,
    pipe::Pipe,
    processes::{all_gone, descendants},
    raw::SOON,
};

/// A line, the id its answer has, the code of the error and the kind of its record.
type Case = (&'static str, Vec<u8>, Value, i64, &'static str);

fn cases() -> Vec<Case> {
    let line = |text: &str| text.as_bytes().to_vec();
    let text = |message: Value| message.to_string().into_bytes();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}{}}}}}"#,
        "[".repeat(600),
        "]".repeat(600)
    );
    let big = legacy(1, "ping", json!({ "x": "y".repeat(2 << 20) }));
    vec![
        ("not JSON", line("hello"), Value::Null, -32700, "malformed"),
        ("cut short", line(r#"{"jsonrpc":"2.0","id":1,"method":"ping""#), Value::Null, -32700, "malformed"),
        (
            "not UTF-8",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec(),
            Value::Null,
            -32700,
            "malformed",
        ),
        ("too deep", line(&deep), Value::Null, -32700, "malformed"),
        ("too long", text(big), Value::Null, -32600, "too-large"),
        (
            "duplicate key",
            line(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#),
            Value::Null,
            -32700,
            "malformed",
        ),
        (
            "a batch",
            line(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#),
            Value::Null,
            -32600,
            "invalid-request",
        ),
        ("no jsonrpc", line(r#"{"id":5,"method":"ping"}"#), json!(5), -32600, "invalid-request"),
        (
            "id null",
            line(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#),
            Value::Null,
            -32600,
            "invalid-request",
        ),
        ("unknown method", text(legacy(6, "tools/destroy", json!({}))), json!(6), -32601, "unknown-method"),
        (
            "unknown tool",
            text(legacy(7, "tools/call", call("nothing", json!({})))),
            json!(7),
            -32602,
            "not-found",
        ),
        ("no name", text(legacy(8, "tools/call", json!({}))), json!(8), -32602, "invalid-params"),
        ("initialised twice", text(initialize(LEGACY)), json!(0), -32600, ""),
    ]
}

#[tokio::test]
async fn bad_lines_get_the_documented_error_and_a_record() {
    let files = tempfile::tempdir().unwrap();
    let record = files.path().join("record.jsonl");
    let mut pipe = Pipe::run(&odd(&[]), &record);
    let opened = pipe.ask(&initialize(LEGACY)).await;
    assert_eq!(opened["result"]["protocolVersion"], LEGACY, "{opened}");
    pipe.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let mut wrong = Vec::new();
    for (name, line, id, code, kind) in cases() {
        pipe.write(&[line, b"\n".to_vec()].concat()).await;
        let answer = pipe.receive().await;
        let explained = answer["error"]["data"]["record"].as_str().unwrap_or_default();
        let seen = wait_for_record(&record, name, SOON, |it| it.text("id") == explained).await.unwrap();
        let seen = seen.refused();
        let fine = seen == kind || kind.is_empty();
        if (&answer["id"], answer["error"]["code"].as_i64()) != (&id, Some(code)) || !fine {
            wrong.push(format!("{name}: {answer}, recorded as {seen}; not {id} {code} {kind}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Blank lines and a line without an answer disturb nobody.
    pipe.write(b"\n  \n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/nothing\"}\n").await;
    let answer = pipe.ask(&legacy(9, "tools/call", call("echo", json!({ "text": "fine" })))).await;
    assert_eq!(answer["result"]["content"][0]["text"], "fine", "{answer}");
}

#[tokio::test]
async fn wrong_versions_are_answered_with_right_ones() {
    let files = tempfile::tempdir().unwrap();
    let cases = [("2024-11-05", "2024-11-05"), ("1999-01-01", LEGACY), ("2026-07-28", LEGACY), ("", LEGACY)];
    for (number, (asked, agreed)) in cases.into_iter().enumerate() {
        let mut pipe = Pipe::run(&odd(&[]), &files.path().join(number.to_string()));
        let opened = pipe.ask(&initialize(asked)).await;
        assert_eq!(opened["result"]["protocolVersion"], agreed, "{asked}: {opened}");
    }
    let mut pipe = Pipe::run(&odd(&[]), &files.path().join("modern"));
    let mut newer = modern(1, "tools/list", json!({}));
    newer["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let refused = pipe.ask(&newer).await;
    assert_eq!(refused["error"]["code"], -32022, "{refused}");
    assert_eq!(refused["error"]["data"]["requested"], "2099-01-01", "{refused}");
    let early = pipe.ask(&legacy(2, "tools/list", json!({}))).await;
    assert!(early["error"]["code"].is_i64(), "{early}");
    let listed = pipe.ask(&modern(3, "tools/list", json!({}))).await;
    assert_eq!(listed["result"]["resultType"], "complete", "{listed}");
}

#[tokio::test]
async fn the_end_of_input_ends_everything() {
    let files = tempfile::tempdir().unwrap();
    let record = files.path().join("record.jsonl");
    let mut pipe = Pipe::run(&odd(&[]), &record);
    pipe.ask(&initialize(LEGACY)).await;
    let answer = pipe.ask(&legacy(1, "tools/call", call("echo", json!({ "text": "one" })))).await;
    assert_eq!(answer["result"]["content"][0]["text"], "one", "{answer}");
    let below = descendants(i32::try_from(pipe.child.id().unwrap()).unwrap());
    assert!(!below.is_empty(), "the server is a child of the gateway");
    // A last request without a newline, and the end.
    pipe.write(legacy(2, "tools/call", call("echo", json!({ "text": "two" }))).to_string().as_bytes()).await;
    pipe.close();
    let status = timeout(SOON, pipe.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status:?}");
    all_gone(&below, SOON).await;
    let records = read_records(&record).unwrap();
    let decided = records.iter().filter(|it| it.allows("tools/call", "odd", "echo"));
    for decision in decided {
        let ended = records.iter().any(|it| it.text("decision") == decision.text("id"));
        assert!(ended, "{decision:?} has no outcome");
    }
    assert!(records.iter().any(|it| it.text("event") == "stopped"), "{records:?}");
}
