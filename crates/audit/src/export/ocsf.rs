//! OCSF 1.8, <https://schema.ocsf.io/1.8.0>.

use serde_json::{Map, Value, json};

use super::facts::{Facts, Severity};

const VERSION: &str = "1.8.0";
/// Category Application Activity.
const CATEGORY: u64 = 6;
const API_ACTIVITY: u64 = 6_003;
const LIFECYCLE: u64 = 6_002;
/// The activity `Other`, which `activity_name` explains.
const OTHER: u64 = 99;

/// Methods that only read, in OCSF's sense of an API.
const READS: [&str; 6] = [
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];
const READ: u64 = 2;

/// Events as activities of an application's life.
const LIFE: [(&str, u64); 6] = [
    ("started", 3),
    ("child-started", 3),
    ("stopped", 4),
    ("child-exited", 4),
    ("config-changed", 8),
    ("stop-in-force", 7),
];

pub(super) fn event(facts: &Facts<'_>, version: &str) -> Value {
    let mut event = if facts.record.kind() == "event" { lifecycle(facts) } else { api_activity(facts) };
    event.insert("category_uid".to_owned(), json!(CATEGORY));
    event.insert("time".to_owned(), json!(facts.time_ms()));
    event.insert("severity_id".to_owned(), json!(facts.severity() as u64));
    event.insert("message".to_owned(), json!(message(facts)));
    event.insert("metadata".to_owned(), metadata(facts, version));
    event.retain(|_, value| !value.is_null());
    Value::Object(event)
}

fn api_activity(facts: &Facts<'_>) -> Map<String, Value> {
    let method = facts.of_call(&["method"]);
    let activity = if method.is_some_and(|method| READS.contains(&method)) { READ } else { OTHER };
    let (action, disposition) = action(facts);
    let duration = facts.number("duration_us").map(|us| us / 1_000);
    members(json!({
        "class_uid": API_ACTIVITY,
        "activity_id": activity,
        "activity_name": method.unwrap_or("unknown"),
        "type_uid": API_ACTIVITY * 100 + activity,
        "actor": actor(facts),
        "src_endpoint": { "svc_name": facts.of_call(&["channel"]).unwrap_or("unknown") },
        "dst_endpoint": facts.of_call(&["server"]).map(|server| json!({ "svc_name": server })),
        "api": {
            "operation": method.unwrap_or("unknown"),
            "version": facts.of_call(&["version"]),
            "service": facts.of_call(&["server"]).map(|server| json!({ "name": server })),
            "request": facts.correlation().map(|uid| json!({ "uid": uid })),
        },
        "resources": facts.of_call(&["item"]).filter(|item| !item.is_empty()).map(|item| {
            json!([{ "name": item, "type": facts.of_call(&["item_kind"]) }])
        }),
        "action_id": action,
        "disposition_id": disposition,
        "status_id": status(facts),
        "status_code": facts.own(&["decision", "kind"]).unwrap_or(facts.what()),
        "status_detail": facts.reason(),
        "duration": duration,
        "policy": facts.of_call(&["policy"]).map(|digest| json!({ "uid": digest, "type": "cedar" })),
        "trace": facts.of_call(&["trace_id"]).map(|uid| json!({ "uid": uid })),
        "unmapped": unmapped(facts),
    }))
}

fn lifecycle(facts: &Facts<'_>) -> Map<String, Value> {
    let event = facts.what();
    let activity = LIFE.iter().find(|(name, _)| *name == event).map_or(OTHER, |(_, activity)| *activity);
    let subject = facts.own(&["subject"]);
    members(json!({
        "class_uid": LIFECYCLE,
        "activity_id": activity,
        "activity_name": event,
        "type_uid": LIFECYCLE * 100 + activity,
        "app": { "name": subject.unwrap_or("portcullis") },
        "status_detail": facts.reason(),
        "unmapped": { "correlation_id": facts.correlation(), "event": event },
    }))
}

/// Without the members that are absent, at every depth: OCSF leaves out what is not known.
fn members(value: Value) -> Map<String, Value> {
    match without_nulls(value) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn metadata(facts: &Facts<'_>, version: &str) -> Value {
    let profiles: &[&str] =
        if facts.record.kind() == "event" { &["security_control"] } else { &["security_control", "trace"] };
    without_nulls(json!({
        "version": VERSION,
        "profiles": profiles,
        "product": { "name": "Portcullis", "vendor_name": "Portcullis", "version": version },
        "uid": facts.record.id(),
        "sequence": facts.record.sequence(),
        "correlation_uid": facts.correlation(),
        "tenant_uid": facts.of_call(&["caller", "tenant"]),
        "original_time": facts.own(&["time"]),
        "log_name": "portcullis-audit",
    }))
}

fn actor(facts: &Facts<'_>) -> Value {
    match facts.of_call(&["caller", "principal", "id"]) {
        Some(id) => json!({
            "user": { "uid": id, "type": facts.of_call(&["caller", "principal", "kind"]) },
            "invoked_by": facts.of_call(&["caller", "actor", "id"]),
        }),
        None => json!({ "app_name": "not established" }),
    }
}

/// OCSF's action and disposition.
fn action(facts: &Facts<'_>) -> (u64, u64) {
    const ALLOWED: (u64, u64) = (1, 1);
    const DENIED: (u64, u64) = (2, 2);
    match (facts.record.kind(), facts.what()) {
        ("decision", "refuse") | ("outcome", "withheld" | "stopped") => DENIED,
        _ => ALLOWED,
    }
}

/// 1 success, 2 failure, 0 unknown.
fn status(facts: &Facts<'_>) -> u64 {
    match facts.what() {
        "allow" | "completed" | "input-required" => 1,
        "unknown" | "abandoned" => 0,
        _ => 2,
    }
}

fn unmapped(facts: &Facts<'_>) -> Value {
    json!({
        "delegation_path": facts.delegation_path(),
        "attestation_state": facts.of_call(&["context", "attestation", "state"]).unwrap_or("not-available"),
        "correlation_id": facts.correlation(),
        "mcp_method": facts.of_call(&["method"]),
        "mcp_name": facts.of_call(&["item"]),
        "control": facts.own(&["decision", "control"]),
        "outcome": facts.record.concerns().map(|_| facts.what()),
        "request_digest": facts.of_call(&["request"]),
        "definition_digest": facts.of_call(&["definition"]),
        "configuration_digest": facts.of_call(&["config"]),
    })
}

fn message(facts: &Facts<'_>) -> String {
    let subject = facts.of_call(&["item"]).or_else(|| facts.own(&["subject"])).unwrap_or("-");
    let method = facts.of_call(&["method"]).unwrap_or(facts.record.kind());
    let severe = if facts.severity() >= Severity::High { "! " } else { "" };
    format!("{severe}{method} {subject}: {}", facts.what())
}
