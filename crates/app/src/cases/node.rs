//! Between values of documents and JSON.

use crate::config::{
    Position,
    problem::Fault,
    tree::{Entry, Node, Value},
};

/// A value as JSON, for the arguments of a call. An error where it has none.
pub(super) fn json(node: &Node, out: &mut Vec<u8>) -> Result<(), Fault> {
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
                json(item, out)?;
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
                json(&entry.node, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    portcullis_core::wire::json::write::push_str(out, text);
}

/// A member that says this, for a case that comes from a command line.
pub(crate) fn text(key: &str, text: &str) -> Entry {
    entry(key, Value::Text(text.to_owned()))
}

/// A member that lists these.
pub(crate) fn words(key: &str, words: &[String]) -> Entry {
    let word = |word: &String| Node::made(Position::START, Value::Text(word.clone()));
    entry(key, Value::List(words.iter().map(word).collect()))
}

/// A member with this value.
pub(crate) fn object(key: &str, value: Value) -> Entry {
    entry(key, value)
}

fn entry(key: &str, value: Value) -> Entry {
    Entry { key: key.to_owned(), at: Position::START, node: Node::made(Position::START, value) }
}
