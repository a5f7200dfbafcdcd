//! Which arguments of a tool name something outside of it, and what.

use portcullis_core::{
    Definition,
    wire::{Node, json::Kind},
};
use serde::Serialize;

use super::{DeclaredTargets, TargetKind, TargetPolicy};
use crate::conduct::split;

/// Parameters of one tool that are remembered.
const MOST: usize = 64;
/// How deep parameters are looked for.
const DEEPEST: usize = 4;

/// A parameter that names something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetParameter {
    /// The names that lead to it, from the arguments on. Arrays on the way have none.
    pub path: Vec<String>,
    /// What it names.
    pub kind: TargetKind,
    /// Why that is thought.
    pub why: String,
    /// Whether an operator says so.
    pub declared: bool,
}

/// Those of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetParameters {
    pub(super) list: Vec<TargetParameter>,
    /// Directories that paths have to be in, if there are any.
    pub(super) roots: Vec<String>,
    /// Hosts that may be targets wherever they are.
    pub(super) hosts: Vec<String>,
}

impl TargetParameters {
    /// What is declared for a tool, and what its definition makes one think of the rest.
    pub fn of(definition: &Definition, policy: &TargetPolicy) -> Self {
        let none = DeclaredTargets::default();
        let declared = policy.servers.get(definition.server()).unwrap_or(&none);
        let tool = definition.name();
        let ours = declared.parameters.iter().filter(|(name, ..)| name == "*" || **name == **tool);
        let mut list: Vec<TargetParameter> = Vec::new();
        for (_, path, kind) in ours {
            let why = "the configuration says so".to_owned();
            list.retain(|known| known.path != *path);
            list.push(TargetParameter { path: path.clone(), kind: *kind, why, declared: true });
        }
        let mut search = Search { tool: split(tool), list, path: Vec::new() };
        if let Some(schema) = definition.document().root().get("inputSchema") {
            search.members(schema);
        }
        search.list.retain(|known| known.kind != TargetKind::Text);
        Self { list: search.list, roots: declared.roots.clone(), hosts: declared.hosts.clone() }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &TargetParameter> {
        self.list.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

struct Search {
    tool: Vec<String>,
    list: Vec<TargetParameter>,
    path: Vec<String>,
}

impl Search {
    fn members(&mut self, schema: Node<'_>) {
        let properties = schema.get("properties").filter(|it| it.kind() == Kind::Object);
        for (name, member) in properties.into_iter().flat_map(Node::members) {
            if self.list.len() >= MOST {
                return;
            }
            self.path.push(name.into_owned());
            self.member(member);
            self.path.pop();
        }
    }

    fn member(&mut self, schema: Node<'_>) {
        if !self.list.iter().any(|known| known.path == self.path)
            && let Some(name) = self.path.last()
            && let Some((kind, why)) = guess(name, schema, &self.tool)
        {
            self.list.push(TargetParameter { path: self.path.clone(), kind, why, declared: false });
        }
        if self.path.len() < DEEPEST {
            self.members(schema);
            schema.get("items").into_iter().for_each(|items| self.members(items));
        }
    }
}

/// What the last word of a parameter's name says it is.
const LAST_WORDS: &[(&[&str], TargetKind)] = &[
    (&["cwd", "dir", "directory", "filename", "filepath", "folder", "path", "workdir"], TargetKind::Path),
    (&["callback", "endpoint", "href", "link", "url", "webhook", "website"], TargetKind::Url),
    (&["uri"], TargetKind::Uri),
    (&["command", "cmd"], TargetKind::Command),
    (&["sql"], TargetKind::Sql),
    (&["branch", "commit", "ref", "revision", "tag"], TargetKind::Operand),
];

/// What a whole name says, where the tool's own has one of these words in it.
const TOGETHER: &[(&[&str], &[&str], TargetKind)] = &[
    (
        &["destination", "file", "source"],
        &["copy", "directory", "file", "folder", "move", "rename"],
        TargetKind::Path,
    ),
    (&["base", "head", "remote", "start_point", "target"], &["git"], TargetKind::Operand),
    (
        &["query", "sql_query", "statement"],
        &["database", "db", "duckdb", "mysql", "postgres", "sql", "sqlite"],
        TargetKind::Sql,
    ),
];

fn guess(name: &str, schema: Node<'_>, tool: &[String]) -> Option<(TargetKind, String)> {
    if !is_textual(schema) {
        return None;
    }
    let words = split(name);
    let last = words.last()?;
    if let Some((_, kind)) = LAST_WORDS.iter().find(|(known, _)| known.contains(&last.as_str())) {
        return Some((*kind, format!("its name says `{last}`")));
    }
    let lower = name.to_lowercase();
    for (names, besides, kind) in TOGETHER {
        let besides = tool.iter().find(|word| besides.contains(&word.as_str()));
        if let (true, Some(word)) = (names.contains(&lower.as_str()), besides) {
            return Some((*kind, format!("it is called `{name}`, and its tool says `{word}`")));
        }
    }
    let format = schema.get("format").and_then(Node::as_str)?;
    matches!(&*format, "uri" | "url" | "iri").then(|| (TargetKind::Uri, format!("its format is `{format}`")))
}

/// Whether it can be a text, or texts.
fn is_textual(schema: Node<'_>) -> bool {
    let of_kind = |kind: Node<'_>| kind.as_str().is_some_and(|it| matches!(&*it, "string" | "array"));
    match schema.get("type") {
        Some(several) if several.kind() == Kind::Array => several.elements().any(of_kind),
        Some(one) => of_kind(one),
        None => true,
    }
}
