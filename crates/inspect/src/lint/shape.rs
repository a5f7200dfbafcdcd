//! What a tool takes, and what it says about itself.

use portcullis_core::{
    Deed,
    wire::{Node, json::Kind},
};

use super::{Report, Tool, rule};
use crate::conduct::split;

/// A parameter that is too broad by its name: the rule, the parameters it is called by, and the words that have to be
/// in the tool's name besides, if any.
const BROAD: &[(&super::Rule, &[&str], &[&str])] = &[
    (rule::SHELL, &["cmd", "command", "shell", "shell_command"], &[]),
    (
        rule::CODE,
        &["code", "expression", "script", "source_code"],
        &["eval", "exec", "execute", "python", "run", "script"],
    ),
    (rule::SQL, &["sql", "sql_query", "statement"], &[]),
    (rule::SQL, &["query"], &["database", "db", "mysql", "postgres", "sql", "sqlite"]),
    (
        rule::ANY_PATH,
        &["dir", "directory", "file", "file_path", "filename", "filepath", "folder", "path", "paths"],
        &[],
    ),
    (rule::ANY_URL, &["endpoint", "href", "uri", "url", "urls", "webhook"], &[]),
];

/// Keywords that say what a string can be.
const BOUNDS: &[&str] = &["const", "enum", "format", "maxLength", "pattern"];
/// Those that say so tightly enough for a path, a URL or a command.
const TIGHT: &[&str] = &["const", "enum", "pattern"];
/// Parameters by which a caller confirms, or tries out.
const CONFIRMS: &[&str] = &["confirm", "confirmation", "confirmed", "dry_run", "dryrun", "preview"];
/// Words for an operation chosen by a parameter, one group for each kind.
const OPERATIONS: [&[&str]; 3] = [
    &["fetch", "get", "list", "read", "search", "select", "view"],
    &["add", "create", "insert", "put", "set", "update", "write"],
    &["delete", "destroy", "drop", "purge", "remove"],
];

pub(super) fn look(tool: &Tool, report: &mut Report) {
    let root = tool.definition.document().root();
    let schema = root.get("inputSchema");
    let parameters: Vec<(String, Node<'_>)> = schema
        .and_then(|schema| schema.get("properties"))
        .map(|it| it.members().map(|(name, node)| (name.into_owned(), node)).collect())
        .unwrap_or_default();
    for (name, node) in &parameters {
        parameter(tool, name, *node, report);
    }
    let open = schema
        .and_then(|schema| schema.get("additionalProperties"))
        .is_none_or(|it| it.as_bool() == Some(true));
    if open && !parameters.is_empty() {
        report.tool(rule::OPEN, tool, "/inputSchema", rule::OPEN.title);
    }
    marked(tool, root, &parameters, report);
}

fn parameter(tool: &Tool, name: &str, node: Node<'_>, report: &mut Report) {
    let pointer = format!("/inputSchema/properties/{}", name.replace('~', "~0").replace('/', "~1"));
    let lower = name.to_lowercase();
    let has = |keys: &[&str]| keys.iter().any(|key| node.get(key).is_some());
    let words = split(tool.name());
    let broad = BROAD.iter().find(|(_, names, besides)| {
        names.contains(&lower.as_str())
            && (besides.is_empty() || words.iter().any(|word| besides.contains(&word.as_str())))
    });
    if let Some((rule, ..)) = broad.filter(|_| !has(TIGHT) && is_textual(node)) {
        report.tool(rule, tool, &pointer, format!("`{name}` can be anything"));
    } else if is_textual(node) && !has(BOUNDS) {
        report.tool(rule::UNBOUNDED, tool, &pointer, format!("`{name}` can be of any length"));
    }
    if type_of(node).as_deref() == Some("array") && node.get("maxItems").is_none() {
        report.tool(rule::UNBOUNDED, tool, &pointer, format!("`{name}` can have any number of items"));
    }
    if does_everything(node) {
        report.tool(
            rule::DOES_ALL,
            tool,
            &pointer,
            format!("`{name}` chooses between reading, writing and deleting"),
        );
    }
}

fn type_of(node: Node<'_>) -> Option<String> {
    node.get("type").and_then(|it| it.as_str()).map(|it| it.into_owned())
}

fn is_textual(node: Node<'_>) -> bool {
    match type_of(node).as_deref() {
        Some("string") => true,
        Some("array") => node.get("items").is_some_and(is_textual),
        // Without a type it can be a string, too.
        None => {
            node.kind() == Kind::Object
                && node.get("type").is_none()
                && !["anyOf", "oneOf", "allOf", "$ref"].iter().any(|key| node.get(key).is_some())
        }
        Some(_) => false,
    }
}

fn does_everything(node: Node<'_>) -> bool {
    let values: Vec<Vec<String>> = node
        .get("enum")
        .map(|it| it.elements().filter_map(|value| value.as_str()).map(|value| split(&value)).collect())
        .unwrap_or_default();
    OPERATIONS.iter().all(|group| values.iter().flatten().any(|word| group.contains(&word.as_str())))
}

fn marked(tool: &Tool, root: Node<'_>, parameters: &[(String, Node<'_>)], report: &mut Report) {
    let hint = |name: &str| root.path(&["annotations", name]).and_then(|it| it.as_bool());
    if root.get("annotations").is_none() {
        report.tool(rule::UNMARKED, tool, "", rule::UNMARKED.title);
    }
    let why = tool.guesses.0.iter().find(|guess| guess.deed == Deed::Irrevocable);
    if let (Some(true), Some(why)) = (hint("readOnlyHint"), why) {
        let message = format!("it says `readOnlyHint`, and {}", why.reason);
        report.tool(rule::CONTRADICTS, tool, "/annotations/readOnlyHint", message);
    }
    let confirms = parameters.iter().any(|(name, _)| CONFIRMS.contains(&name.to_lowercase().as_str()));
    if tool.conduct.does(Deed::Irrevocable) && !confirms {
        let reason = why.map_or("its operator declares it", |why| &why.reason);
        report.tool(rule::UNCONFIRMED, tool, "", format!("what it does cannot be taken back: {reason}"));
    }
}
