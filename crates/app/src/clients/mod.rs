//! The MCP configuration files of other programs, read as they are.

mod allow;
mod catalogue;
mod edit;
mod emit;
mod entry;
pub(crate) mod places;
pub(crate) mod rewrite;
pub(crate) mod survey;
mod text;
pub(crate) mod undo;
mod wrap;

use std::{collections::BTreeMap, path::Path};

use portcullis_core::ServerName;

use crate::config::{
    Reach,
    problem::Fault,
    tree::{Entry, Language, Node, Position},
};

pub(crate) use allow::{Allowed, allow_lists};
pub(crate) use catalogue::{CLIENTS, Client};
pub(crate) use emit::Toml;
pub(crate) use wrap::Wrap;

/// A server found in a client's file.
pub(crate) struct Foreign {
    /// The client's name for it.
    pub(crate) label: String,
    /// The name it gets here.
    pub(crate) name: ServerName,
    pub(crate) at: Position,
    /// How it is reached, or why it is left out.
    pub(crate) reach: Result<Reach, String>,
    /// What was not taken over, in plain words.
    pub(crate) notes: Vec<String>,
}

/// What a file holds: the servers, and the entries that could not be read.
pub(crate) struct Reading {
    pub(crate) servers: Vec<Foreign>,
    /// Each with the full name of what it is about.
    pub(crate) faults: Vec<(String, Fault)>,
}

/// Why a file as a whole could not be read.
pub(crate) type FileFaults = Vec<Fault>;

/// The language of a client's file.
pub(crate) fn language_of(path: &Path, text: &str, client: Option<&Client>) -> Language {
    Language::of(path).or(client.map(|client| client.language)).unwrap_or_else(|| guess(text))
}

/// Reads the file of `client`, or of whichever client's it looks like.
pub(crate) fn read(path: &Path, text: &str, client: Option<&'static Client>) -> Result<Reading, FileFaults> {
    let language = language_of(path, text, client);
    if path.extension().is_some_and(|extension| extension == "xml") {
        let remedy = "copy the servers into a JSON file, which the program's own editor shows them in";
        return Err(vec![Fault::new(Position::START, "XML is not read here", remedy)]);
    }
    let (root, faults) = language.parse(text);
    if !faults.is_empty() {
        return Err(faults);
    }
    let client = match client {
        Some(client) => client,
        None => catalogue::recognise(language, &root).ok_or_else(|| nothing_found(None))?,
    };
    let found = client.entries(&root);
    if found.is_empty() && !client.has_container(&root) {
        return Err(nothing_found(Some(client)));
    }
    Ok(read_entries(&found))
}

fn nothing_found(client: Option<&Client>) -> FileFaults {
    let what = match client {
        Some(client) => format!("this does not hold MCP servers the way {} keeps them", client.title),
        None => "this does not hold MCP servers the way any known client keeps them".to_owned(),
    };
    vec![Fault::new(Position::START, what, "name the client with `--client`, or the right file")]
}

fn guess(text: &str) -> Language {
    match text.trim_start().chars().next() {
        Some('{' | '/') => Language::Json,
        Some('[') => Language::Toml,
        _ => Language::Yaml,
    }
}

fn read_entries(found: &[Located<'_>]) -> Reading {
    let (mut servers, mut faults) = (Vec::new(), Vec::new());
    let mut taken: BTreeMap<ServerName, &str> = BTreeMap::new();
    for located in found {
        let name = match server_name(located.label) {
            Ok(name) => name,
            Err(fault) => {
                faults.push((located.field.clone(), Fault { at: located.at, ..fault }));
                continue;
            }
        };
        if let Some(other) = taken.insert(name.clone(), located.label) {
            let what = format!("`{other}` and `{}` would both be named `{name}`", located.label);
            faults.push((
                located.field.clone(),
                Fault::new(located.at, what, "rename one of them in the client's file"),
            ));
            continue;
        }
        match entry::read(located.node) {
            Ok(entry) => servers.push(Foreign {
                label: located.label.to_owned(),
                name,
                at: located.at,
                reach: entry.reach,
                notes: entry.notes,
            }),
            Err(more) => faults.extend(more.into_iter().map(|fault| (located.field.clone(), fault))),
        }
    }
    Reading { servers, faults }
}

/// One entry of a client's file and where it stands.
pub(crate) struct Located<'n> {
    label: &'n str,
    field: String,
    at: Position,
    node: &'n Node,
}

impl<'n> Located<'n> {
    fn member(field: &str, entry: &'n Entry) -> Self {
        let field = format!("{field}.{}", crate::config::tree::key(&entry.key));
        Self { label: &entry.key, field, at: entry.at, node: &entry.node }
    }
}

/// The server name nearest to what a client calls it: lower case, anything else a hyphen.
pub(crate) fn server_name(label: &str) -> Result<ServerName, Fault> {
    let mut name = String::new();
    for character in label.chars().flat_map(char::to_lowercase) {
        let plain = character.is_ascii_lowercase() || character.is_ascii_digit();
        match character {
            _ if plain => name.push(character),
            '_' if !name.is_empty() && !name.ends_with(['_', '-']) => name.push('_'),
            _ if !name.is_empty() && !name.ends_with(['_', '-']) => name.push('-'),
            _ => {}
        }
    }
    let cut: String = name.chars().take(64).collect();
    let trimmed = cut.trim_end_matches(['-', '_']);
    let rename = "rename it in the client's file, with letters and digits";
    trimmed.parse().map_err(|_| Fault::new(Position::START, "no server name can be made of this", rename))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn names() {
        for (label, expected) in [
            ("filesystem", "filesystem"),
            ("My Notes (local)", "my-notes-local"),
            ("io.github.acme/server", "io-github-acme-server"),
            ("a__b", "a_b"),
            ("-x-", "x"),
            ("Ünïcode", "n-code"),
        ] {
            assert_eq!(server_name(label).unwrap().as_str(), expected, "{label}");
        }
        assert!(server_name("日本").is_err());
        assert!(server_name("").is_err());
        assert_eq!(server_name(&"x".repeat(90)).unwrap().as_str().len(), 64);
    }
}
