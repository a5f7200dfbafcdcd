//! A tool's input schema: admitted, compiled once, and asked about every call (control TI-02).
//!
//! Both sides of a validation are hostile: the server writes the schema, the model writes the arguments.
//! So a schema is admitted only with proof that no arguments can make it expensive: `cost` bounds the
//! evaluations, `pattern` the matching of regular expressions, and arguments whose size times that
//! bound is too much are refused unread. References never leave the schema.
//!
//! `format`, `contentEncoding` and `contentMediaType` are annotations in every dialect (2020-12
//! Validation, section 7.2.1): whether a path or URL is acceptable is for control TI-03 to say.

mod arguments;
mod cost;
mod dialect;
mod explain;
mod fault;
mod graph;
mod keywords;
mod limits;
mod pattern;
#[cfg(test)]
mod tests;
mod validator;

use bytes::Bytes;
use portcullis_wire::json::{Document, Limits};
use serde_json::Value;

pub use dialect::Dialect;
pub use fault::{ArgumentFault, SchemaFault, SchemaProblem};
pub use limits::SchemaLimits;

use arguments::Arguments;
use cost::Cost;
use graph::{Graph, Reading};
use pattern::Patterns;
use validator::{Compiled, Finding};

/// A compiled input schema.
#[derive(Debug)]
pub struct ToolSchema {
    compiled: Compiled,
    cost: Cost,
}

/// What to do about arguments that a schema neither declares nor forbids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Undeclared {
    /// Let them through, as JSON Schema says.
    #[default]
    Accept,
    /// Refuse them where the schema is a plain list of `properties`, so that it can be told what is
    /// declared. Applies to the arguments themselves, not to objects inside them.
    Refuse,
}

impl ToolSchema {
    /// Admits and compiles `raw`, the value of a tool's `inputSchema`, under the default limits.
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
        if undeclared == Undeclared::Refuse {
            close_plain_object(&mut schema);
        }
        let mut patterns = Patterns::default();
        let graph = Graph::read(&schema, &mut Reading { limits, dialect, patterns: &mut patterns })?;
        let cost = cost::worst_case(&graph, limits)?;
        let compiled = Compiled::build(&schema, dialect, patterns)?;
        Ok(Self { compiled, cost })
    }

    /// Whether `arguments`, the value of `params.arguments`, fit. Absent arguments are `{}`.
    ///
    /// The bytes must come from a message that passed the strict walk, so that the server reads the
    /// same names and values as this does.
    ///
    /// # Errors
    /// At most eight reasons; they name places and expectations, never values.
    pub fn validate(&self, arguments: Option<&[u8]>) -> Result<(), Vec<ArgumentFault>> {
        let arguments = Arguments::read(arguments.unwrap_or(b"{}")).map_err(|fault| vec![fault])?;
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

/// Keywords that can declare properties besides `properties`, or already say what happens to the rest.
const DECLARES: &[&str] = &[
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "dependentSchemas",
    "dependencies",
];

fn close_plain_object(schema: &mut Value) {
    let Some(root) = schema.as_object_mut() else { return };
    if root.contains_key("properties") && !DECLARES.iter().any(|keyword| root.contains_key(*keyword)) {
        root.insert("additionalProperties".into(), Value::Bool(false));
    }
}
