//! Findings in the Static Analysis Results Interchange Format (OASIS SARIF 2.1.0).

use std::path::Path;

use portcullis_inspect::lint::{Finding, RULES, Weight};
use serde_json::{Value, json};

use super::exceptions::Exception;

/// A log with one run.
pub(super) fn log<'e>(
    findings: &[Finding],
    artifact: &Path,
    exception: impl Fn(&Finding) -> Option<&'e Exception>,
) -> Value {
    let results: Vec<Value> =
        findings.iter().map(|finding| result(finding, artifact, exception(finding))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rules() -> Vec<Value> {
    let known = RULES.iter().map(|rule| (rule.id, rule.weight, rule.title, rule.remedy));
    let admission =
        ("inadmissible", Weight::Error, "No gateway would offer this definition.", "tell its publisher");
    let row = |(id, weight, title, remedy): (&str, Weight, &str, &str)| {
        json!({
            "id": id,
            "shortDescription": { "text": title },
            "help": { "text": format!("To do: {remedy}.") },
            "defaultConfiguration": { "level": weight.as_str() },
        })
    };
    known.chain([admission]).map(row).collect()
}

fn result(finding: &Finding, artifact: &Path, exception: Option<&Exception>) -> Value {
    let Finding { rule, weight, server, tool, pointer, message } = finding;
    let name = tool.as_ref().map_or_else(|| server.clone(), |tool| format!("{server}/{tool}"));
    let kind = if tool.is_some() { "function" } else { "module" };
    let index = RULES.iter().position(|known| known.id == *rule).unwrap_or(RULES.len());
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": weight.as_str(),
        "message": { "text": format!("{name}: {message}") },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(artifact) } },
            "logicalLocations": [{ "fullyQualifiedName": format!("{name}{pointer}"), "kind": kind }],
        }],
        "partialFingerprints": { "place/v1": format!("{rule} {name} {pointer}") },
    });
    if let (Some(exception), Value::Object(members)) = (exception, &mut result) {
        let why = format!("{} (until {})", exception.reason, exception.until);
        members.insert("suppressions".to_owned(), json!([{ "kind": "external", "justification": why }]));
    }
    result
}

/// A relative reference, or a `file` URI (RFC 8089).
fn uri(path: &Path) -> String {
    let text = path.to_string_lossy();
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escaped: String = text
        .bytes()
        .map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    if path.is_absolute() { format!("file://{escaped}") } else { escaped }
}
