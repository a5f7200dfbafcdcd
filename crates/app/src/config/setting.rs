//! The declaration of settings and the walk that reads them.
//!
//! A section is declared once with [`settings!`]: the declaration is the struct the product uses, the
//! reader, the reference page and the JSON schema.

use std::path::{Path, PathBuf};

use portcullis_core::spelling::nearest;
use serde::Serialize;

use super::{
    kind::{Describe, Kind, Place, clip},
    problem::{Fault, Problem, Report, Severity},
    tree::{Entry, Language, Node, Position, Value},
};

/// When a change of a setting in a running gateway takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Applies {
    /// With the next reload.
    Live,
    /// With the next start.
    Restart,
}

/// One setting as declared.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// What it does, as Markdown.
    pub(crate) doc: &'static str,
    /// What absence means, as TOML.
    pub(crate) default: Option<&'static str>,
    pub(crate) kind: &'static dyn Describe,
    pub(crate) applies: Applies,
}

/// A table of settings.
pub(crate) trait Section: Sized {
    /// Its settings, in the order of the reference page.
    const SETTINGS: &'static [Setting];
    /// What it is about, as Markdown.
    const DOC: &'static str;

    /// Reads a table; nothing when a setting is wrong or missing, which the walk then knows.
    fn read(walk: &mut Walk<'_>, table: &Table<'_>) -> Option<Self>;
}

/// Declares a section. Each setting says when a change applies, its name, type and kind, and what its
/// absence means, in TOML: `Live body_bytes: usize = Whole::new("bytes", 1, 9), default "5";`.
macro_rules! settings {
    (
        $(#[doc = $doc:literal])+
        $visibility:vis struct $section:ident {
            $(
                $(#[doc = $field_doc:literal])+
                $applies:ident $field:ident : $type:ty = $kind:expr $(, default $default:literal)?;
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        $visibility struct $section {
            $( $(#[doc = $field_doc])+ pub $field: $type, )+
        }

        impl $crate::config::setting::Section for $section {
            const SETTINGS: &'static [$crate::config::setting::Setting] = &[$(
                $crate::config::setting::Setting {
                    name: stringify!($field),
                    doc: concat!($($field_doc, "\n"),+),
                    default: $crate::config::setting::settings!(@default $($default)?),
                    kind: &$kind,
                    applies: $crate::config::setting::Applies::$applies,
                },
            )+];
            const DOC: &'static str = concat!($($doc, "\n"),+);

            fn read(
                walk: &mut $crate::config::setting::Walk<'_>,
                table: &$crate::config::setting::Table<'_>,
            ) -> Option<Self> {
                let mut declared = Self::SETTINGS.iter();
                // Every setting is read before the first missing one ends the function, so that all
                // mistakes of the section are reported.
                $( let $field = declared.next().and_then(|setting| walk.setting(table, setting, &$kind)); )+
                walk.refuse_unknown(table, &Self::SETTINGS.iter().map(|s| s.name).collect::<Vec<_>>());
                Some(Self { $( $field: $field?, )+ })
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}
pub(crate) use settings;

/// A setting with the value in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Full name, for example `limits.body_bytes`.
    pub name: String,
    /// The value, secrets hidden, in one spelling.
    pub value: String,
    /// Where it is set; absent when it is the default.
    pub origin: Option<Origin>,
    /// When a change takes effect.
    pub applies: Applies,
}

/// Where a setting is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1.
    pub line: u32,
    /// Column, counted from 1.
    pub column: u32,
}

/// A path that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Full name of the setting.
    pub field: String,
    /// The path, absolute.
    pub path: PathBuf,
}

/// A table being read.
pub(crate) struct Table<'t> {
    /// Its full name, for example `server.notes`.
    pub(crate) name: String,
    pub(crate) at: Position,
    pub(crate) entries: &'t [Entry],
}

impl<'t> Table<'t> {
    pub(crate) fn entry(&self, name: &str) -> Option<&'t Entry> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    fn field(&self, name: &str) -> String {
        let name = super::tree::key(name);
        if self.name.is_empty() { name } else { format!("{}.{name}", self.name) }
    }
}

/// Reads one document and gathers everything that is wrong with it.
pub(crate) struct Walk<'w> {
    file: &'w Path,
    pub(crate) place: Place<'w>,
    pub(crate) report: Report,
    pub(crate) settled: Vec<Settled>,
    /// Every path a setting names, defaults included.
    pub(crate) named: Vec<Named>,
}

impl<'w> Walk<'w> {
    /// A walk through `file`.
    pub(crate) fn new(file: &'w Path, place: Place<'w>) -> Self {
        Self { file, place, report: Report::default(), settled: Vec::new(), named: Vec::new() }
    }

    /// Notes a fault of the setting `field`.
    pub(crate) fn fault(&mut self, field: &str, fault: Fault) {
        self.report.push(fault.in_file(self.file, field));
    }

    /// Whether the document itself sets `field`.
    pub(crate) fn is_set(&self, field: &str) -> bool {
        self.settled.iter().any(|settled| settled.name == field && settled.origin.is_some())
    }

    /// Notes that a setting, correct by itself, does not go with another.
    pub(crate) fn conflict(
        &mut self,
        field: &str,
        severity: Severity,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let set = self
            .settled
            .iter()
            .find(|settled| settled.name == field)
            .and_then(|settled| settled.origin.as_ref());
        let (line, column) = set.map_or((1, 1), |origin| (origin.line, origin.column));
        let (file, field) = (self.file.to_owned(), field.to_owned());
        self.report.push(Problem {
            severity,
            file,
            line,
            column,
            field,
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    /// Reads the section `name` of the document, present or not.
    pub(crate) fn section<S: Section>(&mut self, root: &Table<'_>, name: &str) -> Option<S> {
        let Some(entry) = root.entry(name) else {
            return S::read(self, &Table { name: name.to_owned(), at: Position::START, entries: &[] });
        };
        let table = self.table(name, entry)?;
        S::read(self, &table)
    }

    /// The entry as a table called `name`.
    pub(crate) fn table<'t>(&mut self, name: &str, entry: &'t Entry) -> Option<Table<'t>> {
        let Some(entries) = entry.node.entries() else {
            let remedy = format!(
                "write `[{name}{}]` and the settings below it",
                if matches!(name, "server" | "issuer" | "credential" | "stream") { ".NAME" } else { "" }
            );
            self.fault(name, Fault::new(entry.at, format!("this is {}", entry.node.shape()), remedy));
            return None;
        };
        Some(Table { name: name.to_owned(), at: entry.at, entries })
    }

    /// Reads one setting of a table.
    pub(crate) fn setting<K: Kind>(
        &mut self,
        table: &Table<'_>,
        setting: &Setting,
        kind: &K,
    ) -> Option<K::Value> {
        let field = table.field(setting.name);
        if let Some(entry) = table.entry(setting.name) {
            let value = self.value(&field, &entry.node, kind)?;
            let origin = Origin { file: self.file.to_owned(), line: entry.at.line, column: entry.at.column };
            self.settle(field, kind.show(&entry.node), Some(origin), setting.applies);
            self.warn_of_danger(table, setting, entry);
            return Some(value);
        }
        if let Some(default) = setting.default {
            let node = default_node(default);
            let value = self.value(&field, &node, kind)?;
            self.settle(field, kind.show(&node), None, setting.applies);
            return Some(value);
        }
        let absent = kind.absent();
        if absent.is_none() {
            let remedy = format!("add `{} = …`: {}", setting.name, kind.phrase());
            self.fault(&field, Fault::new(table.at, "this setting is missing", remedy));
        }
        absent
    }

    fn value<K: Kind>(&mut self, field: &str, node: &Node, kind: &K) -> Option<K::Value> {
        let read = kind.read(node, &self.place);
        let paths = self.place.named.take();
        self.named.extend(paths.into_iter().map(|path| Named { field: field.to_owned(), path }));
        match read {
            Ok(value) => Some(value),
            Err(faults) => {
                faults.into_iter().for_each(|fault| self.fault(field, fault));
                None
            }
        }
    }

    pub(crate) fn settle(&mut self, name: String, value: String, origin: Option<Origin>, applies: Applies) {
        self.settled.push(Settled { name, value, origin, applies });
    }

    /// What lowers security carries `danger` in its name, and its use is never silent.
    fn warn_of_danger(&mut self, table: &Table<'_>, setting: &Setting, entry: &Entry) {
        let field = table.field(setting.name);
        let mut warn = |at, meaning: &str| {
            let what = format!("security is lowered: {meaning}");
            self.fault(&field, Fault::new(at, what, "remove this where it is not needed").warning());
        };
        if setting.name.starts_with("danger_") && !matches!(entry.node.value, Value::Bool(false)) {
            warn(entry.at, &first_sentence(setting.doc));
        }
        let mut inline = Vec::new();
        find(&entry.node, "danger_inline", &mut inline);
        inline.into_iter().for_each(|at| warn(at, "a secret is written into this file"));
    }

    /// Notes every member of `table` that is none of the `known`.
    pub(crate) fn refuse_unknown(&mut self, table: &Table<'_>, known: &[&str]) {
        for entry in table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let remedy = match nearest(&entry.key, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let (field, what) = (table.field(&clip(&entry.key)), "there is no such setting");
            self.fault(&field, Fault::new(entry.at, what, remedy));
        }
    }
}

/// The value a default's TOML text stands for.
fn default_node(text: &str) -> Node {
    let (document, _) = Language::Toml.parse(&format!("default = {text}"));
    document.get("default").cloned().unwrap_or(Node::made(Position::START, Value::Null))
}

/// The first sentence of a documentation comment, to follow a colon.
fn first_sentence(doc: &str) -> String {
    let paragraph = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = paragraph.split(". ").next().unwrap_or_default();
    let mut characters = sentence.trim_end_matches('.').chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// The places of every member called `key`, however deep.
fn find(node: &Node, key: &str, places: &mut Vec<Position>) {
    for entry in node.entries().unwrap_or_default() {
        if entry.key == key {
            places.push(entry.at);
        }
        find(&entry.node, key, places);
    }
    node.items().unwrap_or_default().iter().for_each(|item| find(item, key, places));
}
