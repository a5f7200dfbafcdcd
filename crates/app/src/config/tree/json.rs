//! Values of documents as JSON.

use super::{Fault, Node, Value};

/// Writes a value as JSON.
///
/// # Errors
/// At a value that has no form there.
pub(crate) fn push_json(node: &Node, out: &mut Vec<u8>) -> Result<(), Fault> {
    match &node.value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Other(number) => match serde_json::from_str::<serde_json::Number>(number) {
            Ok(_) => out.extend_from_slice(number.as_bytes()),
            Err(_) => {
                let what = format!("`{number}` has no form in JSON");
                return Err(Fault::new(node.at, what, "write it as a string or as a number"));
            }
        },
        Value::Text(text) => push_text(text, out),
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_json(item, out)?;
            }
            out.push(b']');
        }
        Value::Table(entries) => {
            out.push(b'{');
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_text(&entry.key, out);
                out.push(b':');
                push_json(&entry.node, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    portcullis_core::wire::json::write::push_str(out, text);
}
