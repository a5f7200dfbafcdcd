//! The plain part of YAML: no aliases, tags or second documents, which no client's configuration needs
//! and which let a small file mean something large or something else.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{Entry, MAX_DEPTH, Node, Position, Span as Bytes, Value, insert};
use crate::config::problem::Fault;

/// Parses one document.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    // Where the values with an anchor begin, by the parser's numbers of anchors; 0 is none.
    let mut anchored = Vec::new();
    for step in Parser::new_from_str(text) {
        let (event, span) = step.map_err(|error| syntax(&error))?;
        let at = position(&span);
        let bytes = bytes(&span);
        let done = match event {
            Event::Scalar(text, style, anchor, tag) => {
                anchored.push((anchor, at));
                refuse_tag(tag.is_some(), at)?;
                Some(Node { at, span: bytes, value: scalar(text.into_owned(), style) })
            }
            Event::SequenceStart(_, anchor, tag) => {
                anchored.push((anchor, at));
                refuse_tag(tag.is_some(), at)?;
                open(&mut stack, Open::List(Start { at, bytes }, Vec::new()))?;
                None
            }
            Event::MappingStart(_, anchor, tag) => {
                anchored.push((anchor, at));
                refuse_tag(tag.is_some(), at)?;
                open(&mut stack, Open::Table(Start { at, bytes }, Vec::new(), None))?;
                None
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().map(|open| open.close(bytes.end)),
            Event::Alias(anchor) => {
                let name = text.get(bytes.start..bytes.end).unwrap_or("*").trim();
                let whose = anchored.iter().find(|(number, _)| *number == anchor);
                let line = whose.map_or(1, |(_, at)| at.line);
                let what = format!(
                    "the alias `{name}` stands for what line {line} says, and aliases are not read here"
                );
                return Err(Fault::new(
                    at,
                    what,
                    format!("write what line {line} says in place of `{name}`"),
                ));
            }
            Event::UnresolvedAlias(_) => {
                return Err(Fault::new(at, "this alias stands for nothing", "write the value out"));
            }
            Event::DocumentStart(..) if root.is_some() => {
                return Err(Fault::new(at, "only one document is read from a file", "remove the others"));
            }
            _ => None,
        };
        if let Some(node) = done {
            match stack.last_mut() {
                Some(container) => container.add(node)?,
                None => root = Some(node),
            }
        }
    }
    Ok(match root {
        Some(Node { value: Value::Null, at, .. }) => Node::made(at, Value::Table(Vec::new())),
        Some(node) => node,
        None => Node::made(Position::START, Value::Table(Vec::new())),
    })
}

/// A collection whose end has not been seen.
enum Open {
    List(Start, Vec<Node>),
    /// The last part is a key that waits for its value.
    Table(Start, Vec<Entry>, Option<(String, Position)>),
}

#[derive(Clone, Copy)]
struct Start {
    at: Position,
    bytes: Bytes,
}

impl Open {
    fn add(&mut self, node: Node) -> Result<(), Fault> {
        match self {
            Self::List(_, items) => items.push(node),
            Self::Table(_, entries, waiting) => match waiting.take() {
                Some((key, at)) => insert(entries, Entry { key, at, node })?,
                None => *waiting = Some((key(&node)?, node.at)),
            },
        }
        Ok(())
    }

    fn close(self, end: usize) -> Node {
        let (start, value) = match self {
            Self::List(start, items) => (start, Value::List(items)),
            Self::Table(start, entries, _) => (start, Value::Table(entries)),
        };
        Node { at: start.at, span: Bytes { start: start.bytes.start, end }, value }
    }
}

fn open(stack: &mut Vec<Open>, container: Open) -> Result<(), Fault> {
    if stack.len() == MAX_DEPTH {
        let (Open::List(start, _) | Open::Table(start, ..)) = container;
        return Err(Fault::new(
            start.at,
            format!("this is nested more than {MAX_DEPTH} levels deep"),
            "flatten it",
        ));
    }
    stack.push(container);
    Ok(())
}

fn key(node: &Node) -> Result<String, Fault> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(Fault::new(node.at, "a key has to be a string", "put the key in quotes")),
    }
}

/// The JSON-like reading of the core schema: only what cannot be mistaken becomes anything but text.
fn scalar(text: String, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text);
    }
    match text.as_str() {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Value::Integer(number),
            _ => Value::Text(text),
        },
    }
}

fn refuse_tag(tagged: bool, at: Position) -> Result<(), Fault> {
    if tagged { Err(Fault::new(at, "tags are not read here", "remove the tag")) } else { Ok(()) }
}

fn position(span: &Span) -> Position {
    let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
    Position { line: line.max(1), column: super::count(span.start.col()) }
}

/// Whole texts are parsed, whose events have byte offsets.
fn bytes(span: &Span) -> Bytes {
    span.byte_range().map_or_else(Bytes::default, |range| Bytes { start: range.start, end: range.end })
}

fn syntax(error: &ScanError) -> Fault {
    let marker = error.marker();
    let line = u32::try_from(marker.line()).unwrap_or(u32::MAX);
    let at = Position { line: line.max(1), column: super::count(marker.col()) };
    Fault::new(at, format!("this is not YAML: {}", error.kind()), "correct the syntax")
}
