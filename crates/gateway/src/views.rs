//! Narrow tools over broad ones (control AZ-01, tool shape).
//!
//! A view is a tool of its own with its own few arguments; what it passes to the broad tool is written down. Where a
//! tool has a view, clients see the view and not the tool, and a call of the tool itself is refused. A call of a view
//! is decided twice: as the client made it, and as the server will get it.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use portcullis_core::{
    Call, Context, Definition, ListKind, Refusal, RefusalKind, ServerName, Target,
    wire::{Message, Node, Patch, json::Kind},
};
use portcullis_inspect::Inspector;
use serde_json::{Map, Value, json};

use crate::{
    catalogue::{Entry, List},
    outbound::{self, GENEROUS},
    resolve::{Resolved, Route},
    translate::answer::quoted,
};

/// A narrow tool, as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    name: String,
    tool: String,
    definition: Value,
    passes: Vec<(String, Pass)>,
}

/// What an argument of the broad tool gets.
#[derive(Clone, Debug, PartialEq)]
enum Pass {
    /// Always this.
    Constant(Value),
    /// An argument of the view, as it is.
    Whole(String),
    /// A text with arguments of the view in it.
    Text(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Plain(String),
    Argument(String),
}

/// Why a view cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewFault {
    /// A placeholder names no argument.
    #[error("`{passed}` uses `{{{argument}}}`, which is none of its arguments")]
    Unknown {
        /// The argument of the broad tool.
        passed: String,
        /// The placeholder.
        argument: String,
    },
    /// A placeholder does not end.
    #[error("`{0}` has a `{{` without its `}}`; a brace itself is written twice")]
    Open(String),
    /// An argument is not used.
    #[error("its argument `{0}` is passed to nothing")]
    Unused(String),
    /// An argument that becomes part of a text could be any text.
    #[error("its argument `{0}` becomes part of a text and needs an `enum`, or a `pattern` from `^` to `$`")]
    Unbounded(String),
}

impl View {
    /// A view called `name` of `tool`. `arguments` are the JSON Schemas of its arguments, all of them required;
    /// `passes` says what each argument of the tool gets, where `{argument}` in a text stands for one of the view's.
    ///
    /// # Errors
    /// Every [`ViewFault`] where arguments could not be passed safely.
    pub fn new(
        name: &str,
        tool: &str,
        description: &str,
        arguments: &Map<String, Value>,
        passes: &Map<String, Value>,
    ) -> Result<Self, Vec<ViewFault>> {
        let (mut faults, mut read) = (Vec::new(), Vec::new());
        for (passed, value) in passes {
            match Pass::read(passed, value) {
                Ok(pass) => read.push((passed.clone(), pass)),
                Err(fault) => faults.push(fault),
            }
        }
        // What an unreadable text would use is not known.
        let all_read = faults.is_empty();
        let passes = read;
        let mut used = BTreeSet::new();
        for (passed, pass) in &passes {
            for argument in pass.arguments() {
                used.insert(argument);
                let unbounded = ViewFault::Unbounded(argument.to_owned());
                match arguments.get(argument) {
                    None => faults
                        .push(ViewFault::Unknown { passed: passed.clone(), argument: argument.to_owned() }),
                    Some(schema)
                        if matches!(pass, Pass::Text(_))
                            && !is_bounded(schema)
                            && !faults.contains(&unbounded) =>
                    {
                        faults.push(unbounded);
                    }
                    Some(_) => {}
                }
            }
        }
        let unused = arguments.keys().filter(|argument| all_read && !used.contains(argument.as_str()));
        faults.extend(unused.cloned().map(ViewFault::Unused));
        if !faults.is_empty() {
            return Err(faults);
        }
        let required: Vec<&String> = arguments.keys().collect();
        let definition = json!({
            "name": name,
            "description": description,
            "inputSchema": {
                "type": "object",
                "properties": arguments,
                "required": required,
                "additionalProperties": false,
            },
        });
        Ok(Self { name: name.to_owned(), tool: tool.to_owned(), definition, passes })
    }

    /// The arguments of the broad tool, as JSON.
    fn expand(&self, given: Option<Node<'_>>) -> Option<Vec<u8>> {
        let mut out = vec![b'{'];
        for (at, (passed, pass)) in self.passes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&quoted(passed));
            out.push(b':');
            match pass {
                Pass::Constant(value) => out.extend_from_slice(value.to_string().as_bytes()),
                Pass::Whole(argument) => out.extend_from_slice(given?.get(argument)?.raw()),
                Pass::Text(pieces) => out.extend_from_slice(&quoted(&text(pieces, given)?)),
            }
        }
        out.push(b'}');
        Some(out)
    }
}

impl Pass {
    fn read(passed: &str, value: &Value) -> Result<Self, ViewFault> {
        let Value::String(template) = value else { return Ok(Self::Constant(value.clone())) };
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = template.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            let doubled = ["{{", "}}"].into_iter().find_map(|two| Some((two, from.strip_prefix(two)?)));
            if let Some((two, after)) = doubled {
                plain.extend(two.chars().take(1));
                rest = after;
                continue;
            }
            let inside = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            let (argument, after) = inside.ok_or_else(|| ViewFault::Open(passed.to_owned()))?;
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            pieces.push(Piece::Argument(argument.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Plain(plain));
        pieces.retain(|piece| *piece != Piece::Plain(String::new()));
        Ok(match pieces.as_slice() {
            [Piece::Argument(argument)] => Self::Whole(argument.clone()),
            [] => Self::Constant(Value::String(String::new())),
            [Piece::Plain(text)] => Self::Constant(Value::String(text.clone())),
            _ => Self::Text(pieces),
        })
    }

    fn arguments(&self) -> impl Iterator<Item = &str> {
        let (whole, pieces) = match self {
            Self::Constant(_) => (None, [].as_slice()),
            Self::Whole(argument) => (Some(argument.as_str()), [].as_slice()),
            Self::Text(pieces) => (None, pieces.as_slice()),
        };
        let inside = pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(argument) => Some(argument.as_str()),
            Piece::Plain(_) => None,
        });
        whole.into_iter().chain(inside)
    }
}

/// Whether a value that fits the schema is one of few, or of a whole known form. Patterns of JSON Schema fit anywhere
/// in a text unless they say otherwise.
fn is_bounded(schema: &Value) -> bool {
    let anchored = |pattern: &str| pattern.starts_with('^') && pattern.ends_with('$');
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    match text("type") {
        Some("integer" | "boolean") => true,
        Some("string") if text("pattern").is_some_and(anchored) => true,
        _ => schema.get("enum").is_some_and(Value::is_array) || schema.get("const").is_some(),
    }
}

fn text(pieces: &[Piece], given: Option<Node<'_>>) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Argument(argument) => {
                let value = given?.get(argument)?;
                match value.kind() {
                    Kind::String => text.push_str(&value.as_str()?),
                    Kind::Number | Kind::Bool => text.push_str(std::str::from_utf8(value.raw()).ok()?),
                    Kind::Object | Kind::Array | Kind::Null => return None,
                }
            }
        }
    }
    Some(text)
}

/// A view and the tool it is of, as its server defines it now.
#[derive(Debug)]
pub struct Narrow {
    view: Arc<View>,
    broad: Arc<Entry>,
}

/// The list with views in place of the tools they are of. A view whose tool is not offered, or is held back, is not
/// offered either.
pub(crate) fn narrowed(
    list: List,
    server: &ServerName,
    views: &[Arc<View>],
    inspector: &Inspector,
    cx: &Context,
) -> List {
    if views.is_empty() {
        return list;
    }
    let mut narrow = Vec::new();
    let mut refused = Vec::new();
    for view in views {
        let Some(broad) = list.get(&view.tool) else { continue };
        match admit(view, broad, server, inspector, cx) {
            Ok(entry) => narrow.push(Arc::new(entry)),
            Err(why) => refused.push((view.name.clone(), why)),
        }
    }
    list.narrowed(|name| views.iter().any(|view| view.tool == name), narrow, refused)
}

fn admit(
    view: &Arc<View>,
    broad: &Arc<Entry>,
    server: &ServerName,
    inspector: &Inspector,
    cx: &Context,
) -> Result<Entry, String> {
    let raw = Bytes::from(view.definition.to_string());
    let definition =
        Definition::read(server.clone(), ListKind::Tools, raw, &GENEROUS).map_err(|e| e.to_string())?;
    let admitted = inspector.definition(definition, cx).map_err(|refusal| refusal.detail().to_owned())?;
    let narrow = Narrow { view: view.clone(), broad: broad.clone() };
    Ok(Entry { conduct: broad.conduct, narrow: Some(Arc::new(narrow)), ..Entry::new(&admitted, Vec::new()) })
}

impl Resolved {
    /// Whether a view is asked for.
    pub(crate) fn is_view(&self) -> bool {
        matches!(&self.route, Route::Server { entry: Some(entry), .. } if entry.narrow.is_some())
    }

    /// The call as the server will get it, if this is one of a view.
    pub(crate) fn broad(&self) -> Option<Result<Box<Self>, Refusal>> {
        let Route::Server { server, entry: Some(entry), .. } = &self.route else { return None };
        let narrow = entry.narrow.as_ref()?;
        Some(self.expanded(narrow).map(|call| {
            Box::new(Self {
                call,
                client: self.client.clone(),
                admission: self.admission.clone(),
                carried: self.carried.clone(),
                route: Route::Server {
                    server: server.clone(),
                    entry: Some(narrow.broad.clone()),
                    rename: None,
                },
            })
        }))
    }

    fn expanded(&self, narrow: &Narrow) -> Result<Call, Refusal> {
        let Narrow { view, broad } = narrow;
        let defect = |what: &str| {
            Refusal::new(RefusalKind::Internal, "internal error")
                .operator(format!("view `{}`: {what}", view.name))
        };
        let request = &self.call.request;
        let params = request.params().ok_or_else(|| defect("no params"))?;
        let arguments =
            view.expand(params.get("arguments")).ok_or_else(|| defect("an argument is missing"))?;
        let mut patch = Patch::new(request.document());
        patch.set(params, "name", quoted(&broad.name)).map_err(|e| defect(&e.to_string()))?;
        patch.set(params, "arguments", arguments).map_err(|e| defect(&e.to_string()))?;
        match outbound::decode(patch.apply(), &GENEROUS).map_err(|e| defect(&e))? {
            Message::Request(request) => {
                let item = portcullis_core::Item::Tool(broad.name.clone());
                let target = Target { item, definition: Some(broad.digest), ..self.call.target.clone() };
                Ok(Call { request, target, ..self.call.clone() })
            }
            _ => Err(defect("it is no request any more")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use portcullis_core::wire::Document;

    use super::*;

    fn object(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    fn view(arguments: &str, passes: &str) -> Result<View, Vec<ViewFault>> {
        View::new("narrow", "broad", "Does little.", &object(arguments), &object(passes))
    }

    #[test]
    fn arguments_are_passed_as_they_are_written_down() {
        const NOTE: &str = r#"{"name":{"type":"string","pattern":"^[a-z]+$"},"lines":{"type":"integer"}}"#;
        for (arguments, passes, given, expected) in [
            (
                NOTE,
                r#"{"head":"{lines}","path":"/notes/{name}.md","raw":false}"#,
                r#"{"name":"todo","lines":12345678901234567890}"#,
                r#"{"head":12345678901234567890,"path":"/notes/todo.md","raw":false}"#,
            ),
            (
                NOTE,
                r#"{"a":"{{{name}}}","b":"{lines}"}"#,
                r#"{"name":"x","lines":1}"#,
                r#"{"a":"{x}","b":1}"#,
            ),
            ("{}", r#"{"path":"/notes/today.md"}"#, "{}", r#"{"path":"/notes/today.md"}"#),
            (r#"{"x":{}}"#, r#"{"y":"{x}"}"#, r#"{"x":{"deep":[1, 2]}}"#, r#"{"y":{"deep":[1, 2]}}"#),
        ] {
            let given = Document::parse(Bytes::copy_from_slice(given.as_bytes()), &GENEROUS).unwrap();
            let got = view(arguments, passes).unwrap().expand(Some(given.root())).unwrap();
            assert_eq!(String::from_utf8(got).unwrap(), expected, "{passes}");
        }
    }

    #[test]
    fn views_that_would_pass_anything_are_faults() {
        let text = r#"{"name":{"type":"string"}}"#;
        let loose = r#"{"name":{"type":"string","pattern":"[a-z]+"}}"#;
        let inside = r#"{"path":"/notes/{name}"}"#;
        for (arguments, passes, expected) in [
            (text, inside, ViewFault::Unbounded("name".into())),
            (loose, inside, ViewFault::Unbounded("name".into())),
            ("{}", inside, ViewFault::Unknown { passed: "path".into(), argument: "name".into() }),
            (text, r#"{"path":"/notes"}"#, ViewFault::Unused("name".into())),
            ("{}", r#"{"path":"{name"}"#, ViewFault::Open("path".into())),
            ("{}", r#"{"path":"name}"}"#, ViewFault::Open("path".into())),
        ] {
            assert_eq!(view(arguments, passes).unwrap_err(), [expected], "{passes}");
        }
        let several = view(text, r#"{"path":"/{nam}","raw":"{other}"}"#).unwrap_err();
        assert_eq!(several.len(), 3, "{several:?}");
    }
}
