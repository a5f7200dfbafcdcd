//! `portcullis audit export` of what a gateway really wrote, checked against the public schema of OCSF.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_testkit::{
    bed::Bed,
    gateway::{Record, Setup, portcullis, read_records},
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
    parquet(&log, kept.path(), records.len());
    evidence(&log, kept.path(), &records);
    agent_records(&log, kept.path(), &records);
    assert_eq!(
        export(&log, "cef", &["--decision", "refuse"]).lines().count(),
        3,
        "half, no-such-tool, not JSON"
    );
}

/// Another program's reader of Parquet finds in the file what is on record.
fn parquet(log: &Path, place: &Path, records: usize) {
    let file = place.join("records.parquet");
    assert_eq!(export(log, "parquet", &["--out", file.to_str().unwrap()]), "");
    let ask = |query: &str| -> Value {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testbed/check-parquet.py");
        let mut command = Command::new(Bed::load().unwrap().python());
        let output = command.arg(script).arg(&file).arg(query).output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    assert_eq!(ask("SELECT count(*) FROM records"), json!([[records]]));
    let calls = "SELECT type, server, item, verdict, refusal, outcome FROM records
        WHERE method = 'tools/call' AND item IN ('echo', 'half') ORDER BY seq";
    let expected = json!([
        ["decision", "odd", "echo", "allow", null, null],
        ["outcome", "odd", "echo", null, null, "completed"],
        ["decision", "odd", "half", "refuse", "denied", null],
    ]);
    assert_eq!(ask(calls), expected, "an outcome says whose it is");
    // Every row holds its record, and its columns say the same.
    let differing =
        "SELECT count(*) FROM records WHERE id IS DISTINCT FROM json_extract_string(record, '$.id')
        OR strftime(time, '%Y-%m-%dT%H:%M:%S.%gZ') IS DISTINCT FROM json_extract_string(record, '$.time')
        OR seq IS DISTINCT FROM CAST(json_extract_string(record, '$.seq') AS BIGINT)";
    assert_eq!(ask(differing), json!([[0]]), "{}", ask("SELECT id, time, seq, record FROM records LIMIT 1"));
    let outcomes =
        "SELECT bool_and(cost = request_bytes + response_bytes) FROM records WHERE type = 'outcome'";
    assert_eq!(ask(outcomes), json!([[true]]));
}

/// A signed form of one call, and the reader that knows the signer's key by another way.
struct Evidence<'t> {
    log: &'t Path,
    place: &'t Path,
    format: &'t str,
    reader: &'t str,
}

impl Evidence<'_> {
    /// Makes the key called `name`.
    fn key(&self, name: &str) -> PathBuf {
        let key = self.place.join(format!("{}-{name}.key", self.format));
        let mut command = Command::new(portcullis().unwrap());
        let made = command.args(["audit", "key", "new", "--name", "example.com/evidence"]).arg(&key).output();
        assert!(made.unwrap().status.success());
        key
    }

    fn file(&self) -> PathBuf {
        self.place.join("evidence.json")
    }

    fn write(&self, id: &str, key: &Path) -> Output {
        let mut command = Command::new(portcullis().unwrap());
        command.args(["audit", "evidence", id, "--format", self.format, "--records"]).arg(self.log);
        command.arg("--key").arg(key).arg("--out").arg(self.file()).output().unwrap()
    }

    /// What the reader prints, if it accepts `record`.
    fn read(&self, record: &Value, key: &Path) -> Result<String, String> {
        fs::write(self.file(), record.to_string()).unwrap();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testbed").join(self.reader);
        let public = fs::read_to_string(key.with_added_extension("pub")).unwrap();
        let mut command = Command::new(Bed::load().unwrap().python());
        let output = command.arg(script).arg(self.file()).arg(public.trim()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        if output.status.success() { Ok(printed) } else { Err(printed) }
    }
}

fn calls(records: &[Record]) -> Vec<&Record> {
    let calls: Vec<_> =
        records.iter().filter(|it| it.kind() == "decision" && it.text("method") == "tools/call").collect();
    assert!(calls.len() >= 3, "{calls:?}");
    calls
}

/// Calls become records of containment evidence, which a reader in another language finds to be what they say.
fn evidence(log: &Path, place: &Path, records: &[Record]) {
    let evidence = Evidence { log, place, format: "containment", reader: "check-containment.py" };
    let (key, stranger) = (evidence.key("own"), evidence.key("stranger"));
    for call in calls(records) {
        let output = evidence.write(call.text("id"), &key);
        assert!(output.status.success(), "{output:?}");
        let record: Value = serde_json::from_slice(&fs::read(evidence.file()).unwrap()).unwrap();
        let outcomes = usize::from(call.is_allowed());
        assert_eq!(record["entries"].as_array().map(Vec::len), Some(2 + outcomes), "{record:#}");
        assert_eq!(evidence.read(&record, &key).as_deref(), Ok("ok"), "{record:#}");
        evidence.read(&record, &stranger).unwrap_err();
        for (at, value) in [
            ("/entries/0/decision/verdict", json!("hold")),
            ("/entries/0/assurance_boundary/statement/fallback", json!("allow")),
            ("/entries/1/budget/reserved/request_bytes", json!(0)),
            ("/sequence/checkpoint/collection_scope/declared", json!("everything")),
        ] {
            let mut changed = record.clone();
            *changed.pointer_mut(at).unwrap() = value;
            assert!(evidence.read(&changed, &key).is_err(), "{at}");
        }
    }
    let outcome = records.iter().find(|it| it.kind() == "outcome").unwrap();
    assert_eq!(evidence.write(outcome.text("id"), &key).status.code(), Some(2), "an outcome is no decision");
}

/// Calls become agent audit records, which the format's public verifier accepts and places in the tier they claim.
fn agent_records(log: &Path, place: &Path, records: &[Record]) {
    let evidence = Evidence { log, place, format: "agent-audit-record", reader: "check-agent-record.py" };
    let (key, stranger) = (evidence.key("own"), evidence.key("stranger"));
    for call in calls(records) {
        let output = evidence.write(call.text("id"), &key);
        assert!(output.status.success(), "{output:?}");
        let envelope: Value = serde_json::from_slice(&fs::read(evidence.file()).unwrap()).unwrap();
        assert_eq!(evidence.read(&envelope, &key).as_deref(), Ok("voluntary"), "{envelope:#}");
        assert_eq!(evidence.read(&envelope, &stranger).unwrap_err(), "signature-invalid");
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        let statement: Value = serde_json::from_slice(&payload).unwrap();
        let reported = if call.is_allowed() { "permit" } else { "deny" };
        assert_eq!(statement["predicate"]["decision"]["reported"], reported, "{statement:#}");
        assert_eq!(statement["predicate"]["recordId"], call.text("id"), "{statement:#}");
        let mut forged = statement;
        forged["predicate"]["decision"]["reported"] = json!("permit-with-conditions");
        let mut changed = envelope;
        changed["payload"] = STANDARD.encode(forged.to_string()).into();
        assert_eq!(evidence.read(&changed, &key).unwrap_err(), "signature-invalid");
    }
}
