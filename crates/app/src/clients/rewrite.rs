//! A client's whole file, so changed that its servers go through Portcullis, and changed back.

use serde::{Deserialize, Serialize};

use super::{
    Client, Located,
    edit::{self, Edit},
    wrap::{Wrap, Wrapper, argv, variables},
};
use crate::config::{
    problem::Fault,
    tree::{Language, Node, Position},
};

/// A byte order mark, which stays in front of a file that has one.
const MARK: char = '\u{feff}';

/// A file with its servers wrapped.
pub(crate) struct Rewritten {
    /// The whole new text; the old one when nothing changes.
    pub(crate) text: String,
    /// Every entry in the file's order.
    pub(crate) entries: Vec<Rewrite>,
}

/// What was done to one entry.
pub(crate) struct Rewrite {
    pub(crate) label: String,
    /// Its full name in the file.
    pub(crate) field: String,
    pub(crate) at: Position,
    pub(crate) wrap: Wrap,
    /// The change, counted from the entry's first byte in the new text.
    pub(crate) recorded: Vec<Edit>,
}

/// Why a file is left alone.
pub(crate) enum Refused {
    /// It cannot be read.
    Unreadable(Vec<Fault>),
    /// It holds no servers where the client keeps them.
    NoServers,
    /// The changed text would not say what was meant. A fault of ours, and no reason to break the file.
    Unsure(&'static str),
}

/// Wraps every server of `client` that `text` has, to be started by `program`.
pub(crate) fn wrap(
    text: &str,
    language: Language,
    client: &Client,
    program: &str,
) -> Result<Rewritten, Refused> {
    let (root, body) = read(text, language, client)?;
    let wrapper = Wrapper { text: body, language, program };
    let found = client.entries(&root);
    let wraps: Vec<Wrap> = found.iter().map(|located| wrapper.wrap(located)).collect();
    let mut edits: Vec<Edit> = wraps.iter().flat_map(edits_of).cloned().collect();
    edits.sort_by_key(|edit| edit.at);
    let changed = edit::apply(body, &edits).ok_or(Refused::Unsure("its changes overlap"))?;
    let (new_root, new_body) = read(&changed, language, client)?;
    let new_found = client.entries(&new_root);
    says_what_was_meant(&found, &wraps, &new_found, program)?;
    let mut entries = Vec::with_capacity(found.len());
    for ((located, wrap), new) in found.iter().zip(wraps).zip(&new_found) {
        let own = edits_of(&wrap);
        let recorded = moved(own, &edits).and_then(|all| relative(all, new.at.offset_in(new_body)));
        entries.push(Rewrite {
            label: located.label.to_owned(),
            field: located.field.clone(),
            at: located.at,
            recorded: recorded.ok_or(Refused::Unsure("its changes could not be taken back"))?,
            wrap,
        });
    }
    Ok(Rewritten { text: marked(text, &changed), entries })
}

fn read<'t>(text: &'t str, language: Language, client: &Client) -> Result<(Node, &'t str), Refused> {
    let body = text.strip_prefix(MARK).unwrap_or(text);
    let (root, faults) = language.parse(body);
    if !faults.is_empty() {
        return Err(Refused::Unreadable(faults));
    }
    if client.has_container(&root) { Ok((root, body)) } else { Err(Refused::NoServers) }
}

fn marked(original: &str, changed: &str) -> String {
    if original.starts_with(MARK) { format!("{MARK}{changed}") } else { changed.to_owned() }
}

fn edits_of(wrap: &Wrap) -> &[Edit] {
    match wrap {
        Wrap::Changed(edits) => edits,
        _ => &[],
    }
}

/// The edits `own` at their places in the text after `all`.
fn moved(own: &[Edit], all: &[Edit]) -> Option<Vec<Edit>> {
    let moved = edit::after(all)?;
    Some(all.iter().zip(moved).filter(|(before, _)| own.contains(before)).map(|(_, after)| after).collect())
}

fn relative(edits: Vec<Edit>, anchor: usize) -> Option<Vec<Edit>> {
    edits.into_iter().map(|edit| Some(Edit { at: edit.at.checked_sub(anchor)?, ..edit })).collect()
}

/// Reads the new text and compares: same entries, and each starts what it did, through us or not.
fn says_what_was_meant(
    found: &[Located<'_>],
    wraps: &[Wrap],
    new: &[Located<'_>],
    program: &str,
) -> Result<(), Refused> {
    let unsure = Err(Refused::Unsure("what it would say was read back otherwise"));
    if found.len() != new.len() {
        return unsure;
    }
    for ((old, wrap), new) in found.iter().zip(wraps).zip(new) {
        let same = old.field == new.field && variables(old.node) == variables(new.node);
        let (before, after) = (argv(old.node), argv(new.node));
        let right = match (wrap, before, after) {
            (Wrap::Changed(_), Some(before), Some(after)) => {
                let own = after.len().checked_sub(before.len() + 1);
                let separator = own.and_then(|at| after.get(at));
                after.first().is_some_and(|first| first == program)
                    && after.ends_with(&before)
                    && separator.is_some_and(|word| word == "--")
            }
            (Wrap::Changed(_), ..) => false,
            _ => old.node.canonical() == new.node.canonical(),
        };
        if !(same && right) {
            return unsure;
        }
    }
    Ok(())
}

/// An entry that was wrapped, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remembered {
    /// Its full name in the file.
    pub(crate) field: String,
    /// The client's name for the server.
    pub(crate) label: String,
    /// Counted from the entry's first byte.
    pub(crate) edits: Vec<Edit>,
}

impl Remembered {
    /// Whether an entry is this one. The elements of a list move when others come and go.
    pub(crate) fn is(&self, field: &str, label: &str) -> bool {
        self.label == label && without_index(&self.field) == without_index(field)
    }
}

fn without_index(field: &str) -> &str {
    let numbered = field.strip_suffix(']').and_then(|open| open.rsplit_once('['));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbered.filter(|(_, number)| is_number(number)).map_or(field, |(list, _)| list)
}

/// What becomes of a remembered entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unwrap {
    Restored,
    /// It is not there any more, or does not go through us any more.
    Gone,
    /// It goes through us, and not in the way it was made to.
    ChangedSince,
}

/// A file with its servers unwrapped.
pub(crate) struct Restored {
    pub(crate) text: String,
    /// One for each remembered entry.
    pub(crate) entries: Vec<Unwrap>,
}

/// Takes back what [`wrap`] did, byte for byte, in a text that may have changed elsewhere since.
pub(crate) fn unwrap(
    text: &str,
    language: Language,
    client: &Client,
    remembered: &[Remembered],
) -> Result<Restored, Refused> {
    let (root, body) = read(text, language, client)?;
    let found = client.entries(&root);
    let (mut edits, mut entries) = (Vec::new(), Vec::new());
    for remembered in remembered {
        let located = found.iter().find(|located| remembered.is(&located.field, located.label));
        let ours = |located: &&Located<'_>| {
            argv(located.node).is_some_and(|argv| argv.first().is_some_and(|it| super::entry::is_ours(it)))
        };
        entries.push(match located.filter(ours) {
            None => Unwrap::Gone,
            Some(located) => match back(body, located.at.offset_in(body), &remembered.edits) {
                None => Unwrap::ChangedSince,
                Some(back) => {
                    edits.extend(back);
                    Unwrap::Restored
                }
            },
        });
    }
    edits.sort_by_key(|edit| edit.at);
    let restored = edit::apply(body, &edits).ok_or(Refused::Unsure("its changes overlap"))?;
    Ok(Restored { text: marked(text, &restored), entries })
}

fn back(body: &str, anchor: usize, edits: &[Edit]) -> Option<Vec<Edit>> {
    let back = edit::inverse(edits, anchor)?;
    edit::apply(body, &back).map(|_| back)
}
