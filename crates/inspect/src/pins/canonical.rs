//! One spelling for each definition, so that a digest changes when and only when the definition does.

use bytes::Bytes;
use portcullis_core::{
    PinKind,
    wire::{Document, Fault, Limits, Node, json::Kind},
};

/// Definitions have been through the walk of the messages that carried them; they are not refused once more.
pub(super) const GENEROUS: Limits = Limits {
    max_bytes: 1 << 30,
    max_depth: 1_000,
    max_string: 1 << 30,
    max_members: u32::MAX,
    max_nodes: u32::MAX,
};

/// Members that say how the thing is at the moment and not what it is.
const VOLATILE: &[(PinKind, &[&str])] = &[
    // A resource that grows is still the same resource.
    (PinKind::Resource, &["size"]),
    (PinKind::Resource, &["annotations", "lastModified"]),
    // Every update changes it, and the definitions it changes are pinned themselves.
    (PinKind::ServerInfo, &["version"]),
];

/// The definition with members sorted by name, no blanks, and every string in one spelling (after RFC 8785).
/// Numbers stay as they were written: no reader's rounding has a part in whether two definitions are the same.
///
/// # Errors
/// What is no strict JSON.
pub fn canonical(kind: PinKind, raw: &Bytes) -> Result<String, Fault> {
    let document = Document::parse(raw.clone(), &GENEROUS)?;
    let mut text = String::with_capacity(raw.len());
    let skipped: Vec<&[&str]> =
        VOLATILE.iter().filter(|(of, _)| *of == kind).map(|(_, path)| *path).collect();
    write(document.root(), &skipped, &mut text);
    Ok(text)
}

/// `skipped` are the paths below `node` that are left out.
fn write(node: Node<'_>, skipped: &[&[&str]], text: &mut String) {
    match node.kind() {
        Kind::Object => write_object(node, skipped, text),
        Kind::Array => {
            text.push('[');
            for (at, element) in node.elements().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(element, &[], text);
            }
            text.push(']');
        }
        Kind::String => text.push_str(&quoted(&node.as_str().unwrap_or_default())),
        Kind::Number | Kind::Bool | Kind::Null => text.push_str(&String::from_utf8_lossy(node.raw())),
    }
}

fn write_object(node: Node<'_>, skipped: &[&[&str]], text: &mut String) {
    let mut members: Vec<_> =
        node.members().filter(|(name, _)| !skipped.contains(&[name.as_ref()].as_slice())).collect();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    text.push('{');
    for (at, (name, value)) in members.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&quoted(&name));
        text.push(':');
        let below: Vec<&[&str]> = skipped
            .iter()
            .filter_map(|path| path.split_first().filter(|(first, _)| **first == name).map(|(_, rest)| rest))
            .collect();
        write(value, &below, text);
    }
    text.push('}');
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn of(kind: PinKind, raw: &str) -> String {
        canonical(kind, &Bytes::copy_from_slice(raw.as_bytes())).unwrap()
    }

    #[test]
    fn spelling_and_order_make_no_difference_and_everything_else_does() {
        let tool = r#"{"name":"x","description":"é","inputSchema":{"a":1,"b":[1,2]},"_meta":{}}"#;
        let same = "{ \"_meta\": {}, \"inputSchema\": {\"b\":[1, 2],\"a\":1},\n\"description\":\"\\u00e9\",\"name\":\"\\u0078\"}";
        assert_eq!(of(PinKind::Tool, tool), of(PinKind::Tool, same));
        for other in [
            tool.replace("é", "e"),
            tool.replace("[1,2]", "[2,1]"),
            tool.replace("\"a\":1", "\"a\":1.0"),
            tool.replace("\"a\":1", "\"a\":true"),
            tool.replace(",\"_meta\":{}", ""),
            tool.replace("é", "é\u{200b}"),
            tool.replace('x', "X"),
        ] {
            assert_ne!(of(PinKind::Tool, tool), of(PinKind::Tool, &other), "{other}");
        }
    }

    #[test]
    fn integers_beyond_what_a_double_holds_are_told_apart() {
        let one = r#"{"maximum":9007199254740993}"#;
        assert_ne!(of(PinKind::Tool, one), of(PinKind::Tool, &one.replace("993", "992")));
    }

    #[test]
    fn what_says_how_a_thing_is_now_is_no_part_of_what_it_is() {
        for (kind, raw, expected) in [
            (
                PinKind::Resource,
                r#"{"uri":"a","size":5,"annotations":{"lastModified":"x","priority":1}}"#,
                r#"{"annotations":{"priority":1},"uri":"a"}"#,
            ),
            (PinKind::Resource, r#"{"_meta":{"size":5}}"#, r#"{"_meta":{"size":5}}"#),
            (PinKind::Tool, r#"{"size":5}"#, r#"{"size":5}"#),
            (PinKind::ServerInfo, r#"{"version":"1","name":"n"}"#, r#"{"name":"n"}"#),
            (PinKind::Instructions, r#""be\tkind""#, r#""be\tkind""#),
        ] {
            assert_eq!(of(kind, raw), expected);
        }
    }
}
