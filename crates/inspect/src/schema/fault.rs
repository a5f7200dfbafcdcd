//! Why a schema cannot be used, and why arguments do not fit one.

use std::borrow::Cow;

use portcullis_wire::json::{self, write};

/// Why a tool's input or output schema cannot be used. The tool stays unusable: a schema that cannot be enforced
/// is never taken for one that allows everything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{place}`: {problem}")]
pub struct SchemaFault {
    /// JSON pointer into the schema, cut to 200 characters; empty for the schema as a whole.
    pub place: String,
    /// What is wrong there and what to do about it.
    pub problem: SchemaProblem,
}

/// The reasons a schema can be unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaProblem {
    /// Not JSON, JSON that two readers could read differently, or larger than a limit.
    #[error(transparent)]
    Json(json::Fault),
    /// Some other JSON value (MCP, Tool: `inputSchema` and `outputSchema` are objects).
    #[error("not an object; a tool's schema has to be a JSON object")]
    NotAnObject,
    /// `$schema` names a dialect that is not supported, or a second one.
    #[error("dialect `{0}` is not supported here; use 2020-12, 2019-09 or draft-07 for the whole schema")]
    Dialect(String),
    /// A keyword that is not accepted.
    #[error("`{keyword}` is not accepted; {remedy}")]
    Keyword {
        /// The keyword.
        keyword: &'static str,
        /// What to write instead.
        remedy: &'static str,
    },
    /// A reference that leaves the schema. Nothing is ever fetched.
    #[error("`$ref` to `{0}` leaves the schema; only `#` and `#/…` are followed")]
    RemoteRef(String),
    /// A reference to nothing.
    #[error("`$ref` to `{0}` points at nothing that is a schema")]
    DanglingRef(String),
    /// A chain of references that comes back without having gone into the arguments.
    #[error("endless recursion; a recursive `$ref` has to pass through `properties`, `items` or the like")]
    EndlessRecursion,
    /// Larger than a limit.
    #[error("more than {limit} {what}; simplify the schema")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A regular expression that cannot be matched in linear time, or is too large.
    #[error("regular expression refused: {0}")]
    Pattern(&'static str),
    /// Not a valid schema of its dialect.
    #[error("not a valid schema: {0}")]
    Invalid(String),
}

impl SchemaFault {
    pub(super) fn new(place: impl AsRef<str>, problem: SchemaProblem) -> Self {
        Self { place: cut(place.as_ref(), MAX_TEXT), problem }
    }

    /// A fault of the schema as a whole.
    pub(super) fn whole(problem: SchemaProblem) -> Self {
        Self::new("", problem)
    }
}

/// One reason why arguments do not fit. Holds no argument value, only places and expectations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentFault {
    /// JSON pointer into the arguments, cut to 200 characters.
    pub pointer: String,
    /// What the schema expects there.
    pub expected: Cow<'static, str>,
    /// What the caller can do.
    pub remedy: Cow<'static, str>,
    /// JSON pointer into the schema, to the rule that was broken; empty when no rule was.
    pub rule: String,
}

/// The most characters of a pointer or a name that are repeated to a peer.
pub(super) const MAX_TEXT: usize = 200;

impl ArgumentFault {
    pub(super) fn whole(expected: &'static str, remedy: &'static str) -> Self {
        Self { pointer: String::new(), expected: expected.into(), remedy: remedy.into(), rule: String::new() }
    }

    /// `{"faults":[{"pointer":…,"expected":…,"remedy":…,"rule":…}]}`
    pub(crate) fn list_to_json(faults: &[Self]) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + faults.len() * 128);
        let mut object = write::Object::start(&mut out);
        let list = object.key("faults");
        list.push(b'[');
        for (at, fault) in faults.iter().enumerate() {
            if at > 0 {
                list.push(b',');
            }
            let mut one = write::Object::start(list);
            one.str("pointer", &fault.pointer).str("expected", &fault.expected).str("remedy", &fault.remedy);
            one.str("rule", &fault.rule);
            one.end();
        }
        list.push(b']');
        object.end();
        out
    }
}

/// The first `max` characters of `text`.
pub(super) fn cut(text: &str, max: usize) -> String {
    let mut chars = text.chars();
    let mut head: String = chars.by_ref().take(max).collect();
    if chars.next().is_some() {
        head.push('…');
    }
    head
}
