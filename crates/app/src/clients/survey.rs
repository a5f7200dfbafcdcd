//! What a client's file starts and reaches, for whoever only wants to know.

use std::path::Path;

use super::{
    Client, FileFaults,
    entry::{KIND, KINDS, URL, first, is_ours},
    language_of,
    wrap::argv,
};
use crate::config::tree::{Node, Position};

/// One server in a client's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surveyed {
    /// The client's name for it.
    pub(crate) label: String,
    pub(crate) at: Position,
    pub(crate) reached: Reached,
}

/// How a client reaches a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// By starting this program. Arguments may be secrets and are not kept.
    Command(String),
    /// By starting Portcullis, which starts the server.
    ThroughUs,
    /// At this URL, as it is written.
    Url(String),
    /// It is a part of the client, or not to be made out.
    Other,
}

/// The servers of a client's file; none when it has none.
pub(crate) fn survey(path: &Path, text: &str, client: &Client) -> Result<Vec<Surveyed>, FileFaults> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, faults) = language_of(path, body, Some(client)).parse(body);
    if !faults.is_empty() {
        return Err(faults);
    }
    let found = client.entries(&root).into_iter().map(|located| Surveyed {
        label: located.label.to_owned(),
        at: located.at,
        reached: reached(located.node),
    });
    Ok(found.collect())
}

fn reached(node: &Node) -> Reached {
    let kind = first(node, KIND).and_then(Node::text);
    if kind.is_some_and(|kind| !KINDS.iter().any(|(word, _)| *word == kind)) {
        return Reached::Other;
    }
    let program = argv(node).and_then(|argv| argv.into_iter().next());
    let url = first(node, URL).and_then(Node::text);
    match (program, url) {
        (Some(program), _) if is_ours(&program) => Reached::ThroughUs,
        (Some(program), _) => Reached::Command(program),
        (None, Some(url)) => Reached::Url(url.to_owned()),
        (None, None) => Reached::Other,
    }
}
