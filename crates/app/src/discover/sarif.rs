//! Sightings in the Static Analysis Results Interchange Format (OASIS SARIF 2.1.0), for tools that collect findings.

use serde_json::{Value, json};

use super::{Place, Sighting, State};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";

/// One rule for each place.
const RULES: &[(Place, &str, &str)] = &[
    (Place::Clients, "shadow-client-entry", "A client reaches an MCP server without Portcullis"),
    (Place::Processes, "shadow-process", "An MCP server runs without Portcullis"),
    (Place::Sockets, "shadow-listener", "An MCP server waits for connections without Portcullis"),
];

/// The log; registered servers are not findings and not in it.
pub(crate) fn log(sightings: &[Sighting]) -> Value {
    let rules = RULES.iter().map(|(_, id, text)| json!({ "id": id, "shortDescription": { "text": text } }));
    let findings = sightings.iter().filter(|sighting| sighting.state != State::Registered);
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis discover",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            } },
            "results": findings.map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(sighting: &Sighting) -> Value {
    let rule = RULES.iter().find(|(place, ..)| *place == sighting.place).map_or("shadow", |(_, id, _)| id);
    let remedy = sighting.remedy.as_deref().unwrap_or("none");
    let text = format!("{}: {}: {}; remedy: {remedy}", sighting.at, sighting.name, sighting.evidence);
    let mut location = json!({ "logicalLocations": [{ "fullyQualifiedName": sighting.at }] });
    if let Some(path) = sighting.file.as_deref().or(sighting.executable.as_deref())
        && let Some(members) = location.as_object_mut()
    {
        let mut physical = json!({ "artifactLocation": { "uri": uri(&path.to_string_lossy()) } });
        if let (Some(line), Some(physical)) = (sighting.line, physical.as_object_mut()) {
            physical.insert("region".to_owned(), json!({ "startLine": line }));
        }
        members.insert("physicalLocation".to_owned(), physical);
    }
    json!({
        "ruleId": rule,
        "level": "error",
        "message": { "text": text },
        "locations": [location],
        "properties": sighting,
    })
}

/// A `file` URL (RFC 8089) of an absolute path, a relative reference of any other.
fn uri(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    if path.starts_with('/') { format!("file://{escaped}") } else { escaped }
}
