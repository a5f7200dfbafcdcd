//! The strict walk and the document against the reference reader.

use bytes::Bytes;
use portcullis_wire::json::{self, Document, FaultKind, Kind, Limits, MAX_NUMBER, Node, Visit};

use super::reference::{self, Json};

/// Limits that never apply, except for the depth, where the reference stops too.
pub const LIMITS: Limits = Limits {
    max_bytes: usize::MAX,
    max_depth: 127,
    max_string: usize::MAX,
    max_members: u32::MAX,
    max_nodes: u32::MAX,
};

/// Both readers accept the same documents and find the same values in them.
pub fn check(data: &[u8]) {
    let mut heard = Heard::default();
    let parsed = Document::parse_with(Bytes::copy_from_slice(data), &LIMITS, &mut heard);
    assert_eq!(json::walk(data, &LIMITS, &mut ()), parsed.as_ref().map(|_| ()).map_err(|fault| *fault));
    match (parsed, reference::read(data)) {
        (Ok(document), Ok(json)) => {
            same(document.root(), &json);
            let mut said = Heard::default();
            said.expect(&json, 0);
            assert_eq!(heard.0, said.0);
            assert_eq!(&document.bytes()[..], data);
        }
        (Ok(_), Err(error)) => panic!("accepted what the reference refuses: {error}"),
        (Err(fault), Ok(_)) => {
            assert_eq!(fault.kind, FaultKind::NumberForm, "refused what the reference accepts: {fault}");
            assert!(has_long_number(data), "refused a number of ordinary length");
        }
        (Err(fault), Err(_)) => assert!(fault.at <= data.len()),
    }
}

/// Every string a visitor was told: depth, text, whether it is a key.
#[derive(Default)]
struct Heard(Vec<(u16, String, bool)>);

impl Visit for Heard {
    fn string(&mut self, depth: u16, raw: &[u8], is_key: bool) {
        let text = json::unescape(raw).expect("a validated string decodes");
        self.0.push((depth, text.into_owned(), is_key));
    }
}

impl Heard {
    fn expect(&mut self, json: &Json, depth: u16) {
        match json {
            Json::String(text) => self.0.push((depth, text.clone(), false)),
            Json::Array(elements) => elements.iter().for_each(|element| self.expect(element, depth + 1)),
            Json::Object(members) => {
                for (key, value) in members {
                    self.0.push((depth + 1, key.clone(), true));
                    self.expect(value, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// Compares a node with what the reference read.
pub fn same(node: Node<'_>, json: &Json) {
    match json {
        Json::Null => assert!(node.is_null()),
        Json::Bool(value) => assert_eq!(node.as_bool(), Some(*value)),
        Json::Number(value) => assert!(node.as_f64().is_some_and(|own| nearly(own, *value)), "{value}"),
        Json::String(text) => assert_eq!(node.as_str().as_deref(), Some(text.as_str())),
        Json::Array(elements) => {
            assert_eq!((node.kind(), node.len()), (Kind::Array, elements.len()));
            assert_eq!(node.elements().count(), elements.len());
            node.elements().zip(elements).for_each(|(node, json)| same(node, json));
        }
        Json::Object(members) => {
            assert_eq!((node.kind(), node.len()), (Kind::Object, members.len()));
            assert_eq!(node.members().count(), members.len());
            for ((name, node_value), (key, value)) in node.members().zip(members) {
                assert_eq!(name, *key);
                same(node_value, value);
            }
            if let Some((key, _)) = members.last() {
                assert_eq!(node.get(key).map(Node::span), node.members().last().map(|(_, last)| last.span()));
            }
        }
    }
}

/// The reference trades the last bit of a fraction for speed.
fn nearly(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs() * 4.0 * f64::EPSILON || (a - b).abs() < 1e-320
}

fn has_long_number(data: &[u8]) -> bool {
    data.split(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        .any(|run| run.len() > MAX_NUMBER)
}
