#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use serde_json::{Value, json};

use super::*;
use crate::read;

/// A call that was allowed, its outcome, one that was refused, and events.
fn records() -> Vec<Value> {
    let caller = json!({
        "principal": { "kind": "dev", "id": "alice" }, "actor": { "kind": "dev", "id": "agent=1|2" },
        "tenant": "acme", "method": "static-dev",
    });
    let call = json!({
        "v": 1, "id": "n-1-1", "time": "2026-11-22T10:15:00.042Z", "seq": 1, "type": "decision", "channel": "http",
        "caller": caller, "version": "2026-07-28", "method": "tools/call", "server": "files", "item_kind": "Tool",
        "item": "read", "policy": "sha256:p", "config": "sha256:c", "request": "sha256:r",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "decision": { "verdict": "allow", "policies": ["p"] },
    });
    let mut refused = call.clone();
    refused["id"] = json!("n-1-3");
    refused["decision"] = json!({
        "verdict": "refuse", "kind": "denied", "control": "AZ-01", "detail": "line one\nline=two\\",
    });
    let outcome = json!({
        "v": 1, "id": "n-1-2", "time": "2026-11-22T10:15:00.050Z", "seq": 2, "type": "outcome",
        "decision": "n-1-1", "outcome": "completed", "response_bytes": 5, "duration_us": 8_000, "detail": null,
    });
    let event = |event: &str, subject: Option<&str>| {
        json!({
            "v": 1, "id": "n-1-4", "time": "2026-11-22T10:15:01.000Z", "seq": 4, "type": "event", "event": event,
            "subject": subject, "detail": "process 7",
        })
    };
    vec![call, outcome, refused, event("child-started", Some("files")), event("log-gap", None)]
}

fn exported(format: Format) -> Vec<String> {
    let mut exporter = Exporter::new(format, "1.2.3");
    let parsed = records().into_iter().map(|record| read::parse(1, record.to_string().as_bytes()).unwrap());
    parsed.map(|record| exporter.line(record)).collect()
}

#[test]
fn an_ocsf_event_says_what_the_record_says() {
    let events: Vec<Value> =
        exported(Format::Ocsf).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (number, pointer, expected) in [
        (0, "/class_uid", json!(6003)),
        (0, "/type_uid", json!(600_399)),
        (0, "/time", json!(1_795_342_500_042_u64)),
        (0, "/actor/user/uid", json!("alice")),
        (0, "/actor/invoked_by", json!("agent=1|2")),
        (0, "/action_id", json!(1)),
        (0, "/metadata/tenant_uid", json!("acme")),
        (0, "/unmapped/delegation_path", json!(["alice", "agent=1|2"])),
        (0, "/unmapped/mcp_method", json!("tools/call")),
        (0, "/unmapped/mcp_name", json!("read")),
        (1, "/actor/user/uid", json!("alice")),
        (1, "/metadata/correlation_uid", json!("n-1-1")),
        (1, "/duration", json!(8)),
        (1, "/unmapped/outcome", json!("completed")),
        (2, "/action_id", json!(2)),
        (2, "/status_code", json!("denied")),
        (2, "/severity_id", json!(3)),
        (2, "/unmapped/control", json!("AZ-01")),
        (3, "/class_uid", json!(6002)),
        (3, "/activity_id", json!(3)),
        (3, "/app/name", json!("files")),
        (4, "/severity_id", json!(4)),
        (4, "/app/name", json!("portcullis")),
    ] {
        assert_eq!(
            events[number].pointer(pointer),
            Some(&expected),
            "{number} {pointer}: {:#}",
            events[number]
        );
    }
    assert!(events.iter().all(|event| !event.to_string().contains("null")), "absent members are left out");
}

/// Reads a line of CEF as its standard says.
fn parse_cef(line: &str) -> (Vec<String>, Vec<(String, String)>) {
    let mut parts = vec![String::new()];
    let mut characters = line.chars();
    while parts.len() < 8 {
        match characters.next() {
            Some('\\') => parts.last_mut().unwrap().extend(characters.next()),
            Some('|') => parts.push(String::new()),
            Some(other) => parts.last_mut().unwrap().push(other),
            None => panic!("the header ends early: {line}"),
        }
    }
    let rest: String = characters.collect();
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut current = String::new();
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => current.push(match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => panic!("a backslash at the end: {line}"),
            }),
            '=' => {
                let (value, key) = current.rsplit_once(' ').unwrap_or(("", &current));
                if let Some(last) = fields.last_mut() {
                    last.1 = value.to_owned();
                }
                fields.push((key.to_owned(), String::new()));
                current.clear();
            }
            other => current.push(other),
        }
    }
    fields.last_mut().unwrap().1 = current;
    (parts, fields)
}

#[test]
fn a_cef_line_is_read_back_whatever_is_in_it() {
    let lines = exported(Format::Cef);
    for (number, name, severity, wanted) in [
        (
            0,
            "tools/call",
            "1",
            vec![("act", "allow"), ("suser", "alice"), ("cs4", "alice>agent=1|2"), ("dhost", "files")],
        ),
        (1, "tools/call", "1", vec![("act", "completed"), ("suser", "alice"), ("cs3", "n-1-1")]),
        (2, "tools/call", "5", vec![("act", "refuse"), ("reason", "AZ-01"), ("msg", "line one\nline=two\\")]),
        (3, "child-started", "1", vec![("dhost", "files"), ("msg", "process 7")]),
        (4, "log-gap", "8", vec![("rt", "1795342501000")]),
    ] {
        assert!(!lines[number].contains('\n'), "one line");
        let (header, fields) = parse_cef(&lines[number]);
        assert_eq!(
            (&header[0], &header[3], &header[5], &header[6]),
            (&"CEF:0".into(), &"1.2.3".into(), &name.into(), &severity.into())
        );
        for (key, value) in wanted {
            let found = fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
            assert_eq!(found, Some(value), "{key} in {}", lines[number]);
        }
    }
}
