//! `portcullis audit export` of what a gateway really wrote, checked against the public schema of OCSF.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use portcullis_testkit::{
    bed::Bed,
    gateway::{Setup, portcullis, read_records},
};
use serde_json::{Value, json};

use crate::{
    message::{call, modern},
    odd::odd,
    raw::Request,
    until::until,
};

fn export(records: &Path, format: &str, more: &[&str]) -> String {
    let mut command = Command::new(portcullis().unwrap());
    command.args(["audit", "export", "--format", format, "--records"]).arg(records).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asks the checker of the test bed about events.
fn check(events: &str) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testbed/check-ocsf.py");
    let mut command = Command::new(Bed::load().unwrap().python());
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checker = command.spawn().unwrap();
    // It stops reading at the first event that is wrong.
    let _ = checker.stdin.take().unwrap().write_all(events.as_bytes());
    checker.wait_with_output().unwrap()
}

#[tokio::test]
async fn every_record_becomes_an_event_that_the_public_schema_accepts() {
    let policy = "permit (principal, action, resource);\nforbid (principal, action, resource == Mcp::Tool::\"odd/half\");";
    let gateway = Setup::new().stdio("odd", &odd(&[])).policy(policy).start().await.unwrap();
    for tool in ["echo", "half", "stranger", "no-such-tool"] {
        let message = modern(1, "tools/call", call(tool, json!({ "text": "a=b|c\\d\u{202e}" })));
        Request::modern("/mcp/odd", &message).send(gateway.address()).await;
    }
    Request::post("/mcp", "not JSON").send(gateway.address()).await;
    let ended = || {
        let records = gateway.records().unwrap();
        let count = |kind: &str| records.iter().filter(|it| it.kind() == kind).count();
        count("outcome") == records.iter().filter(|it| it.is_allowed()).count() && count("decision") >= 5
    };
    until("the end of every call", ended).await;
    // The gateway may write on.
    let kept = tempfile::tempdir().unwrap();
    let log = kept.path().join("audit.jsonl");
    fs::copy(gateway.log(), &log).unwrap();
    let records = read_records(&log).unwrap();
    let events = export(&log, "ocsf", &[]);
    let output = check(&events);
    let classes: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let of_kind = |event: bool| records.iter().filter(|it| (it.kind() == "event") == event).count();
    assert_eq!(classes, json!({ "6002": of_kind(true), "6003": of_kind(false) }));
    assert!(of_kind(false) >= 7, "decisions and outcomes");
    let broken = check(&events.replacen("\"activity_id\":", "\"activity_id\":5", 1));
    assert!(!broken.status.success(), "a checker that accepts everything shows nothing");
    assert_eq!(export(&log, "jsonl", &[]).lines().count(), records.len());
    assert_eq!(
        export(&log, "cef", &["--decision", "refuse"]).lines().count(),
        3,
        "half, no-such-tool, not JSON"
    );
}
