//! A schema and arguments, one after the other: both end in an answer, whatever they are.

use portcullis_inspect::ToolSchema;

pub fn check(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == 0);
    let (schema, arguments) = (halves.next().unwrap_or_default(), halves.next());
    if let Ok(schema) = ToolSchema::compile(schema) {
        let _ = schema
            .validate(arguments.filter(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).is_ok()));
    }
}
