//! Which JSON Schema a schema is written in.

use jsonschema::Draft;
use serde_json::Value;

use super::{
    SchemaProblem,
    fault::{MAX_TEXT, cut},
};

/// A supported dialect. 2020-12 is what MCP assumes when `$schema` is absent (2025-11-25, Basic, JSON
/// Schema usage).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// 2020-12.
    #[default]
    Draft202012,
    /// 2019-09.
    Draft201909,
    /// draft-07.
    Draft7,
}

const DIALECTS: &[(&str, Dialect)] = &[
    ("json-schema.org/draft/2020-12/schema", Dialect::Draft202012),
    ("json-schema.org/draft/2019-09/schema", Dialect::Draft201909),
    ("json-schema.org/draft-07/schema", Dialect::Draft7),
];

impl Dialect {
    /// The dialect that the value of a `$schema` keyword names.
    pub(super) fn of(uri: &Value) -> Result<Self, SchemaProblem> {
        let text = uri.as_str().unwrap_or_default();
        let bare = text.trim_end_matches('#').trim_start_matches("https://").trim_start_matches("http://");
        let known = DIALECTS.iter().find(|(name, _)| *name == bare);
        known
            .map(|(_, dialect)| *dialect)
            .ok_or_else(|| SchemaProblem::Dialect(cut(&uri.to_string(), MAX_TEXT)))
    }

    pub(super) fn draft(self) -> Draft {
        match self {
            Self::Draft202012 => Draft::Draft202012,
            Self::Draft201909 => Draft::Draft201909,
            Self::Draft7 => Draft::Draft7,
        }
    }
}
