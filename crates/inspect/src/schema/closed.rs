//! Where it can be told which parameters a schema declares, the schema that refuses all others.

use serde_json::{Map, Value};

use super::Dialect;

/// Keywords that say already what happens to members that `properties` does not list.
const SAID: &[&str] =
    &["patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"];

/// Keywords that can declare members besides `properties`.
const DECLARES: &[&str] =
    &["$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "dependencies"];

/// `schema` with all members refused that it does not declare; none where that cannot be told.
///
/// A schema that says nothing of them means to accept them (2020-12 Core, section 10.3.2.3), but a tool that lists
/// its parameters has no use for others, and what nobody has declared nobody has reviewed. Where alternatives declare
/// more, those that apply count (section 11.3), which draft-07 has no keyword for.
pub(super) fn closed(schema: &Value, dialect: Dialect) -> Option<Value> {
    let root = schema.as_object()?;
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| root.contains_key(*keyword));
    if !root.contains_key("properties") || has(SAID) {
        return None;
    }
    let keyword = match (has(DECLARES), dialect) {
        (false, _) => "additionalProperties",
        // There it only means something beside the keywords of later dialects.
        (true, Dialect::Draft7) => return None,
        (true, _) if root.contains_key("dependencies") => return None,
        (true, _) => "unevaluatedProperties",
    };
    let mut closed: Map<String, Value> = root.clone();
    closed.insert(keyword.to_owned(), Value::Bool(false));
    Some(Value::Object(closed))
}
