//! A tool's schemas: admitted, compiled once, and asked about every call and every result (control TI-02).
//!
//! Both sides of a validation are hostile: the server writes the schema, the model writes the arguments, and what
//! others write becomes results.
//! So a schema is admitted only with proof that no arguments can make it expensive: `cost` bounds the
//! evaluations, `pattern` the matching of regular expressions, and arguments whose size times that
//! bound is too much are refused unread. References never leave the schema.
//!
//! `format`, `contentEncoding` and `contentMediaType` are annotations in every dialect (2020-12
//! Validation, section 7.2.1): whether a path or URL is acceptable is for control TI-03 to say.

mod arguments;
mod closed;
mod cost;
mod dialect;
mod explain;
mod fault;
mod graph;
mod keywords;
mod limits;
mod pattern;
mod promised;
#[cfg(test)]
mod tests;
mod validator;

use bytes::Bytes;
use portcullis_wire::json::{Document, Limits};
use serde_json::Value;

use crate::targets::TargetParameters;

pub use dialect::Dialect;
pub use fault::{ArgumentFault, SchemaFault, SchemaProblem};
pub use limits::SchemaLimits;
pub(crate) use promised::Broken;
pub use promised::{Form, Misfits, Promised};

use arguments::Arguments;
use cost::Cost;
use graph::{Graph, Reading};
use pattern::Patterns;
use validator::{Compiled, Finding};

/// A compiled schema of a tool's arguments, or of its results.
#[derive(Debug)]
pub struct ToolSchema {
    compiled: Compiled,
    cost: Cost,
    targets: TargetParameters,
    open: bool,
}

/// What to do about arguments that a schema neither declares nor forbids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Undeclared {
    /// Let them through, as JSON Schema says.
    Accept,
    /// Refuse them where the schema lists `properties` and does not say what happens to others, so that it can be
    /// told what is declared. Applies to the arguments themselves, not to objects inside them.
    #[default]
    Refuse,
}

impl ToolSchema {
    /// Admits and compiles `raw`, the value of a tool's `inputSchema` or `outputSchema`, under the default limits.
    ///
    /// # Errors
    /// [`SchemaFault`], with the place in the schema.
    pub fn compile(raw: &[u8]) -> Result<Self, SchemaFault> {
        Self::compile_with(raw, &SchemaLimits::default(), Undeclared::Accept)
    }

    /// As [`compile`](Self::compile), under limits of the caller's choice.
    ///
    /// # Errors
    /// [`SchemaFault`], with the place in the schema.
    pub fn compile_with(
        raw: &[u8],
        limits: &SchemaLimits,
        undeclared: Undeclared,
    ) -> Result<Self, SchemaFault> {
        let mut schema = read(raw, limits)?;
        let dialect = take_dialect(&mut schema)?;
        let closed = (undeclared == Undeclared::Refuse).then(|| closed::closed(&schema, dialect)).flatten();
        let closed = closed.map(|closed| Self::build(&closed, limits, dialect));
        let costly = closed.is_some();
        match closed {
            // Looking for what no alternative declares is what costs too much, so it cannot be told.
            None | Some(Err(SchemaFault { problem: SchemaProblem::TooMany { .. }, .. })) => {
                let open = costly;
                Ok(Self { open, ..Self::build(&schema, limits, dialect)? })
            }
            Some(built) => built,
        }
    }

    fn build(schema: &Value, limits: &SchemaLimits, dialect: Dialect) -> Result<Self, SchemaFault> {
        let mut patterns = Patterns::default();
        let graph = Graph::read(schema, &mut Reading { limits, dialect, patterns: &mut patterns })?;
        let cost = cost::worst_case(&graph, limits)?;
        let compiled = Compiled::build(schema, dialect, patterns)?;
        Ok(Self { compiled, cost, targets: TargetParameters::default(), open: false })
    }

    /// The same, of a tool whose arguments name this.
    #[must_use]
    pub fn naming(self, targets: TargetParameters) -> Self {
        Self { targets, ..self }
    }

    /// Whether parameters that it does not declare are let through only because to tell them costs too much.
    pub fn is_left_open(&self) -> bool {
        self.open
    }

    /// Which of the arguments name something outside of the tool.
    pub fn targets(&self) -> &TargetParameters {
        &self.targets
    }

    /// Whether `arguments`, the value of `params.arguments`, fit. Absent arguments are `{}`.
    ///
    /// The bytes must come from a message that passed the strict walk, so that the server reads the
    /// same names and values as this does.
    ///
    /// # Errors
    /// At most eight reasons; they name places and expectations, never values.
    pub fn validate(&self, arguments: Option<&[u8]>) -> Result<(), Vec<ArgumentFault>> {
        self.judge(Arguments::read(arguments.unwrap_or(b"{}")))
    }

    /// Whether `content`, the value of `result.structuredContent`, fits. It may be of any kind (MCP 2026-07-28), and
    /// the same bounds hold as for arguments.
    ///
    /// # Errors
    /// As for [`validate`](Self::validate).
    pub fn validate_result(&self, content: &[u8]) -> Result<(), Vec<ArgumentFault>> {
        self.judge(Arguments::of_any_kind(content))
    }

    fn judge(&self, read: Result<Arguments, ArgumentFault>) -> Result<(), Vec<ArgumentFault>> {
        let arguments = read.map_err(|fault| vec![fault])?;
        arguments.affordable(&self.cost).map_err(|fault| vec![fault])?;
        match self.compiled.check(&arguments.value) {
            Finding::Fits => Ok(()),
            Finding::Overrun => Err(vec![ArgumentFault::whole(
                "text that can be matched against the `pattern` of the schema within bounds",
                "shorten the text",
            )]),
            Finding::Misfit if arguments.explainable(&self.cost) => {
                Err(explain::faults(&self.compiled, &arguments.value))
            }
            Finding::Misfit => Err(vec![ArgumentFault::whole(
                "arguments that fit the schema; these are too large to say where they do not",
                "check them against the tool's `inputSchema`",
            )]),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the same bytes pass the strict walk first")]
fn read(raw: &[u8], limits: &SchemaLimits) -> Result<Value, SchemaFault> {
    let strict = Limits {
        max_bytes: limits.max_bytes,
        max_depth: limits.max_depth,
        max_string: limits.max_bytes,
        max_members: limits.max_values,
        max_nodes: limits.max_values,
    };
    let strictly = |fault| SchemaFault::whole(SchemaProblem::Json(fault));
    Document::parse(Bytes::copy_from_slice(raw), &strict).map_err(strictly)?;
    let schema: Value = serde_json::from_slice(raw)
        .map_err(|error| SchemaFault::whole(SchemaProblem::Invalid(error.to_string())))?;
    if schema.is_object() { Ok(schema) } else { Err(SchemaFault::whole(SchemaProblem::NotAnObject)) }
}

/// Reads the dialect and removes the two keywords that could make a validator look a schema up by URI.
fn take_dialect(schema: &mut Value) -> Result<Dialect, SchemaFault> {
    let Some(root) = schema.as_object_mut() else { return Ok(Dialect::default()) };
    root.remove("$id");
    match root.remove("$schema") {
        Some(uri) => Dialect::of(&uri).map_err(|problem| SchemaFault::new("/$schema", problem)),
        None => Ok(Dialect::default()),
    }
}
