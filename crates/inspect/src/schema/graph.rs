//! A schema as a graph: which subschemas there are and which values each hands on to which other.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value};

use super::{
    SchemaFault, SchemaLimits, SchemaProblem,
    dialect::Dialect,
    fault::{MAX_TEXT, cut},
    keywords::{APPLICATORS, Applicator, Holds, Into, REFUSED, Reach, SIZED},
    pattern::Patterns,
};

/// Index of a subschema in its [`Graph`]. The root is 0.
pub(super) type Id = usize;

/// Which values an edge leads to, seen from the value the schema applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'s> {
    InPlace,
    Name(&'s str),
    Position(usize),
    Other(Into),
    Every(Into),
    EveryAgain(Into),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<'s> {
    pub(super) step: Step<'s>,
    pub(super) to: Id,
}

#[derive(Debug, Default)]
pub(super) struct Subschema<'s> {
    pub(super) edges: Vec<Edge<'s>>,
    /// Assertions evaluated each time this schema is applied to a value.
    pub(super) own: u64,
    /// Whether it asserts `uniqueItems`, the one assertion whose cost is not linear in the value.
    pub(super) unique: bool,
    /// Whether it holds `unevaluatedProperties` or `unevaluatedItems`, which apply the in-place
    /// schemas beside them a second time.
    pub(super) unevaluated: bool,
    /// The schema this one was first met in, and the member names from there.
    parent: Option<Id>,
    path: [Cow<'s, str>; 2],
}

/// Every subschema that is in a schema's place or the target of a `$ref`.
#[derive(Debug)]
pub(super) struct Graph<'s> {
    pub(super) subschemas: Vec<Subschema<'s>>,
    /// By the address of the value; the schema stays borrowed for as long as the graph lives.
    ids: HashMap<*const Value, Id>,
    unread: Vec<(&'s Value, Id)>,
}

/// What reading a graph needs besides the schema.
pub(super) struct Reading<'a> {
    pub(super) limits: &'a SchemaLimits,
    pub(super) dialect: Dialect,
    pub(super) patterns: &'a mut Patterns,
}

impl<'s> Graph<'s> {
    pub(super) fn read(root: &'s Value, reading: &mut Reading<'_>) -> Result<Self, SchemaFault> {
        let mut graph = Self { subschemas: Vec::new(), ids: HashMap::new(), unread: Vec::new() };
        graph.id_of(root, None, [Cow::default(), Cow::default()]);
        while let Some((schema, id)) = graph.unread.pop() {
            if graph.subschemas.len() > reading.limits.max_subschemas {
                let limit = reading.limits.max_subschemas as u64;
                return Err(SchemaFault::whole(SchemaProblem::TooMany { what: "subschemas", limit }));
            }
            if let Some(object) = schema.as_object() {
                graph.read_object(root, object, id, reading).map_err(|problem| graph.fault(id, problem))?;
            }
        }
        Ok(graph)
    }

    pub(super) fn get(&self, id: Id) -> Option<&Subschema<'s>> {
        self.subschemas.get(id)
    }

    pub(super) fn fault(&self, id: Id, problem: SchemaProblem) -> SchemaFault {
        let mut segments = Vec::new();
        let mut at = self.get(id);
        while let Some(subschema) = at {
            segments.extend(subschema.path.iter().rev().filter(|segment| !segment.is_empty()));
            at = subschema.parent.and_then(|parent| self.get(parent));
        }
        let place: String = segments.iter().rev().take(32).flat_map(|s| ["/".into(), cut(s, 64)]).collect();
        SchemaFault::new(place, problem)
    }

    fn id_of(&mut self, schema: &'s Value, parent: Option<Id>, path: [Cow<'s, str>; 2]) -> Id {
        let next = self.subschemas.len();
        let id = *self.ids.entry(std::ptr::from_ref(schema)).or_insert(next);
        if id == next {
            self.subschemas.push(Subschema { own: 1, parent, path, ..Subschema::default() });
            self.unread.push((schema, id));
        }
        id
    }

    fn read_object(
        &mut self,
        root: &'s Value,
        object: &'s Map<String, Value>,
        id: Id,
        reading: &mut Reading<'_>,
    ) -> Result<(), SchemaProblem> {
        refuse_keywords(object, id, reading.dialect)?;
        let mut edges = Vec::new();
        if let Some(reference) = object.get("$ref") {
            let target = resolve(root, reference)?;
            edges.push(Edge {
                step: Step::InPlace,
                to: self.id_of(target, Some(id), ["$ref".into(), Cow::default()]),
            });
        }
        for applicator in APPLICATORS {
            if let Some(value) = object.get(applicator.keyword) {
                self.follow(id, applicator, value, &mut edges);
            }
        }
        let own = own_cost(object) + read_patterns(object, reading)?;
        if let Some(subschema) = self.subschemas.get_mut(id) {
            subschema.edges = edges;
            subschema.own = own;
            subschema.unique = object.get("uniqueItems").is_some_and(|unique| unique != false);
            subschema.unevaluated = ["unevaluatedProperties", "unevaluatedItems"]
                .iter()
                .any(|keyword| object.contains_key(*keyword));
        }
        Ok(())
    }

    fn follow(&mut self, id: Id, applicator: &Applicator, value: &'s Value, edges: &mut Vec<Edge<'s>>) {
        let keyword = applicator.keyword;
        match (applicator.holds, value) {
            (Holds::One | Holds::OneOrList, Value::Object(_) | Value::Bool(_)) => {
                let to = self.id_of(value, Some(id), [keyword.into(), Cow::default()]);
                edges.extend(applicator.step("", 0).map(|step| Edge { step, to }));
            }
            (Holds::List | Holds::OneOrList, Value::Array(list)) => {
                let positional = Applicator { reach: applicator.list_reach(), ..*applicator };
                for (at, schema) in list.iter().enumerate().filter(|(_, schema)| is_schema(schema)) {
                    let to = self.id_of(schema, Some(id), [keyword.into(), at.to_string().into()]);
                    edges.extend(positional.step("", at).map(|step| Edge { step, to }));
                }
            }
            (Holds::Map, Value::Object(map)) => {
                for (name, schema) in map.iter().filter(|(_, schema)| is_schema(schema)) {
                    let to = self.id_of(schema, Some(id), [keyword.into(), name.into()]);
                    edges.extend(applicator.step(name, 0).map(|step| Edge { step, to }));
                }
            }
            // Of the wrong shape: the meta-schema refuses it when the schema is compiled.
            _ => {}
        }
    }
}

impl Applicator {
    fn step<'s>(&self, name: &'s str, position: usize) -> Option<Step<'s>> {
        Some(match (self.reach, self.into) {
            (Reach::InPlace, _) => Step::InPlace,
            (Reach::Matching, Into::Object) => Step::Name(name),
            (Reach::Matching, Into::Array) => Step::Position(position),
            (Reach::Other, into) => Step::Other(into),
            (Reach::Every, into) => Step::Every(into),
            (Reach::EveryAgain, into) => Step::EveryAgain(into),
            (Reach::Nothing, _) => return None,
        })
    }

    /// How the schemas of a list apply: one for each position in the array form of `items`.
    fn list_reach(&self) -> Reach {
        if self.holds == Holds::OneOrList { Reach::Matching } else { self.reach }
    }
}

fn is_schema(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Bool(_))
}

fn refuse_keywords(object: &Map<String, Value>, id: Id, dialect: Dialect) -> Result<(), SchemaProblem> {
    for &(keyword, remedy) in REFUSED {
        if object.contains_key(keyword) {
            return Err(SchemaProblem::Keyword { keyword, remedy });
        }
    }
    if id > 0 && object.contains_key("$id") {
        return Err(SchemaProblem::Keyword { keyword: "$id", remedy: "only the root may have one" });
    }
    match object.get("$schema") {
        Some(uri) if Dialect::of(uri)? != dialect => {
            Err(SchemaProblem::Dialect(cut(&uri.to_string(), MAX_TEXT)))
        }
        _ => Ok(()),
    }
}

/// The schema a reference names. Only JSON pointers into the schema itself are followed.
fn resolve<'s>(root: &'s Value, reference: &Value) -> Result<&'s Value, SchemaProblem> {
    let text = reference.as_str().unwrap_or_default();
    let Some(pointer) =
        text.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'))
    else {
        return Err(SchemaProblem::RemoteRef(cut(&reference.to_string(), MAX_TEXT)));
    };
    let dangling = || SchemaProblem::DanglingRef(cut(text, MAX_TEXT));
    let decoded = percent_decoded(pointer).ok_or_else(dangling)?;
    root.pointer(&decoded).filter(|target| is_schema(target)).ok_or_else(dangling)
}

/// The text of a URI fragment (RFC 3986 section 2.1).
fn percent_decoded(fragment: &str) -> Option<Cow<'_, str>> {
    if !fragment.contains('%') {
        return Some(fragment.into());
    }
    let mut parts = fragment.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        if !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Assertions one application evaluates: one for each keyword, one for each value a list assertion
/// goes through, one for each property looked up.
fn own_cost(object: &Map<String, Value>) -> u64 {
    let listed: u64 = SIZED.iter().filter_map(|keyword| object.get(*keyword)).map(size).sum();
    let options = object.get("enum").and_then(Value::as_array).map_or(0, |options| {
        // An enumeration of strings alone is looked up by hash.
        if options.iter().all(Value::is_string) { 1 } else { options.iter().map(size).sum() }
    });
    let looked_up = object.get("properties").and_then(Value::as_object).map_or(0, Map::len);
    1 + (object.len() + looked_up) as u64 + listed + options
}

/// Values in a value, itself included.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(list) => 1 + list.iter().map(size).sum::<u64>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<u64>(),
        _ => 1,
    }
}

/// Compiles the regular expressions of one schema; what matching names against them may cost.
fn read_patterns(object: &Map<String, Value>, reading: &mut Reading<'_>) -> Result<u64, SchemaProblem> {
    if let Some(pattern) = object.get("pattern").and_then(Value::as_str) {
        reading.patterns.add(pattern, reading.limits)?;
    }
    let names = object.get("patternProperties").and_then(Value::as_object);
    names
        .into_iter()
        .flat_map(Map::keys)
        .map(|pattern| reading.patterns.name_cost(pattern, reading.limits))
        .sum()
}
