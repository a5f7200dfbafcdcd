//! Common Event Format, version 0 (ArcSight CEF implementation standard).

use super::facts::{Facts, Severity};

/// `CEF:0|vendor|product|version|signature|name|severity|extension`.
pub(super) fn line(facts: &Facts<'_>, version: &str) -> String {
    let signature = format!("{}:{}", facts.record.kind(), facts.what());
    let name = facts.of_call(&["method"]).unwrap_or(facts.what());
    let head = ["Portcullis", "Portcullis", version, &signature, name].map(header).join("|");
    format!("CEF:0|{head}|{}|{}", severity(facts.severity()), extension(facts))
}

/// CEF counts from 0 to 10.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
    }
}

fn extension(facts: &Facts<'_>) -> String {
    let path = facts.delegation_path().join(">");
    let labelled = [
        ("cs1", "mcp_method", facts.of_call(&["method"])),
        ("cs2", "mcp_name", facts.of_call(&["item"])),
        ("cs3", "correlation_id", facts.correlation()),
        ("cs4", "delegation_path", Some(path.as_str()).filter(|path| !path.is_empty())),
        (
            "cs5",
            "attestation_state",
            facts
                .record
                .event()
                .is_none()
                .then(|| facts.of_call(&["context", "attestation", "state"]).unwrap_or("not-available")),
        ),
        ("cs6", "policy", facts.of_call(&["policy"])),
    ];
    let mut fields = vec![("rt".to_owned(), facts.time_ms().to_string())];
    let mut add = |key: &str, value: Option<&str>| {
        fields
            .extend(value.filter(|value| !value.is_empty()).map(|value| (key.to_owned(), value.to_owned())));
    };
    add("externalId", facts.record.id());
    add("act", Some(facts.what()));
    add("suser", facts.of_call(&["caller", "principal", "id"]));
    add("dhost", facts.of_call(&["server"]).or_else(|| facts.own(&["subject"])));
    add("app", facts.of_call(&["channel"]));
    add("reason", facts.own(&["decision", "control"]));
    add("msg", facts.reason());
    for (key, label, value) in labelled {
        if value.is_some_and(|value| !value.is_empty()) {
            add(&format!("{key}Label"), Some(label));
            add(key, value);
        }
    }
    let fields = fields.iter().map(|(key, value)| format!("{key}={}", escaped(value)));
    fields.collect::<Vec<_>>().join(" ")
}

/// A bar ends a field of the header, and so would a line break.
fn header(text: &str) -> String {
    text.replace('\\', r"\\").replace('|', r"\|").replace(['\n', '\r'], " ")
}

/// An equals sign begins the next field of the extension, and a line break the next event.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('=', r"\=").replace('\n', r"\n").replace('\r', r"\r")
}
