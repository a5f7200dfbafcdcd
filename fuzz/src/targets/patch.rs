//! Patches against the same edits made on a tree.

use bytes::Bytes;
use portcullis_wire::json::{Document, Kind, Node, Patch};

use super::document::LIMITS;
use super::reference::{self, Json};

/// Bytes per edit in the input.
const EDIT: usize = 3;
const MAX_EDITS: usize = 8;

/// The first byte counts edits of three bytes each (what, where, which key); the rest is the document.
pub fn check(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let Some((edits, text)) = rest.split_at_checked(usize::from(*count) % (MAX_EDITS + 1) * EDIT) else {
        return;
    };
    let Ok(document) = Document::parse(Bytes::copy_from_slice(text), &LIMITS) else { return };
    let Ok(json) = reference::read(text) else { return };
    let mut patch = Patch::new(&document);
    let mut model = Model::new(&json);
    for edit in edits.chunks_exact(EDIT) {
        apply_both(edit, &document, &mut patch, &mut model);
    }
    let patched = patch.apply();
    let read = reference::read(&patched)
        .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&patched)));
    assert_eq!(read, model.render(), "{}", String::from_utf8_lossy(&patched));
}

fn apply_both(edit: &[u8], document: &Document, patch: &mut Patch<'_>, model: &mut Model) {
    let (what, at, which) = (edit[0], usize::from(edit[1]), usize::from(edit[2]));
    let mut nodes = Vec::new();
    preorder(document.root(), &mut nodes);
    let at = at % nodes.len();
    let node = nodes[at];
    let target = model.nth(&mut { at }).expect("both trees have the same nodes");
    let names: Vec<String> = node.members().map(|(name, _)| name.into_owned()).collect();
    let key = names.get(which).cloned().unwrap_or_else(|| format!("new\"{}", which % 3));
    let value = format!("{{\"edit\":[{what},{at},{which}]}}");
    let json = reference::read(value.as_bytes()).expect("the value is JSON");
    match what % 3 {
        0 => {
            patch.replace(node, value);
            target.replaced = Some(json);
        }
        1 => match patch.set(node, &key, value) {
            Ok(_) => target.set(&key, json),
            Err(_) => assert_ne!(node.kind(), Kind::Object),
        },
        _ => match patch.remove(node, &key) {
            Ok(_) => target.remove(&key),
            Err(_) => assert_ne!(node.kind(), Kind::Object),
        },
    }
}

fn preorder<'a>(node: Node<'a>, out: &mut Vec<Node<'a>>) {
    out.push(node);
    node.members().for_each(|(_, child)| preorder(child, out));
    node.elements().for_each(|child| preorder(child, out));
}

/// A tree with its edits noted at the nodes they are for.
struct Model {
    original: Json,
    replaced: Option<Json>,
    removed: bool,
    children: Vec<(String, Model)>,
    added: Vec<(String, Json)>,
}

impl Model {
    fn new(json: &Json) -> Self {
        let children = match json {
            Json::Object(members) => {
                members.iter().map(|(key, value)| (key.clone(), Self::new(value))).collect()
            }
            Json::Array(elements) => elements.iter().map(|value| (String::new(), Self::new(value))).collect(),
            _ => Vec::new(),
        };
        Self { original: json.clone(), replaced: None, removed: false, children, added: Vec::new() }
    }

    fn nth(&mut self, skip: &mut usize) -> Option<&mut Self> {
        if *skip == 0 {
            return Some(self);
        }
        *skip -= 1;
        self.children.iter_mut().find_map(|(_, child)| child.nth(skip))
    }

    fn set(&mut self, key: &str, json: Json) {
        if let Some((_, child)) = self.children.iter_mut().find(|(name, _)| name == key) {
            (child.replaced, child.removed) = (Some(json), false);
        } else if let Some((_, value)) = self.added.iter_mut().find(|(name, _)| name == key) {
            *value = json;
        } else {
            self.added.push((key.to_owned(), json));
        }
    }

    fn remove(&mut self, key: &str) {
        self.added.retain(|(name, _)| name != key);
        if let Some((_, child)) = self.children.iter_mut().find(|(name, _)| name == key) {
            child.removed = true;
        }
    }

    fn render(&self) -> Json {
        if let Some(json) = &self.replaced {
            return json.clone();
        }
        let kept = self.children.iter().filter(|(_, child)| !child.removed);
        match &self.original {
            Json::Object(_) => {
                let kept = kept.map(|(key, child)| (key.clone(), child.render()));
                Json::Object(kept.chain(self.added.iter().cloned()).collect())
            }
            Json::Array(_) => Json::Array(kept.map(|(_, child)| child.render()).collect()),
            scalar => scalar.clone(),
        }
    }
}
