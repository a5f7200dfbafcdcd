//! TOML, through a parser that recovers after an error and so reports them all.

use ::toml::de::{DeTable, DeValue};

use super::{Entry, Node, Position, Span, Value};
use crate::config::problem::Fault;

/// What could be read, and every syntax error.
pub(super) fn parse(text: &str) -> (Node, Vec<Fault>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let fault = |error: &::toml::de::Error| {
        let at = lines.position(error.span().map_or(0, |span| span.start));
        let what = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        Fault::new(at, what, "correct the syntax; https://toml.io describes it")
    };
    let faults = errors.iter().map(fault).collect();
    (Node::made(Position::START, lines.table(table.get_ref())), faults)
}

/// Where each line of a text starts, so that a place is found without reading the text again.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, starts: std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect() }
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |part| part.chars().count());
        Position { line: super::count(line), column: super::count(column) }
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let entry =
            |(key, value): (&::toml::Spanned<::toml::de::DeString<'_>>, &::toml::Spanned<DeValue<'_>>)| {
                Entry {
                    key: key.get_ref().clone().into_owned(),
                    at: self.position(key.span().start),
                    node: self.node(value),
                }
            };
        let mut entries: Vec<Entry> = table.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.at);
        Value::Table(entries)
    }

    fn node(&self, value: &::toml::Spanned<DeValue<'_>>) -> Node {
        let bytes = value.span();
        Node {
            at: self.position(bytes.start),
            span: Span { start: bytes.start, end: bytes.end },
            value: self.value(value.get_ref()),
        }
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Other(number.as_str().to_owned()),
            },
            DeValue::Float(number) => Value::Other(number.as_str().to_owned()),
            DeValue::Datetime(date) => Value::Other(date.to_string()),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
        }
    }
}
