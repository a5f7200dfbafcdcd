//! How parameters are read: plain text where it cannot be a secret, a named source everywhere else.

use portcullis_core::Secret;
use serde_json::{Value as Json, json};

use super::{
    kind::{Describe, FilePath, Kind, Place, clip, gather},
    parameter::{Parameter, Source},
    problem::Fault,
    secrecy::{secret_name, secret_value},
    tree::{self, Entry, Node, Value},
};

/// What to write instead of a secret.
const REMEDY: &str = "put it in a file only you can read and write { file = \"path\" }, or { env = \"NAME\" }; \
                      `danger_inline` keeps it here";

/// Reads `"text"` or `{ file | env | danger_inline = …, prefix = … }`. `name` is what the value is called.
fn read_parameter(
    name: &str,
    literals: Literals,
    node: &Node,
    place: &Place<'_>,
) -> Result<Parameter, Vec<Fault>> {
    let secret = |what: &str| {
        Err(vec![Fault::new(node.at, format!("{what}, and secrets are not written here"), REMEDY)])
    };
    match &node.value {
        Value::Text(_) if literals == Literals::Never => secret("this is taken for a secret"),
        Value::Text(text) if secret_name(name) || secret_value(text) => secret("this looks like a secret"),
        Value::Text(text) => Ok(Parameter::Plain(text.clone())),
        Value::Table(entries) => read_fetched(node, entries, place),
        _ => Err(vec![Fault::new(node.at, format!("this is {}", node.shape()), "write a string, in quotes")]),
    }
}

/// One member of a parameter that is written as a table.
enum Part {
    Source(Source),
    Prefix(String),
}

fn read_fetched(node: &Node, entries: &[Entry], place: &Place<'_>) -> Result<Parameter, Vec<Fault>> {
    let inside = |entry: &Entry, faults: Vec<Fault>| -> Vec<Fault> {
        faults.into_iter().map(|fault| fault.within(&format!(".{}", tree::key(&entry.key)))).collect()
    };
    let parts =
        gather(entries.iter().map(|entry| read_part(entry, place).map_err(|faults| inside(entry, faults))))?;
    let (mut sources, mut prefix) = (Vec::new(), String::new());
    for part in parts {
        match part {
            Part::Source(source) => sources.push(source),
            Part::Prefix(text) => prefix = text,
        }
    }
    let one = sources.pop().ok_or_else(|| vec![Fault::new(node.at, "this names no source", REMEDY)])?;
    if sources.is_empty() {
        Ok(Parameter::Fetched { source: one, prefix })
    } else {
        Err(vec![Fault::new(
            node.at,
            "this names more than one source",
            "keep one of file, env, danger_inline",
        )])
    }
}

fn read_part(entry: &Entry, place: &Place<'_>) -> Result<Part, Vec<Fault>> {
    let known = ["file", "env", "danger_inline", "prefix"];
    if !known.contains(&entry.key.as_str()) {
        let remedy = format!("known here: {}", known.join(", "));
        return Err(vec![Fault::new(entry.at, "there is no such setting", remedy)]);
    }
    let node = &entry.node;
    let Some(text) = node.text() else {
        return Err(vec![Fault::new(
            node.at,
            format!("this is {}", node.shape()),
            "write a string, in quotes",
        )]);
    };
    match entry.key.as_str() {
        "file" => FilePath.read(node, place).map(|path| Part::Source(Source::File(path))),
        "env" => match variable_name(text) {
            Ok(()) => Ok(Part::Source(Source::Env(text.to_owned()))),
            Err(what) => Err(vec![Fault::new(
                node.at,
                format!("`{}` {what}", clip(text)),
                "write the variable's name",
            )]),
        },
        "prefix" => Ok(Part::Prefix(text.to_owned())),
        _ => Ok(Part::Source(Source::Inline(Secret::new(text.as_bytes().to_vec())))),
    }
}

/// Whether a value may be written out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literals {
    /// Yes, unless it looks like a secret.
    UnlessSecret,
    /// No.
    Never,
}

/// A table of named values: environment variables or headers.
pub(crate) struct Parameters {
    /// What the names are, for example `header`.
    pub(crate) of: &'static str,
    pub(crate) literals: Literals,
    /// Says after "`name` …" what is wrong with a name.
    pub(crate) check_name: fn(&str) -> Result<(), &'static str>,
}

/// Environment variables of a server.
pub(super) const ENVIRONMENT: Parameters =
    Parameters { of: "variable", literals: Literals::UnlessSecret, check_name: variable_name };

/// Headers of a server.
pub(super) const HEADERS: Parameters =
    Parameters { of: "header", literals: Literals::Never, check_name: header_name };

fn variable_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.contains(['=', '\0']) {
        Err("cannot be the name of a variable")
    } else {
        Ok(())
    }
}

/// Headers that the transport or the protocol sets itself.
const OWN_HEADERS: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn header_name(name: &str) -> Result<(), &'static str> {
    if http::HeaderName::try_from(name).is_err() {
        Err("cannot be the name of a header")
    } else if is_own_header(name) {
        Err("is set by the gateway itself")
    } else {
        Ok(())
    }
}

/// Whether the transport or the protocol sets this header.
pub(crate) fn is_own_header(name: &str) -> bool {
    OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

impl Describe for Parameters {
    fn phrase(&self) -> String {
        let forms = "`{ file = \"path\" }`, `{ env = \"NAME\" }` or `{ danger_inline = \"text\" }`, each with an optional `prefix`";
        match self.literals {
            Literals::UnlessSecret => format!("a table; each {} a string, {forms}", self.of),
            Literals::Never => format!("a table; each {} {forms}", self.of),
        }
    }

    fn schema(&self) -> Json {
        json!({ "type": "object", "additionalProperties": parameter_schema(self.literals) })
    }

    fn show(&self, node: &Node) -> String {
        let members = node.entries().unwrap_or_default().iter();
        let mut shown: Vec<String> = members
            .map(|entry| format!("{} = {}", tree::key(&entry.key), show_parameter(&entry.node)))
            .collect();
        shown.sort();
        format!("{{ {} }}", shown.join(", "))
    }
}

impl Kind for Parameters {
    type Value = Vec<(String, Parameter)>;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Self::Value, Vec<Fault>> {
        let Some(entries) = node.entries() else {
            let what = format!("this is {}", node.shape());
            return Err(vec![Fault::new(node.at, what, format!("write {}", self.phrase()))]);
        };
        gather(entries.iter().map(|entry| {
            let inside = |fault: Fault| fault.within(&format!(".{}", tree::key(&entry.key)));
            if let Err(what) = (self.check_name)(&entry.key) {
                let fault = Fault::new(entry.at, format!("`{}` {what}", clip(&entry.key)), "remove it");
                return Err(vec![inside(fault)]);
            }
            let value = read_parameter(&entry.key, self.literals, &entry.node, place);
            value
                .map(|value| (entry.key.clone(), value))
                .map_err(|faults| faults.into_iter().map(inside).collect())
        }))
    }

    fn absent(&self) -> Option<Self::Value> {
        Some(Vec::new())
    }
}

/// One argument of a command.
pub(crate) struct Argument;

impl Describe for Argument {
    fn phrase(&self) -> String {
        "a string, `{ file = \"path\" }` or `{ env = \"NAME\" }`".to_owned()
    }

    fn schema(&self) -> Json {
        parameter_schema(Literals::UnlessSecret)
    }

    fn show(&self, node: &Node) -> String {
        show_parameter(node)
    }
}

impl Kind for Argument {
    type Value = Parameter;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Parameter, Vec<Fault>> {
        let name = node.text().and_then(|text| text.split_once('=')).map_or("", |(flag, _)| flag);
        read_parameter(if name.starts_with('-') { name } else { "" }, Literals::UnlessSecret, node, place)
    }
}

/// One secret: never written out.
pub(crate) struct Hidden;

impl Describe for Hidden {
    fn phrase(&self) -> String {
        "`{ file = \"path\" }`, `{ env = \"NAME\" }` or `{ danger_inline = \"text\" }`".to_owned()
    }

    fn schema(&self) -> Json {
        parameter_schema(Literals::Never)
    }

    fn show(&self, node: &Node) -> String {
        show_parameter(node)
    }
}

impl Kind for Hidden {
    type Value = Parameter;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Parameter, Vec<Fault>> {
        read_parameter("", Literals::Never, node, place)
    }
}

fn parameter_schema(literals: Literals) -> Json {
    let source = |name: &str| {
        json!({
            "type": "object",
            "required": [name],
            "properties": { name: { "type": "string" }, "prefix": { "type": "string" } },
            "additionalProperties": false,
        })
    };
    let mut forms: Vec<Json> = ["file", "env", "danger_inline"].into_iter().map(source).collect();
    if literals == Literals::UnlessSecret {
        forms.insert(0, json!({ "type": "string" }));
    }
    json!({ "oneOf": forms })
}

/// A value as it may be shown: what is written inline stays hidden.
fn show_parameter(node: &Node) -> String {
    if node.get("danger_inline").is_some() { "{ danger_inline = … }".to_owned() } else { node.canonical() }
}
