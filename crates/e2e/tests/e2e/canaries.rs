//! What must not be read from a record is not in it: arguments, answers, credentials and session ids leave
//! commitments, which whoever has the key and the bytes can check.

use std::{fs, process::Command};

use portcullis_testkit::gateway::{Gateway, Setup, portcullis};
use serde_json::json;

use crate::{
    message::{LEGACY, call, initialize, legacy, modern},
    odd::odd,
    raw::Request,
    until::until,
};

const CANARY: &str = "c4n4ry-8f1e";

/// What `portcullis audit commitment` prints for these bytes.
fn commitment(gateway: &Gateway, bytes: &[u8]) -> String {
    let home = gateway.config().parent().unwrap().to_owned();
    let file = home.join("bytes");
    fs::write(&file, bytes).unwrap();
    let mut command = Command::new(portcullis().unwrap());
    command.args(["audit", "commitment"]).arg(&file).arg("--key");
    let output = command.arg(home.join(".local/state/portcullis/commitment.key")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn records_hold_commitments_and_no_canaries() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    let echo = modern(1, "tools/call", call("echo", json!({ "text": CANARY, "password": CANARY })));
    let read =
        modern(2, "resources/read", json!({ "uri": format!("https://u:{CANARY}@h.example/a?k={CANARY}") }));
    let bad = modern(3, "tools/call", json!({ "name": "echo", "arguments": CANARY }));
    for message in [&echo, &read, &bad] {
        let secret = format!("Bearer {CANARY}");
        Request::modern("/mcp/odd", message).header("authorization", &secret).send(gateway.address()).await;
    }
    let opened = Request::post("/mcp/odd", initialize(LEGACY).to_string()).send(gateway.address()).await;
    let session = opened.headers["mcp-session-id"].clone();
    let in_session = legacy(5, "tools/call", call("echo", json!({ "text": CANARY }))).to_string();
    let request = Request::post("/mcp/odd", in_session.clone()).header("mcp-session-id", &session);
    request.send(gateway.address()).await;

    let of = |id: &str| commitment(&gateway, id.as_bytes());
    let (echoed, in_session, session_id) = (of(&echo.to_string()), of(&in_session), of(&session));
    until("every record", || {
        let records = gateway.records().unwrap();
        records.iter().any(|it| it.text("request") == in_session)
    })
    .await;
    let records = gateway.records().unwrap();
    assert!(echoed.starts_with("hmac-sha256:"), "{echoed}");
    assert_eq!(records.iter().filter(|it| it.text("request") == echoed).count(), 1);
    let last = records.iter().rfind(|it| it.text("request") == in_session).unwrap();
    let context = &last.value()["context"];
    assert_eq!((&context["session"], &context["peer"]), (&json!(session_id), &json!("127.0.0.1")));
    assert!(context["catalogue"].as_str().is_some_and(|it| it.starts_with("sha256:")), "{context}");
    for absent in ["sandbox", "parent_span", "span"] {
        assert!(context.get(absent).is_some_and(serde_json::Value::is_null), "{absent} in {context}");
    }
    assert_eq!(context["cache"], "none", "{context}");
    let stated = records.iter().find(|it| it.text("event") == "boundary-stated").unwrap();
    let digest = portcullis_core::Digest::of(stated.text("detail").as_bytes()).to_string();
    assert_eq!((&context["boundary"], stated.text("subject")), (&json!(digest), &*digest), "{context}");
    let written = fs::read_to_string(gateway.log()).unwrap();
    for secret in [CANARY, session.as_str()] {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "`{secret}` is on record");
    }
}
