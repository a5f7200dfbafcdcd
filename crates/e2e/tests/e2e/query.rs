//! `portcullis audit query` and `trace` on what a gateway really writes, while it writes and after it was killed.

use std::{path::Path, process::Stdio};

use portcullis_testkit::gateway::{Setup, portcullis};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    message::{call, modern},
    odd::odd,
    raw::{Request, SOON},
    until::until,
};

fn audit(records: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(portcullis().unwrap());
    command.arg("audit").args(args).arg("--records").arg(records).stderr(Stdio::null());
    command
}

/// Asks for a trace; its status and the state of each part.
async fn trace(records: &Path, id: &str) -> (Option<i32>, Value) {
    let output = audit(records, &["trace", id, "--json"]).output().await.unwrap();
    let trace: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = trace["chain"].as_array().unwrap().iter();
    let states = parts.map(|link| (link["part"].as_str().unwrap().to_owned(), link["state"].clone()));
    (output.status.code(), Value::Object(states.collect()))
}

#[tokio::test]
async fn calls_are_seen_as_they_happen_and_traced_after_a_kill() {
    let mut gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    let log = gateway.log();
    let mut follower = audit(&log, &["query", "--tool", "echo", "--follow", "--json"]);
    let mut follower = follower.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut seen = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = async || -> Value {
        let line = timeout(SOON, seen.next_line()).await.expect("nothing was shown in time").unwrap();
        serde_json::from_str(&line.expect("the follower ended")).unwrap()
    };
    let mut last = String::new();
    for _ in 0..3 {
        for tool in ["stranger", "echo"] {
            let message = modern(1, "tools/call", call(tool, json!({ "text": "hello" })));
            Request::modern("/mcp/odd", &message).send(gateway.address()).await;
        }
        let (decision, outcome) = (next().await, next().await);
        assert_eq!((&decision["item"], &outcome["decision"]), (&json!("echo"), &decision["id"]));
        assert!(gateway.records().unwrap().iter().any(|it| it.value() == &decision), "as it was written");
        last = decision["id"].as_str().unwrap().to_owned();
    }
    let (status, states) = trace(&log, &last).await;
    let established = json!({
        "run": "present", "configuration": "present", "launch": "present", "connection": "present",
        "catalogue": "present", "caller": "present", "actor": "absent", "trace-context": "absent",
        "decision": "present", "outcome": "present",
    });
    assert_eq!((status, &states), (Some(0), &established));

    let never = Request::modern("/mcp/odd", &modern(2, "tools/call", call("never", json!({}))));
    let address = gateway.address();
    let hanging = tokio::spawn(async move { never.send(address).await });
    let begun = || {
        let records = gateway.records().unwrap();
        records.iter().find(|it| it.allows("tools/call", "odd", "never")).map(|it| it.text("id").to_owned())
    };
    until("the call", || begun().is_some()).await;
    let begun = begun().unwrap();
    gateway.kill();
    hanging.abort();
    let (status, states) = trace(&log, &begun).await;
    assert_eq!((status, &states["outcome"]), (Some(0), &json!("pending")));
    let again = gateway.again().await.unwrap();
    let (status, states) = trace(&again.log(), &begun).await;
    assert_eq!((status, &states["outcome"]), (Some(1), &json!("not_established")));
}
