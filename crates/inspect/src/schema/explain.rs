//! Saying what is wrong with arguments, without repeating them.
//!
//! The text comes from here alone. Neither values of the arguments nor free text of the schema is
//! repeated: the first may be secret, the second would speak to a model in the gateway's voice. What a
//! rule says in full can be read in the schema, at `rule`.

use std::borrow::Cow;

use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use super::{
    ArgumentFault,
    fault::{MAX_TEXT, cut},
    validator::Compiled,
};

/// The most faults reported for one call.
const MAX_FAULTS: usize = 8;
/// The most characters of one property name that are repeated.
const MAX_NAME: usize = 64;

/// Why `arguments` do not fit; never empty.
pub(super) fn faults(compiled: &Compiled, arguments: &Value) -> Vec<ArgumentFault> {
    let errors = compiled.errors(arguments);
    let mut faults: Vec<ArgumentFault> =
        errors.into_iter().flatten().flat_map(|e| explain(&e)).take(MAX_FAULTS).collect();
    if faults.is_empty() {
        faults.push(ArgumentFault::whole(
            "arguments that fit the schema",
            "check them against the tool's `inputSchema`",
        ));
    }
    faults
}

fn explain(error: &ValidationError<'_>) -> Vec<ArgumentFault> {
    let place = error.instance_path().as_str();
    let rule = cut(error.schema_path().as_str(), MAX_TEXT);
    let fault = |pointer: &str, expected: Cow<'static, str>, remedy: &'static str| ArgumentFault {
        pointer: cut(pointer, MAX_TEXT),
        expected,
        remedy: remedy.into(),
        rule: rule.clone(),
    };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .take(MAX_FAULTS)
            .map(|name| fault(&member(place, name), "no such parameter".into(), "leave it out"))
            .collect(),
        Kind::Required { property } => {
            let pointer = member(place, property.as_str().unwrap_or_default());
            vec![fault(&pointer, "a value; the parameter is required".into(), "add it")]
        }
        // Reported for the object as a whole when it declares no members at all.
        Kind::FalseSchema if rule.ends_with("Properties") => {
            vec![fault(place, "no parameters".into(), "leave them out")]
        }
        kind => {
            let (expected, remedy) = expectation(kind);
            vec![fault(place, expected, remedy)]
        }
    }
}

/// Pointer to the member `name` of the object at `place` (RFC 6901).
fn member(place: &str, name: &str) -> String {
    format!("{place}/{}", cut(name, MAX_NAME).replace('~', "~0").replace('/', "~1"))
}

const CHANGE: &str = "change the value";

fn expectation(kind: &Kind) -> (Cow<'static, str>, &'static str) {
    let plain = |text: &'static str| (Cow::Borrowed(text), CHANGE);
    let limit = |text: String| (Cow::Owned(text), CHANGE);
    match kind {
        Kind::Type { kind } => limit(types(kind)),
        Kind::Enum { .. } | Kind::Constant { .. } => plain("one of the values the rule lists"),
        Kind::Custom { .. } | Kind::Pattern { .. } => plain("text that matches the rule"),
        Kind::Minimum { limit: least } => limit(format!("a number of at least {least}")),
        Kind::Maximum { limit: most } => limit(format!("a number of at most {most}")),
        Kind::ExclusiveMinimum { limit: least } => limit(format!("a number above {least}")),
        Kind::ExclusiveMaximum { limit: most } => limit(format!("a number below {most}")),
        Kind::MultipleOf { multiple_of } => limit(format!("a multiple of {multiple_of}")),
        Kind::MinLength { limit: least } => limit(format!("at least {least} characters")),
        Kind::MaxLength { limit: most } => limit(format!("at most {most} characters")),
        Kind::MinItems { limit: least } => limit(format!("at least {least} elements")),
        Kind::MaxItems { limit: most } => limit(format!("at most {most} elements")),
        Kind::AdditionalItems { limit: most } => limit(format!("at most {most} elements")),
        Kind::MinProperties { limit: least } => limit(format!("at least {least} members")),
        Kind::MaxProperties { limit: most } => limit(format!("at most {most} members")),
        Kind::UniqueItems => (Cow::Borrowed("elements that all differ"), "remove the repeated elements"),
        Kind::PropertyNames { .. } => (Cow::Borrowed("names that fit the rule"), "rename the members"),
        Kind::UnevaluatedItems { .. } => (Cow::Borrowed("no further elements"), "leave them out"),
        Kind::FalseSchema => (Cow::Borrowed("no value"), "leave it out"),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => plain("a value that fits one of the alternatives"),
        Kind::OneOfMultipleValid { .. } => plain("a value that fits exactly one of the alternatives"),
        _ => plain("a value that fits the rule"),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => type_name(*one).to_owned(),
        TypeKind::Multiple(several) => several.iter().map(type_name).collect::<Vec<_>>().join(" or "),
    }
}

fn type_name(json_type: JsonType) -> &'static str {
    match json_type {
        JsonType::Array => "an array",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    }
}
