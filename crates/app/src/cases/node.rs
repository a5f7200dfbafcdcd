//! Members of cases that no document was read for.

use crate::config::{
    Position,
    tree::{Entry, Node, Value},
};

/// A member that says this, for a case that comes from a command line.
pub(crate) fn text(key: &str, text: &str) -> Entry {
    entry(key, Value::Text(text.to_owned()))
}

/// A member that lists these.
pub(crate) fn words(key: &str, words: &[String]) -> Entry {
    let word = |word: &String| Node::made(Position::START, Value::Text(word.clone()));
    entry(key, Value::List(words.iter().map(word).collect()))
}

/// A member with this value.
pub(crate) fn object(key: &str, value: Value) -> Entry {
    entry(key, value)
}

fn entry(key: &str, value: Value) -> Entry {
    Entry { key: key.to_owned(), at: Position::START, node: Node::made(Position::START, value) }
}
