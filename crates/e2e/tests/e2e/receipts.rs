//! Receipts: a real client asks for them in `_meta`, keeps them, and checks later that what they name is in the log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portcullis_testkit::{
    bed::Bed,
    fixture::http::{Framing, Listening},
    gateway::{Setup, portcullis},
    journal::{Journal, Writer},
};
use serde_json::{Value, json};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::{
    message::{call, modern},
    odd::odd,
    raw::{Answer, Request, SOON},
    until::POLL,
};

const RECEIPT: &str = "portcullis/receipt";
const ORIGIN: &str = "example.com/receipts";
const POLICY: &str = "permit (principal, action, resource);\n\
    forbid (principal, action, resource == Mcp::Tool::\"web/test_error_handling\");\n";

async fn audit(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(portcullis().unwrap()).arg("audit").args(args).output().await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn key(place: &Path, name: &str) -> PathBuf {
    let path = place.join(name);
    let (status, said) = audit(&["key", "new", "--name", ORIGIN, path.to_str().unwrap()]).await;
    assert_eq!(status, Some(0), "{said}");
    path.with_added_extension("pub")
}

/// Asks for the proof until the tree has grown to it.
async fn prove(record: &str, log: &Path, out: &Path) {
    let end = Instant::now() + SOON;
    loop {
        let (status, said) =
            audit(&["proof", record, log.to_str().unwrap(), "--out", out.to_str().unwrap()]).await;
        if status == Some(0) {
            return;
        }
        assert!(Instant::now() < end, "{said}");
        sleep(POLL).await;
    }
}

/// Status of `check-proof` for a receipt that is spelt like this.
async fn check(receipt: &Value, proof: &Path, key: &Path) -> Option<i32> {
    let path = proof.with_extension("receipt");
    fs::write(&path, receipt.to_string()).unwrap();
    let [receipt, proof, key] = [&path, proof, key].map(|it| it.to_str().unwrap());
    audit(&["check-proof", proof, "--receipt", receipt, "--key", key]).await.0
}

#[tokio::test]
async fn a_client_keeps_a_receipt_and_finds_it_borne_out_by_the_log() {
    let (files, bed) = (tempfile::tempdir().unwrap(), Bed::load().unwrap());
    let (public, stranger) = (key(files.path(), "log.key").await, key(files.path(), "stranger.key").await);
    let journal = Journal::at(files.path().join("journal"));
    let writer = Writer::open(journal.path()).unwrap();
    let fixture = Listening::bind(([127, 0, 0, 1], 0).into(), Framing::Json, Some(writer)).await.unwrap();
    let fixture = fixture.spawn().unwrap();
    let (log, private) = (files.path().join("log"), files.path().join("log.key"));
    let audited = format!("log = {log:?}\nlog_key = {private:?}");
    let gateway =
        Setup::new().http("web", fixture.url()).policy(POLICY).audit(&audited).start().await.unwrap();
    let mut receipts = Vec::new();
    for mode in ["legacy", "2026-07-28"] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/clients/receipts.py");
        let mut client = Command::new(bed.python());
        let output = client.arg(script).arg(gateway.url_of("web")).arg(mode).output().await.unwrap();
        let seen: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{mode}: {}", String::from_utf8_lossy(&output.stderr)));
        assert!(seen["not asked"].get(RECEIPT).is_none(), "{mode}: {seen:#}");
        receipts.extend(["asked", "list"].map(|which| seen[which][RECEIPT].clone()));
    }
    let records = gateway.records().unwrap();
    for receipt in &receipts {
        let record = receipt["record"].as_str().unwrap_or_else(|| panic!("{receipts:#?}"));
        assert!(records.iter().any(|it| it.text("id") == record && it.is_allowed()), "{record}");
        let proof = files.path().join(record);
        prove(record, &log, &proof).await;
        assert_eq!(check(receipt, &proof, &public).await, Some(0), "{receipt}");
        assert_eq!(check(receipt, &proof, &stranger).await, Some(1), "{receipt}");
        let changes = [
            ("log", json!("example.com/other")),
            ("leaf", receipts[0]["leaf"].clone()),
            ("leaf", json!("no")),
        ];
        for (member, value) in changes.into_iter().filter(|(member, value)| receipt[member] != *value) {
            let mut changed = receipt.clone();
            changed[member] = value;
            assert_eq!(check(&changed, &proof, &public).await, Some(1), "{changed}");
        }
    }
    let received = journal.received().unwrap();
    assert!(received.iter().any(|it| it.calls("test_simple_text")));
    assert!(!received.iter().any(|it| it.body.contains(RECEIPT)), "a server sees who asks for receipts");
    // A receipt opens nothing.
    let shown = ask("/mcp/web", "test_error_handling", &receipts[0]).send(gateway.address()).await;
    assert_eq!(shown.status, 403, "{shown:?}");
}

fn ask(path: &str, tool: &str, receipt: &Value) -> Request {
    let mut message = modern(1, "tools/call", call(tool, json!({})));
    message["params"]["_meta"][RECEIPT] = receipt.clone();
    Request::modern(path, &message)
}

fn meta(answer: &Answer) -> Value {
    answer.json()["result"]["_meta"][RECEIPT].clone()
}

#[tokio::test]
async fn only_the_gateway_gives_receipts() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    for (asked, has_one) in
        [(json!(null), false), (json!(false), false), (json!("yes"), false), (json!(true), true)]
    {
        let answer = ask("/mcp/odd", "forge-receipt", &asked).send(gateway.address()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (receipt, records) = (meta(&answer), gateway.records().unwrap());
        assert_eq!(receipt.is_object(), has_one, "{asked}: {answer:?}");
        if has_one {
            let last = records.iter().rfind(|it| it.allows("tools/call", "odd", "forge-receipt")).unwrap();
            assert_eq!((&receipt["record"], &receipt["log"]), (&json!(last.text("id")), &Value::Null));
        }
    }
}
