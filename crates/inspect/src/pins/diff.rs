//! What is different between two definitions, as JSON pointers (RFC 6901).

use std::collections::BTreeMap;

use bytes::Bytes;
use portcullis_core::wire::{Document, Node, json::Kind};
use serde::Serialize;

use super::canonical::GENEROUS;

/// Most differences told; a definition that differs in more is another one.
const MOST: usize = 256;
/// Longest value shown, in characters.
const SHOWN: usize = 400;

/// One place at which two definitions differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What that part of a definition decides.
    pub meaning: &'static str,
    /// The value there was, cut to 400 characters; absent where there was none.
    pub before: Option<String>,
    /// The value there is.
    pub after: Option<String>,
}

/// What the parts of a definition decide, by the first name in the pointer.
const MEANINGS: &[(&str, &str)] = &[
    ("inputSchema", "what may be passed"),
    ("arguments", "what may be passed"),
    ("outputSchema", "what is answered"),
    ("description", "what a model is told"),
    ("title", "what people are shown"),
    ("icons", "what people are shown"),
    ("annotations", "how it says it behaves"),
    ("execution", "how it runs"),
    ("name", "what it is called"),
    ("uri", "what it is called"),
    ("uriTemplate", "what it is called"),
    ("mimeType", "what is answered"),
    ("", "what a model is told"),
];

/// Every difference between two canonical definitions, in order of their places.
pub fn diff(before: &str, after: &str) -> Vec<Difference> {
    let read = |text: &str| Document::parse(Bytes::copy_from_slice(text.as_bytes()), &GENEROUS).ok();
    let mut walk = Walk { found: Vec::new(), pointer: String::new() };
    match (read(before), read(after)) {
        (Some(a), Some(b)) => walk.compare(a.root(), b.root()),
        _ => walk.note(Some(before.to_owned()), Some(after.to_owned())),
    }
    walk.found
}

struct Walk {
    found: Vec<Difference>,
    pointer: String,
}

impl Walk {
    fn compare(&mut self, a: Node<'_>, b: Node<'_>) {
        match (a.kind(), b.kind()) {
            (Kind::Object, Kind::Object) => {
                let (a, b) = (members(a), members(b));
                let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
                names.sort_unstable();
                names.dedup();
                names.into_iter().for_each(|name| self.at(name, a.get(name), b.get(name)));
            }
            (Kind::Array, Kind::Array) => {
                let (a, b): (Vec<_>, Vec<_>) = (a.elements().collect(), b.elements().collect());
                for at in 0..a.len().max(b.len()) {
                    self.at(&at.to_string(), a.get(at), b.get(at));
                }
            }
            _ if a.raw() == b.raw() => {}
            _ => self.note(Some(shown(a)), Some(shown(b))),
        }
    }

    fn at(&mut self, name: &str, a: Option<&Node<'_>>, b: Option<&Node<'_>>) {
        let before = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        match (a, b) {
            (Some(a), Some(b)) => self.compare(*a, *b),
            (a, b) => self.note(a.map(|n| shown(*n)), b.map(|n| shown(*n))),
        }
        self.pointer.truncate(before);
    }

    fn note(&mut self, before: Option<String>, after: Option<String>) {
        if self.found.len() < MOST {
            let pointer = self.pointer.clone();
            self.found.push(Difference { meaning: meaning(&pointer), pointer, before, after });
        }
    }
}

fn meaning(pointer: &str) -> &'static str {
    let first = pointer.split('/').nth(1).unwrap_or_default();
    MEANINGS.iter().find(|(name, _)| *name == first).map_or("data for programs", |(_, meaning)| meaning)
}

fn members<'a>(node: Node<'a>) -> BTreeMap<String, Node<'a>> {
    node.members().map(|(name, value)| (name.into_owned(), value)).collect()
}

fn shown(node: Node<'_>) -> String {
    let text = String::from_utf8_lossy(node.raw());
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, expected: &[(&str, Option<&str>, Option<&str>)]) {
        let found = diff(before, after);
        let found: Vec<_> =
            found.iter().map(|d| (&*d.pointer, d.before.as_deref(), d.after.as_deref())).collect();
        assert_eq!(found, expected, "{before} {after}");
    }

    #[test]
    fn differences_are_told_where_they_are() {
        check(r#"{"a":1}"#, r#"{"a":1}"#, &[]);
        check(r#"{"a":1}"#, r#"{"a":2}"#, &[("/a", Some("1"), Some("2"))]);
        check(
            r#"{"inputSchema":{"properties":{"to":{}},"required":["to"]}}"#,
            r#"{"inputSchema":{"properties":{"bcc":{"default":"e@e"},"to":{}},"required":["to","bcc"]}}"#,
            &[
                ("/inputSchema/properties/bcc", None, Some(r#"{"default":"e@e"}"#)),
                ("/inputSchema/required/1", None, Some(r#""bcc""#)),
            ],
        );
        check(r#"{"outputSchema":{}}"#, "{}", &[("/outputSchema", Some("{}"), None)]);
        check(r#"{"a/b~c":1}"#, "{}", &[("/a~1b~0c", Some("1"), None)]);
        check(r#""be kind""#, r#""be cruel""#, &[("", Some(r#""be kind""#), Some(r#""be cruel""#))]);
        check(r#"{"a":[1]}"#, r#"{"a":{"0":1}}"#, &[("/a", Some("[1]"), Some(r#"{"0":1}"#))]);
    }

    #[test]
    fn each_place_says_what_it_decides() {
        for (pointer, expected) in [
            ("/inputSchema/properties/x", "what may be passed"),
            ("/description", "what a model is told"),
            ("", "what a model is told"),
            ("/_meta/x", "data for programs"),
        ] {
            assert_eq!(meaning(pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn a_definition_that_is_another_one_is_not_told_for_ever() {
        let many = |value: u8| {
            let members: Vec<_> = (0..1_000).map(|n| format!("\"{n}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(diff(&many(1), &many(2)).len(), MOST);
    }
}
