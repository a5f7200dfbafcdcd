//! Where something is in a document, in a form for people and records.

use std::fmt::Write as _;

use portcullis_core::wire::{Document, Node, json::Kind};

/// Characters of a member's name that are shown.
const SHOWN: usize = 40;
/// Levels that are shown.
const DEEPEST: usize = 12;

/// The JSON pointer (RFC 6901) to the value around the byte at `at`, or to the member whose name is there. Long
/// names are cut, deep places too, and a name that is a secret is not written.
pub(crate) fn to(document: &Document, at: u32) -> String {
    let mut pointer = String::new();
    let mut node = document.root();
    for _ in 0..DEEPEST {
        let Some((token, next)) = step(node, at) else { break };
        // Writing to a string cannot fail.
        let _ = write!(pointer, "/{token}");
        node = next;
    }
    pointer
}

fn step(node: Node<'_>, at: u32) -> Option<(String, Node<'_>)> {
    // The last that begins before the place, or the one whose name it is in.
    let end = |node: &Node<'_>| node.span().end;
    match node.kind() {
        Kind::Object => {
            node.members().find(|(_, value)| at < end(value)).map(|(name, value)| (shown(&name), value))
        }
        Kind::Array => node
            .elements()
            .enumerate()
            .find(|(_, value)| at < end(value))
            .map(|(index, value)| (index.to_string(), value)),
        _ => None,
    }
}

fn shown(name: &str) -> String {
    let escaped = crate::data::masked(name).replace('~', "~0").replace('/', "~1");
    escaped.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use bytes::Bytes;
    use portcullis_core::wire::Limits;

    use super::*;

    #[test]
    fn places_are_named_by_the_way_to_them() {
        let json = r#"{"result":{"content":[{"text":"x"},{"a/b":{"c":[[["HERE"]]]}}],"KEY":1}}"#;
        let document = Document::parse(Bytes::from_static(json.as_bytes()), &Limits::default()).unwrap();
        for (text, expected) in [
            ("HERE", "/result/content/1/a~1b/c/0/0/0"),
            ("KEY", "/result/KEY"),
            ("x\"}", "/result/content/0/text"),
        ] {
            let at = json.find(text).unwrap() as u32;
            assert_eq!(to(&document, at), expected);
        }
    }
}
