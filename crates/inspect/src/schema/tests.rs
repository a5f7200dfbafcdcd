//! The bound on cost, against what the validator really does.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    panic::catch_unwind,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jsonschema::{Keyword, ValidationError};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    ToolSchema,
    cost::{Cost, worst_case},
    dialect::Dialect,
    graph::{Graph, Reading},
    limits::SchemaLimits,
    pattern::Patterns,
};

fn cost_of(schema: &Value) -> Option<Cost> {
    let limits = SchemaLimits { max_evaluations: 1 << 40, ..SchemaLimits::default() };
    let mut patterns = Patterns::default();
    let mut reading = Reading { limits: &limits, dialect: Dialect::default(), patterns: &mut patterns };
    let graph = Graph::read(schema, &mut reading).ok()?;
    worst_case(&graph, &limits).ok()
}

/// Counts how often the schemas that hold it are evaluated.
struct Count(Arc<AtomicU64>);

impl<'i> Keyword<'i> for Count {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// Evaluations of schemas that one validation takes.
fn counted(schema: &Value, arguments: &Value) -> Option<u64> {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    let validator = jsonschema::options()
        .offline()
        .with_keyword("x-count", move |_, _, _| Ok(Box::new(Count(Arc::clone(&counter)))))
        .build(schema)
        .ok()?;
    let _ = validator.is_valid(arguments);
    Some(count.load(Ordering::Relaxed))
}

fn values(value: &Value) -> u64 {
    match value {
        Value::Array(list) => 1 + list.iter().map(values).sum::<u64>(),
        // Names are evaluated too, by `propertyNames`.
        Value::Object(map) => 1 + map.values().map(|member| 1 + values(member)).sum::<u64>(),
        _ => 1,
    }
}

const DEFINITIONS: usize = 5;

/// Schemas over the names a, b, c that hold the counter and refer to each other at random. They accept
/// nearly everything, as a validator stops at the first thing it does not accept.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => (0..DEFINITIONS).prop_map(|to| json!({"x-count": true, "$ref": to})),
        1 => Just(json!({"x-count": true})),
    ];
    let tree = leaf.prop_recursive(3, 24, 3, |inner| {
        let name = prop::sample::select(vec!["a", "b", "c"]);
        let parts = prop_oneof![
            (
                prop::sample::select(vec!["allOf", "allOf", "anyOf", "oneOf", "prefixItems"]),
                prop::collection::vec(inner.clone(), 1..3)
            )
                .prop_map(|(keyword, list)| (keyword, json!(list))),
            (
                prop::sample::select(vec![
                    "if",
                    "then",
                    "else",
                    "items",
                    "contains",
                    "additionalProperties",
                    "propertyNames",
                    "unevaluatedProperties",
                    "unevaluatedItems",
                    "contains",
                    "not",
                ]),
                inner.clone()
            )
                .prop_map(|(keyword, schema)| (
                    keyword,
                    if keyword == "not" { json!({"not": schema}) } else { schema }
                )),
            (prop::sample::select(vec!["properties", "patternProperties", "dependentSchemas"]), name, inner)
                .prop_map(|(keyword, name, schema)| (keyword, json!({name: schema}))),
        ];
        prop::collection::vec(parts, 1..4).prop_map(|parts| {
            let mut map: Map<String, Value> = parts.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            map.insert("x-count".into(), json!(true));
            Value::Object(map)
        })
    });
    prop::collection::vec(tree, DEFINITIONS + 1).prop_map(|mut list| {
        let mut root = list.pop().unwrap();
        point(&mut root, None, true);
        let mut definitions = Map::new();
        for (at, mut schema) in list.into_iter().enumerate() {
            point(&mut schema, Some(at), true);
            definitions.insert(format!("d{at}"), schema);
        }
        root.as_object_mut().unwrap().insert("$defs".into(), Value::Object(definitions));
        root
    })
}

/// Turns the numbers under `$ref` into references: to any definition where that is one level down in the
/// arguments, and to a later one in place, so that few schemas recurse endlessly.
fn point(schema: &mut Value, definition: Option<usize>, in_place: bool) {
    match schema {
        Value::Object(map) => {
            if let Some(to) = map.remove("$ref").and_then(|to| to.as_u64()) {
                let first = if in_place { definition.map_or(0, |at| at + 1) } else { 0 };
                let to = first + usize::try_from(to).unwrap();
                if to < DEFINITIONS {
                    map.insert("$ref".into(), json!(format!("#/$defs/d{to}")));
                }
            }
            for (keyword, inner) in map.iter_mut() {
                let steps =
                    ["roperties", "roperty", "tems", "contains"].iter().any(|part| keyword.contains(part));
                point(inner, definition, in_place && !steps);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| point(inner, definition, in_place)),
        _ => {}
    }
}

fn arguments() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!({})), Just(json!([]))];
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::hash_map("[abc]", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The bound times the size of the arguments is never below what the validator does.
    #[test]
    fn the_bound_holds(schema in schemas(), arguments in arguments()) {
        if let (Some(cost), Some(counted)) = (cost_of(&schema), counted(&schema, &arguments)) {
            let bound = cost.evaluations.saturating_mul(values(&arguments));
            prop_assert!(counted <= bound, "{counted} > {bound} for {schema} with {arguments}");
        }
    }

    #[test]
    fn admission_never_panics(raw in "[{}\\[\\]\":,a-z#/$0-9 ]{0,60}") {
        prop_assert!(catch_unwind(|| drop(ToolSchema::compile(raw.as_bytes()))).is_ok());
    }

    #[test]
    fn validation_never_panics(schema in schemas(), raw in arguments(), pattern in "[\\^$a-c()|?!=\\[\\].*+{}0-9\\\\]{0,12}") {
        let mut schema = schema;
        schema.as_object_mut().unwrap().insert("additionalProperties".into(), json!({"pattern": pattern, "uniqueItems": true}));
        let outcome = catch_unwind(|| {
            if let Ok(compiled) = ToolSchema::compile(schema.to_string().as_bytes()) {
                let faults = compiled.validate(Some(raw.to_string().as_bytes())).err();
                assert!(faults.is_none_or(|faults| (1..=8).contains(&faults.len())));
            }
        });
        prop_assert!(outcome.is_ok());
    }
}

/// An object in an object, `depth` times.
fn chain(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({"a": inner}))
}

/// Families of schemas that grow, against arguments on which the validator does all it can.
#[test]
fn the_bound_is_neither_broken_nor_far_off() {
    let count = json!(true);
    let doubling = |size: usize| {
        (0..size)
            .fold(json!({"x-count": count}), |inner, _| json!({"x-count": count, "allOf": [inner, inner]}))
    };
    let asking = |size: usize| {
        (0..size).fold(json!({"x-count": count}), |inner, _| {
            json!({"x-count": count, "anyOf": [inner], "unevaluatedProperties": {"x-count": count}})
        })
    };
    let steps = |size: usize| {
        let step = json!({"x-count": count, "properties": {"a": {"$ref": "#"}}});
        json!({"x-count": count, "allOf": vec![step; size]})
    };
    for (name, schema, arguments) in [
        ("doubling", doubling(8), json!({})),
        ("asking", asking(4), json!({"a": 1})),
        ("asking", asking(7), json!({"a": 1})),
        ("steps", steps(1), chain(9)),
    ] {
        let bound = cost_of(&schema).unwrap().evaluations;
        let counted = counted(&schema, &arguments).unwrap();
        assert!(counted <= bound * values(&arguments), "{name}: {counted} of {bound}");
        assert!(bound <= counted * 100, "{name}: {counted} of {bound}");
    }
    assert!(
        counted(&asking(8), &json!({"a": 1})).unwrap() > 2 * counted(&asking(6), &json!({"a": 1})).unwrap()
    );
    assert_eq!(cost_of(&steps(2)), None, "doubles with every level of the arguments");
}

#[test]
fn numbers_at_the_edge_do_not_panic() {
    for schema in ["5e-324", "1e-308", "1.7976931348623157e308", "0.1", "18446744073709551615", "-0.0"] {
        for keyword in ["multipleOf", "minimum", "maximum", "exclusiveMinimum", "minLength", "maxItems"] {
            let text = format!(r#"{{"properties":{{"a":{{"{keyword}":{schema}}}}}}}"#);
            let Ok(compiled) = ToolSchema::compile(text.as_bytes()) else { continue };
            for number in [
                "1e308",
                "-1e308",
                "5e-324",
                "18446744073709551615",
                "-9223372036854775808",
                "0",
                "0.3",
                "\"x\"",
                "[]",
            ] {
                let _ = compiled.validate(Some(format!(r#"{{"a":{number}}}"#).as_bytes()));
            }
        }
    }
}

/// What one schema costs, told by hand.
#[test]
fn costs_add_up_along_one_path() {
    // Each schema costs 1 plus one for each keyword, and one for each property it looks up.
    for (schema, evaluations) in [
        (json!({}), 1),
        (json!({"type": "object"}), 2),
        (json!({"properties": {"a": {}, "b": {"type": "string"}}}), 4 + 2),
        (json!({"allOf": [{}, {}, {}]}), 2 + 3),
        (json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}), 2 + 3 + 3 + 1),
        (json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"a": {}}}]}), 2 + 3 + 3 + 2),
        (json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}), 4 + 2),
        (json!({"prefixItems": [{}, {"type": "string"}], "items": {}}), 3 + 2),
        (json!({"items": {"items": {"items": {}}}}), 2 + 2 + 2 + 1),
        (json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {}}}), 3 + 2 + 1),
    ] {
        assert_eq!(cost_of(&schema).unwrap().evaluations, evaluations, "{schema}");
    }
}
