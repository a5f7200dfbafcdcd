//! Tables in which each of some names is given one of some words.

use portcullis_core::spelling::nearest;
use serde_json::{Map, Value as Json, json};

use super::{
    kind::{Describe, clip, gather, wrong},
    problem::Fault,
    tree::Node,
};

/// How it is spelled that something passes without a record.
pub(super) const PASS: &str = "danger_pass";

pub(super) fn phrase(names: &[&str], words: &[&str]) -> String {
    format!("a table of `{}`, each one of `{}`", names.join("`, `"), words.join("`, `"))
}

pub(super) fn schema(names: &[&str], words: &[&str]) -> Json {
    let one = json!({ "enum": words });
    let properties: Map<String, Json> = names.iter().map(|name| ((*name).to_owned(), one.clone())).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The names that are given, by their place among `names`, and what each word stands for.
pub(super) fn read_table<T: Copy>(
    kind: &impl Describe,
    node: &Node,
    names: &[&str],
    words: &[(&str, T)],
) -> Result<Vec<(usize, T)>, Vec<Fault>> {
    let entries = node.entries().ok_or_else(|| wrong(kind, node, format!("this is {}", node.shape())))?;
    gather(entries.iter().map(|entry| {
        let Some(slot) = names.iter().position(|name| *name == entry.key) else {
            let remedy = match nearest(&entry.key, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", names.join(", ")),
            };
            return Err(vec![Fault::new(
                entry.at,
                format!("there is no `{}` here", clip(&entry.key)),
                remedy,
            )]);
        };
        let inside = |fault: Fault| fault.within(&format!(".{}", entry.key));
        word(&entry.node, words).map(|word| (slot, word)).map_err(|fault| vec![inside(fault)])
    }))
}

fn word<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, Fault> {
    let known = words.iter().find(|(word, _)| node.text() == Some(word));
    known.map(|(_, meant)| *meant).ok_or_else(|| {
        let what = match node.text() {
            Some(text) => format!("`{}` is not known here", clip(text)),
            None => format!("this is {}", node.shape()),
        };
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Fault::new(node.at, what, format!("write one of {}", words.join(", ")))
    })
}
