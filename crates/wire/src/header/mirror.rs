//! Which arguments of a tool are repeated in headers: the `x-mcp-header` annotation.

use std::borrow::Cow;

use http::HeaderName;

use super::{PARAM_PREFIX, is_token_byte};
use crate::json::{Kind, Node};
use crate::message::Request;

/// The most parameters of one tool that headers may repeat.
pub const MAX_MIRRORED: usize = 64;

const ANNOTATION: &str = "x-mcp-header";

/// A tool argument that a header repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredParam {
    /// `Mcp-Param-…`
    pub header: HeaderName,
    /// Member names from `arguments` down to the value.
    pub path: Vec<String>,
    /// The declared type.
    pub kind: MirroredType,
}

/// The types an annotated argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MirroredType {
    /// `"type": "integer"`
    Integer,
    /// `"type": "string"`
    String,
    /// `"type": "boolean"`
    Boolean,
}

/// Why a tool's annotations are not valid. A client on HTTP has to drop such a tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at `{at}` in the input schema)")]
pub struct AnnotationFault {
    /// What is wrong.
    pub kind: AnnotationFaultKind,
    /// JSON pointer (RFC 6901) to the schema that carries the annotation.
    pub at: String,
}

/// The rules for annotations (2026-07-28 streamable-http, Schema Extension).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationFaultKind {
    /// Not a string.
    #[error("`x-mcp-header` has to be a string")]
    NotAString,
    /// Empty, or not an RFC 9110 token.
    #[error("`x-mcp-header` has to be a non-empty header name token")]
    NotAToken,
    /// Used before, without regard to case.
    #[error("`x-mcp-header` repeats the name of another parameter")]
    Repeated,
    /// The type is not integer, string or boolean.
    #[error("`x-mcp-header` is allowed on integer, string and boolean parameters only")]
    Type,
    /// More than [`MAX_MIRRORED`]: no HTTP server takes that many headers.
    #[error("`x-mcp-header` is allowed on {MAX_MIRRORED} parameters at most")]
    TooMany,
    /// Not reachable from the root through `properties` alone.
    #[error("`x-mcp-header` is allowed on parameters reached through `properties` only")]
    Unreachable,
}

/// Keywords of JSON Schema 2020-12 and of draft 7 whose value is a schema.
const SCHEMA: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is an array of schemas.
const SCHEMA_ARRAY: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords whose value is an object of schemas.
const SCHEMA_MAP: [&str; 5] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties"];

/// A schema on the way from the root. Links up instead of carrying its path, so that a schema made of long
/// names cannot make the walk copy them once per descendant.
struct Visited<'a> {
    schema: Node<'a>,
    parent: Option<usize>,
    step: Step<'a>,
}

enum Step<'a> {
    Root,
    /// The property of this name.
    Property(Cow<'a, str>),
    /// Another subschema: its keyword, and name or position below it.
    Aside(Cow<'a, str>, Option<Cow<'a, str>>),
}

/// The annotated parameters of a tool, outermost first and in document order on each level.
///
/// Looks into every subschema, since one annotation in the wrong place makes the whole tool invalid.
pub fn mirrored_params(input_schema: Node<'_>) -> Result<Vec<MirroredParam>, AnnotationFault> {
    let mut found: Vec<MirroredParam> = Vec::new();
    if !may_be_annotated(input_schema.raw()) {
        return Ok(found);
    }
    let mut tree = Tree { visited: vec![Visited { schema: input_schema, parent: None, step: Step::Root }] };
    let mut next = 0;
    while let Some(visited) = tree.visited.get(next) {
        if let Some(annotation) = visited.schema.get(ANNOTATION) {
            let param = tree.param(next, annotation).map_err(|kind| tree.fault(next, kind))?;
            if found.iter().any(|other| other.header == param.header) {
                return Err(tree.fault(next, AnnotationFaultKind::Repeated));
            }
            if found.len() == MAX_MIRRORED {
                return Err(tree.fault(next, AnnotationFaultKind::TooMany));
            }
            found.push(param);
        }
        tree.push_subschemas(next, visited.schema);
        next += 1;
    }
    Ok(found)
}

/// Whether the annotation can occur at all: it is in the text, or an escape might hide it.
fn may_be_annotated(schema: &[u8]) -> bool {
    memchr::memmem::find(schema, ANNOTATION.as_bytes()).is_some() || memchr::memchr(b'\\', schema).is_some()
}

/// All schemas met so far, breadth first.
struct Tree<'a> {
    visited: Vec<Visited<'a>>,
}

impl<'a> Tree<'a> {
    fn param(&self, at: usize, annotation: Node<'_>) -> Result<MirroredParam, AnnotationFaultKind> {
        let path = self.property_path(at).ok_or(AnnotationFaultKind::Unreachable)?;
        let name = annotation.as_str().ok_or(AnnotationFaultKind::NotAString)?;
        let header = header_name(&name).ok_or(AnnotationFaultKind::NotAToken)?;
        let declared =
            self.visited.get(at).and_then(|visited| visited.schema.get("type")).and_then(Node::as_str);
        let kind = match declared.as_deref() {
            Some("integer") => MirroredType::Integer,
            Some("string") => MirroredType::String,
            Some("boolean") => MirroredType::Boolean,
            _ => return Err(AnnotationFaultKind::Type),
        };
        Ok(MirroredParam { header, path, kind })
    }

    fn push_subschemas(&mut self, parent: usize, schema: Node<'a>) {
        let mut push = |schema: Node<'a>, step| {
            if schema.kind() == Kind::Object {
                self.visited.push(Visited { schema, parent: Some(parent), step });
            }
        };
        for (keyword, value) in schema.members() {
            if keyword == "properties" {
                value.members().for_each(|(name, schema)| push(schema, Step::Property(name)));
            }
            if SCHEMA.contains(&&*keyword) {
                push(value, Step::Aside(keyword.clone(), None));
            }
            if SCHEMA_ARRAY.contains(&&*keyword) {
                for (at, schema) in value.elements().enumerate() {
                    push(schema, Step::Aside(keyword.clone(), Some(at.to_string().into())));
                }
            }
            if SCHEMA_MAP.contains(&&*keyword) {
                value
                    .members()
                    .for_each(|(name, schema)| push(schema, Step::Aside(keyword.clone(), Some(name))));
            }
        }
    }

    /// The steps from `at` up to the root.
    fn steps(&self, at: usize) -> impl Iterator<Item = &Step<'a>> {
        let up = |visited: &&Visited<'a>| visited.parent.and_then(|parent| self.visited.get(parent));
        std::iter::successors(self.visited.get(at), up).map(|visited| &visited.step)
    }

    /// The property names down to `at`; `None` at the root, or if anything but properties was passed.
    fn property_path(&self, at: usize) -> Option<Vec<String>> {
        let mut path = Vec::new();
        for step in self.steps(at) {
            match step {
                Step::Property(name) => path.push(name.clone().into_owned()),
                Step::Aside(..) => return None,
                Step::Root => {}
            }
        }
        path.reverse();
        (!path.is_empty()).then_some(path)
    }

    fn fault(&self, at: usize, kind: AnnotationFaultKind) -> AnnotationFault {
        let mut steps: Vec<&str> = Vec::new();
        for step in self.steps(at) {
            match step {
                Step::Property(name) => steps.extend([&**name, "properties"]),
                Step::Aside(keyword, name) => steps.extend(name.as_deref().into_iter().chain([&**keyword])),
                Step::Root => {}
            }
        }
        let pointer =
            steps.iter().rev().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")));
        AnnotationFault { kind, at: pointer.collect() }
    }
}

fn header_name(name: &str) -> Option<HeaderName> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return None;
    }
    HeaderName::from_bytes(format!("{PARAM_PREFIX}{name}").as_bytes()).ok()
}

impl MirroredParam {
    /// The argument in `request`; `None` if it is absent or `null`, in which case there is no header.
    pub fn argument<'a>(&self, request: &'a Request) -> Option<Node<'a>> {
        let arguments = request.params()?.get("arguments")?;
        let value = self.path.iter().try_fold(arguments, |node, name| node.get(name))?;
        if value.is_null() { None } else { Some(value) }
    }
}
