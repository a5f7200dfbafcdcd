//! What an endpoint offers, from what its servers declare.

use bytes::Bytes;
use portcullis_core::wire::Era;
use serde_json::{Map, Value};

/// Server capabilities that exist in one era only and have no translation.
const LEGACY_ONLY: &[&str] = &["tasks"];
const MODERN_ONLY: &[&str] = &["extensions"];

/// One server as seen by [`merged`].
#[derive(Clone, Debug)]
pub struct Declared {
    /// Era of the server's link.
    pub era: Era,
    /// Its `capabilities`, a JSON object.
    pub capabilities: Bytes,
}

/// The capabilities of an endpoint for a client of `client_era`: the union of its servers', without what
/// cannot be carried across the eras. A flag is set if any server sets it.
pub fn merged(servers: &[Declared], client_era: Era) -> Map<String, Value> {
    let mut union = Map::new();
    for server in servers {
        let Ok(Value::Object(mut own)) = serde_json::from_slice(&server.capabilities) else { continue };
        let (absent_here, untranslated) = match client_era {
            Era::Legacy => (MODERN_ONLY, LEGACY_ONLY),
            Era::Modern => (LEGACY_ONLY, MODERN_ONLY),
        };
        own.retain(|key, _| !absent_here.contains(&key.as_str()));
        if server.era != client_era {
            own.retain(|key, _| !untranslated.contains(&key.as_str()));
        }
        merge(&mut union, own);
    }
    announcing(&mut union);
    union
}

/// Every list may change when the gateway holds something back, or an operator decides.
fn announcing(capabilities: &mut Map<String, Value>) {
    for list in ["tools", "prompts", "resources"] {
        if let Some(Value::Object(list)) = capabilities.get_mut(list) {
            list.insert("listChanged".to_owned(), Value::Bool(true));
        }
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(have)), Value::Object(more)) => merge(have, more),
            (Some(Value::Bool(have)), Value::Bool(more)) => *have |= more,
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(servers: &[(Era, &'static str)], client: Era, expected: &str) {
        let declared: Vec<_> = servers
            .iter()
            .map(|(era, json)| Declared { era: *era, capabilities: Bytes::from_static(json.as_bytes()) })
            .collect();
        let expected: Value = serde_json::from_str(expected).unwrap_or_default();
        assert_eq!(Value::Object(merged(&declared, client)), expected);
    }

    #[test]
    fn flags_are_united_and_what_cannot_cross_is_left_out() {
        use Era::{Legacy, Modern};
        check(
            &[
                (Legacy, r#"{"tools":{"listChanged":false}}"#),
                (Modern, r#"{"tools":{"listChanged":true},"prompts":{}}"#),
            ],
            Modern,
            r#"{"prompts":{"listChanged":true},"tools":{"listChanged":true}}"#,
        );
        check(&[(Legacy, r#"{"tasks":{"list":{}}}"#)], Legacy, r#"{"tasks":{"list":{}}}"#);
        check(&[(Legacy, r#"{"tasks":{"list":{}}}"#)], Modern, "{}");
        check(&[(Modern, r#"{"extensions":{"x/y":{}}}"#)], Modern, r#"{"extensions":{"x/y":{}}}"#);
        check(&[(Modern, r#"{"extensions":{"x/y":{}}}"#)], Legacy, "{}");
        check(&[(Legacy, "not json")], Legacy, "{}");
    }
}
