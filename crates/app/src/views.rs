//! Files of views: narrow tools over broad ones.

use std::{path::Path, sync::Arc};

use portcullis_gateway::views::{View, ViewFault};
use serde_json::{Map, Value};

use crate::config::{
    Report,
    problem::Fault,
    sources,
    tree::{Entry, Language, Node, push_json},
};

/// The members of a view, and whether one has to be there.
const MEMBERS: [(&str, bool); 5] =
    [("name", true), ("tool", true), ("description", true), ("arguments", false), ("passes", false)];

/// Reads a file of `[[view]]` tables.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read(file: &Path) -> Result<Vec<Arc<View>>, Report> {
    let mut report = Report::default();
    let text = sources::read(file).map_err(|problem| {
        report.push(problem);
        std::mem::take(&mut report)
    })?;
    let shown = sources::label(file);
    let (document, faults) = Language::Toml.parse(&text);
    let whole = faults.is_empty();
    faults.into_iter().for_each(|fault| report.push(fault.in_file(&shown, "")));
    let mut views = Vec::new();
    for entry in document.entries().unwrap_or_default().iter().filter(|_| whole) {
        match entry.node.items().filter(|_| entry.key == "view") {
            Some(nodes) => {
                for node in nodes {
                    let mut faults = Vec::new();
                    views.extend(view(node, &mut faults).map(Arc::new));
                    faults.into_iter().for_each(|(field, fault)| report.push(fault.in_file(&shown, &field)));
                }
            }
            None => {
                let fault = Fault::new(entry.at, "there is no such setting", "write views only: `[[view]]`");
                report.push(fault.in_file(&shown, &entry.key));
            }
        }
    }
    if report.has_errors() { Err(report.sorted()) } else { Ok(views) }
}

/// What is wrong with which member.
type Faults = Vec<(String, Fault)>;

fn view(node: &Node, faults: &mut Faults) -> Option<View> {
    let called = node.get("name").and_then(Node::text).map_or("view".to_owned(), |it| format!("view `{it}`"));
    for entry in node.entries().unwrap_or_default() {
        if !MEMBERS.iter().any(|(name, _)| *name == entry.key) {
            let known = MEMBERS.map(|(name, _)| name).join(", ");
            let fault = Fault::new(entry.at, "there is no such setting", format!("known here: {known}"));
            faults.push((format!("{called}: {}", entry.key), fault));
        }
    }
    for (name, _) in MEMBERS.iter().filter(|(name, needed)| *needed && node.get(name).is_none()) {
        let fault = Fault::new(node.at, "this setting is missing", format!("add `{name} = \"…\"`"));
        faults.push((format!("{called}: {name}"), fault));
    }
    let [name, tool, description] =
        ["name", "tool", "description"].map(|member| text(node, member, &called, faults));
    let [arguments, passes] = ["arguments", "passes"].map(|member| object(node, member, &called, faults));
    let (arguments, passes) = (arguments?, passes?);
    let made = View::new(
        name.unwrap_or_default(),
        tool.unwrap_or_default(),
        description.unwrap_or_default(),
        &arguments,
        &passes,
    );
    let told = made.map_err(|those| {
        for fault in those {
            let at = place(node, &fault).map_or(node.at, |entry| entry.at);
            faults.push((
                called.clone(),
                Fault::new(at, fault.to_string(), "docs/views.md says what is passed"),
            ));
        }
    });
    told.ok().filter(|_| faults.is_empty())
}

fn text<'n>(node: &'n Node, member: &str, called: &str, faults: &mut Faults) -> Option<&'n str> {
    let value = node.get(member)?;
    let text = value.text();
    if text.is_none() {
        let what = format!("this is {}", value.shape());
        faults.push((format!("{called}: {member}"), Fault::new(value.at, what, "write a string")));
    }
    text
}

/// A table as JSON; empty where there is none.
fn object(node: &Node, member: &str, called: &str, faults: &mut Faults) -> Option<Map<String, Value>> {
    let Some(value) = node.get(member) else { return Some(Map::new()) };
    let mut bytes = Vec::new();
    let wrong = match push_json(value, &mut bytes) {
        Ok(()) => match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => return Some(members),
            _ => Fault::new(value.at, format!("this is {}", value.shape()), "write a table"),
        },
        Err(fault) => fault,
    };
    faults.push((format!("{called}: {member}"), wrong));
    None
}

/// Where the member stands that is at fault.
fn place<'n>(node: &'n Node, fault: &ViewFault) -> Option<&'n Entry> {
    let (table, key) = match fault {
        ViewFault::Unknown { passed, .. } | ViewFault::Open(passed) => ("passes", passed),
        ViewFault::Unused(argument) | ViewFault::Unbounded(argument) => ("arguments", argument),
    };
    node.get(table)?.entries()?.iter().find(|entry| entry.key == *key)
}
