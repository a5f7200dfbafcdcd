//! Schemas written to hurt: each is refused before it is compiled, or is harmless once it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{fmt::Write as _, net::TcpListener, thread};

use portcullis_inspect::schema::{SchemaProblem, ToolSchema};

fn problem(schema: &str) -> SchemaProblem {
    match ToolSchema::compile(schema.as_bytes()) {
        Err(fault) => fault.problem,
        Ok(_) => panic!("admitted: {}", schema.chars().take(200).collect::<String>()),
    }
}

/// `$defs` in which each schema applies the next twice, the last one being `end`.
fn doubling(keyword: &str, depth: usize, end: &str) -> String {
    let mut out = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{"d{depth}":{end}"##);
    for at in 0..depth {
        let next = at + 1;
        write!(
            out,
            r##","d{at}":{{"{keyword}":[{{"$ref":"#/$defs/d{next}"}},{{"$ref":"#/$defs/d{next}"}}]}}"##
        )
        .unwrap();
    }
    out + "}}"
}

/// Objects in objects, through `properties`.
fn nested(depth: usize, inner: &str) -> String {
    r#"{"properties":{"a":"#.repeat(depth) + inner + &"}}".repeat(depth)
}

#[test]
fn bombs_are_refused_before_they_are_compiled() {
    let too_many: Vec<(&str, String)> = vec![
        ("allOf doubling", doubling("allOf", 30, "{}")),
        ("anyOf doubling", doubling("anyOf", 30, "false")),
        ("oneOf doubling", doubling("oneOf", 30, "{}")),
        ("doubling far beyond any integer", doubling("allOf", 900, "{}")),
        (
            "doubling below a property",
            nested(1, &doubling("allOf", 30, "{}")).replace("#/$defs", "#/properties/a/$defs"),
        ),
        (
            "doubling once per level of the arguments",
            r##"{"anyOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}"##.into(),
        ),
        (
            "the same through patterns, which may all match",
            r##"{"patternProperties":{"a":{"$ref":"#"},"b":{"$ref":"#"}}}"##.into(),
        ),
        (
            "the same through elements",
            r##"{"allOf":[{"items":{"$ref":"#"}},{"contains":{"$ref":"#"}}]}"##.into(),
        ),
        (
            "unevaluatedProperties asking again at each level",
            (0..20).fold("{}".to_owned(), |inner, _| {
                format!(r#"{{"anyOf":[{inner}],"unevaluatedProperties":false}}"#)
            }),
        ),
        ("values that are compared one by one", format!(r#"{{"enum":[{}]}}"#, vec!["[1]"; 9_000].join(","))),
        ("values in a constant", format!(r#"{{"const":[{}]}}"#, vec!["1"; 20_000].join(","))),
        ("subschemas", format!(r#"{{"anyOf":[{}]}}"#, vec!["{}"; 5_000].join(","))),
        (
            "a chain of references",
            (0..600).fold(r##"{"$ref":"#/$defs/c0","$defs":{"c600":{}"##.to_owned(), |out, at| {
                out + &format!(r##","c{at}":{{"$ref":"#/$defs/c{}"}}"##, at + 1)
            }) + "}}",
        ),
        (
            "regular expressions",
            format!(
                r#"{{"anyOf":[{}]}}"#,
                (0..65).map(|at| format!(r#"{{"pattern":"{at}"}}"#)).collect::<Vec<_>>().join(",")
            ),
        ),
        ("a regular expression", format!(r#"{{"pattern":"{}"}}"#, "a".repeat(3_000))),
    ];
    for (what, schema) in too_many {
        let problem = problem(&schema);
        assert!(matches!(problem, SchemaProblem::TooMany { .. }), "{what}: {problem}");
    }
}

#[test]
fn schemas_too_large_to_read_are_not_read() {
    for (what, schema) in [
        ("bytes", format!(r#"{{"description":"{}"}}"#, "x".repeat(300_000))),
        ("depth", nested(40, "{}")),
        ("depth of what is not a schema", format!(r#"{{"default":{}{}}}"#, "[".repeat(100), "]".repeat(100))),
        ("values", format!(r#"{{"enum":[{}]}}"#, vec!["1"; 60_000].join(","))),
        ("two readings", r#"{"type":"object","type":"string"}"#.into()),
        ("half a character", r#"{"const":"\ud800"}"#.into()),
        ("nothing", String::new()),
        ("a rest", "{} {}".into()),
    ] {
        let problem = problem(&schema);
        assert!(matches!(problem, SchemaProblem::Json(_)), "{what}: {problem}");
    }
}

#[test]
fn recursion_has_to_go_into_the_arguments() {
    for schema in [
        r##"{"$ref":"#"}"##,
        r##"{"allOf":[{"$ref":"#"}]}"##,
        r##"{"not":{"$ref":"#"}}"##,
        r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##,
        r##"{"if":{"dependentSchemas":{"x":{"$ref":"#"}}}}"##,
    ] {
        assert_eq!(problem(schema), SchemaProblem::EndlessRecursion, "{schema}");
    }
    for schema in [
        r##"{"properties":{"left":{"$ref":"#"},"right":{"$ref":"#"}}}"##,
        r##"{"properties":{"children":{"type":"array","items":{"$ref":"#"}}}}"##,
        r##"{"additionalProperties":{"$ref":"#"}}"##,
        r##"{"$ref":"#/$defs/expr","$defs":{"expr":{"anyOf":[
            {"properties":{"and":{"items":{"$ref":"#/$defs/expr"}}},"required":["and"]},
            {"properties":{"or":{"items":{"$ref":"#/$defs/expr"}}},"required":["or"]},
            {"properties":{"not":{"$ref":"#/$defs/expr"}},"required":["not"]},
            {"properties":{"field":{"type":"string"}},"required":["field"],"additionalProperties":false}]}}}"##,
    ] {
        assert!(ToolSchema::compile(schema.as_bytes()).is_ok(), "{schema}");
    }
}

#[test]
fn references_never_leave_the_schema() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let file = std::env::temp_dir().join(format!("portcullis-inspect-{}.json", std::process::id()));
    std::fs::write(&file, "{}").unwrap();
    let targets = [
        format!("http://{address}/x"),
        format!("https://{address}/x"),
        format!("//{address}/x"),
        format!("file://{}", file.display()),
        file.display().to_string(),
        "other.json".into(),
        "other.json#/$defs/a".into(),
        "#anchor".into(),
        "urn:uuid:00000000-0000-0000-0000-000000000000".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
        "json-schema:///".into(),
        "?x#".into(),
    ];
    for target in &targets {
        for schema in [
            format!(r#"{{"$ref":"{target}"}}"#),
            format!(r#"{{"properties":{{"a":{{"items":{{"$ref":"{target}"}}}}}}}}"#),
            format!(r#"{{"$defs":{{"unused":{{"$ref":"{target}"}}}}}}"#),
            format!(r#"{{"$id":"http://{address}/","$ref":"{target}"}}"#),
        ] {
            let problem = problem(&schema);
            assert!(matches!(problem, SchemaProblem::RemoteRef(_)), "{schema}: {problem}");
        }
    }
    // A URI of its own must not make a schema be looked up, nor its local references leave it.
    let named = format!(
        r##"{{"$id":"http://{address}/s","properties":{{"a":{{"$ref":"#/$defs/d"}}}},"$defs":{{"d":{{"type":"string"}}}}}}"##
    );
    let schema = ToolSchema::compile(named.as_bytes()).unwrap();
    assert!(schema.validate(Some(br#"{"a":"x"}"#)).is_ok());
    assert!(schema.validate(Some(br#"{"a":1}"#)).is_err());
    std::fs::remove_file(&file).unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "something connected");
}

#[test]
fn keywords_that_move_references_are_refused() {
    for keyword in ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"] {
        for schema in
            [format!(r##"{{"{keyword}":"#a"}}"##), format!(r##"{{"$defs":{{"a":{{"{keyword}":"#a"}}}}}}"##)]
        {
            assert!(matches!(problem(&schema), SchemaProblem::Keyword { .. }), "{schema}");
        }
    }
    for schema in [
        r##"{"$defs":{"a":{"$id":"http://127.0.0.1:1/"}}}"##,
        r##"{"$ref":"#/x/y","x":{"y":{"$id":"z"}}}"##,
        r##"{"items":{"$id":"#a"}}"##,
    ] {
        assert!(matches!(problem(schema), SchemaProblem::Keyword { keyword: "$id", .. }), "{schema}");
    }
    // A property may be called anything.
    let properties =
        br#"{"properties":{"$id":{"type":"string"},"$ref":{"type":"string"},"$anchor":{},"$schema":{}}}"#;
    assert!(ToolSchema::compile(properties).unwrap().validate(Some(br#"{"$id":"a","$ref":"b"}"#)).is_ok());
}

#[test]
fn references_to_nothing_are_refused() {
    for schema in [
        r##"{"$ref":"#/$defs/missing"}"##,
        r##"{"$ref":"#/type","type":"object"}"##,
        r##"{"$ref":"#/%zz"}"##,
        r##"{"$ref":"#/%ff"}"##,
        r##"{"$ref":"#/%"}"##,
    ] {
        assert!(matches!(problem(schema), SchemaProblem::DanglingRef(_)), "{schema}");
    }
    assert!(matches!(problem(r#"{"$ref":7}"#), SchemaProblem::RemoteRef(_)));
    for schema in [
        r##"{"$ref":"#/$defs/a%20b","$defs":{"a b":{}}}"##,
        r##"{"$ref":"#/$defs/a~1b","$defs":{"a/b":{}}}"##,
        r##"{"properties":{"start":{"type":"string"},"end":{"$ref":"#/properties/start"}}}"##,
        r##"{"$ref":"#/unknown/place","unknown":{"place":{"type":"object"}}}"##,
    ] {
        assert!(ToolSchema::compile(schema.as_bytes()).is_ok(), "{schema}");
    }
}

#[test]
fn a_target_outside_the_known_keywords_is_bounded_all_the_same() {
    let bomb = doubling("allOf", 30, "{}").replace("$defs", "hidden");
    assert!(matches!(problem(&bomb), SchemaProblem::TooMany { .. }));
    let remote = r##"{"$ref":"#/hidden/a","hidden":{"a":{"$ref":"http://127.0.0.1:1/"}}}"##;
    assert!(matches!(problem(remote), SchemaProblem::RemoteRef(_)));
}

#[test]
fn unknown_dialects_are_refused_and_cannot_be_mixed() {
    for schema in [
        r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#,
        r#"{"$schema":"https://example.com/own"}"#,
        r#"{"$schema":"https://example.com/json-schema.org/draft-07/schema"}"#,
        r#"{"$schema":7}"#,
        r#"{"properties":{"a":{"$schema":"http://json-schema.org/draft-07/schema#"}}}"#,
    ] {
        assert!(matches!(problem(schema), SchemaProblem::Dialect(_)), "{schema}");
    }
}

#[test]
fn regular_expressions_are_linear_or_refused() {
    for pattern in [
        r"(a)\\1",
        "a(?!b)",
        "(?<=a)b",
        "^(?!a)b|c",
        "(?:(?!x).)*",
        "(",
        "[a-",
        "a{99999}",
        "(?:a{999}){999}",
    ] {
        for schema in [
            format!(r#"{{"pattern":"{pattern}"}}"#),
            format!(r#"{{"patternProperties":{{"{pattern}":{{}}}}}}"#),
        ] {
            assert!(matches!(problem(&schema), SchemaProblem::Pattern(_)), "{schema}");
        }
    }
    assert!(matches!(problem(r#"{"patternProperties":{"^(?!a)b":{}}}"#), SchemaProblem::Pattern(_)));
    assert!(matches!(problem(r#"{"pattern":7}"#), SchemaProblem::Invalid(_)));
}

/// Text on which automata for "an `a`, then exactly n more" need a new state at almost every byte.
fn unruly_text(len: usize) -> String {
    let mut state = 12_345_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if state & 1 == 0 { 'a' } else { 'b' }
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn a_match_that_would_take_too_long_refuses_the_arguments() {
    let text = format!(r#"{{"a":"{}"}}"#, unruly_text(200_000));
    let pattern = r#"{"pattern":"^(?:[ab]*a[ab]{50}c|x)$"}"#;
    for schema in [
        format!(r#"{{"properties":{{"a":{pattern}}}}}"#),
        // An answer that is not known must not become a yes under `not`.
        format!(r#"{{"properties":{{"a":{{"not":{pattern}}}}}}}"#),
        format!(r#"{{"properties":{{"a":{{"anyOf":[{pattern},{{}}]}}}}}}"#),
    ] {
        let schema = ToolSchema::compile(schema.as_bytes()).unwrap();
        let faults = schema.validate(Some(text.as_bytes())).unwrap_err();
        assert!(faults.first().unwrap().expected.contains("within bounds"), "{faults:?}");
        // The next call is not affected.
        let short = schema.validate(Some(br#"{"a":"x"}"#));
        assert!(short.is_ok() || short.unwrap_err().iter().all(|fault| fault.pointer == "/a"));
    }
}

#[test]
fn many_matches_that_each_nearly_take_too_long_refuse_the_arguments_too() {
    let schema = br#"{"properties":{"a":{"items":{"not":{"pattern":"^(?:[ab]*a[ab]{50}c|x)$"}}}}}"#;
    let schema = ToolSchema::compile(schema).unwrap();
    let text = unruly_text(200_000);
    let validate = |piece: usize, pieces: usize| {
        let list: Vec<String> = text
            .as_bytes()
            .chunks(piece)
            .take(pieces)
            .map(|chunk| format!("\"{}\"", String::from_utf8_lossy(chunk)))
            .collect();
        schema.validate(Some(format!(r#"{{"a":[{}]}}"#, list.join(",")).as_bytes()))
    };
    // One piece is matched to its end; two hundred of them are not.
    assert_eq!(validate(1_000, 1), Ok(()));
    assert!(validate(1_000, 200).unwrap_err().first().unwrap().expected.contains("within bounds"));
}

#[test]
fn arguments_too_large_for_their_schema_are_refused_unread() {
    let many = format!(r#"{{"a":[{}]}}"#, vec!["1"; 200_000].join(","));
    let costly = format!(
        r#"{{"properties":{{"a":{{"items":{{"allOf":[{}]}}}}}}}}"#,
        vec![r#"{"minimum":0}"#; 1_000].join(",")
    );
    let schema = ToolSchema::compile(costly.as_bytes()).unwrap();
    assert!(
        schema
            .validate(Some(many.as_bytes()))
            .unwrap_err()
            .first()
            .unwrap()
            .expected
            .contains("small enough")
    );
    assert!(schema.validate(Some(br#"{"a":[1,2,3]}"#)).is_ok());

    // Elements that collide in the validator's hash set: the same leaves, nested differently.
    let colliding: Vec<String> = (0..20_000_u32)
        .map(|seed| {
            (0..16).fold("1".to_owned(), |inner, bit| {
                if seed >> bit & 1 == 0 { format!("[{inner}]") } else { format!("[[{inner}]]") }
            })
        })
        .collect();
    let crowd = format!(r#"{{"a":[{}]}}"#, colliding.join(","));
    let unique = ToolSchema::compile(br#"{"properties":{"a":{"uniqueItems":true}}}"#).unwrap();
    assert!(unique.validate(Some(crowd.as_bytes())).is_err());
    assert!(unique.validate(Some(many.replacen("1,1", "1,2", 1).as_bytes())).is_err(), "repeated scalars");
    assert!(unique.validate(Some(br#"{"a":[[1],[[1]],{"b":1}]}"#)).is_ok());
}

#[test]
fn faults_of_large_arguments_do_not_fill_memory() {
    let schema = ToolSchema::compile(br#"{"properties":{"a":{"items":{"type":"string"}}}}"#).unwrap();
    let many = format!(r#"{{"a":[{}]}}"#, vec!["1"; 100_000].join(","));
    assert_eq!(schema.validate(Some(many.as_bytes())).unwrap_err().len(), 1);
    let few = format!(r#"{{"a":[{}]}}"#, vec!["1"; 1_000].join(","));
    assert_eq!(schema.validate(Some(few.as_bytes())).unwrap_err().len(), 8);
}

/// Peak resident memory of this process in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn admission_needs_little_memory_whatever_it_is_given() {
    let before = peak_kib();
    let long_name = "n".repeat(2_000);
    let schemas = [
        doubling("allOf", 900, "{}"),
        doubling("oneOf", 900, "{}"),
        format!(
            r#"{{"enum":[{}]}}"#,
            (0..40_000).map(|at| format!("\"{at}\"")).collect::<Vec<_>>().join(",")
        ),
        format!(r#"{{"anyOf":[{}]}}"#, vec!["{}"; 3_900].join(",")),
        (0..40).fold("{}".to_owned(), |inner, _| format!(r#"{{"properties":{{"{long_name}":{inner}}}}}"#)),
        r#"{"pattern":"(?:a{500}){500}"}"#.into(),
        r#"{"pattern":"\\\\p{L}{200}"}"#.into(),
    ];
    for schema in &schemas {
        // Admitted or not, it must not matter.
        drop(ToolSchema::compile(schema.as_bytes()));
    }
    let grown = peak_kib() - before;
    assert!(grown < 64 << 10, "{grown} KiB");
}

/// The stack a worker of the runtime has.
const WORKER_STACK: usize = 2 << 20;

#[test]
fn the_deepest_schema_and_arguments_admitted_fit_on_a_worker_s_stack() {
    let work = || {
        let mut admitted = 0;
        for links in 1..12 {
            // A chain of references into each level of the arguments.
            let mut schema = r##"{"$ref":"#/$defs/c0","$defs":{"##.to_owned();
            for at in 0..links {
                write!(schema, r##""c{at}":{{"anyOf":[{{"$ref":"#/$defs/c{}"}}]}},"##, at + 1).unwrap();
            }
            write!(schema, r##""c{links}":{{"properties":{{"a":{{"$ref":"#/$defs/c0"}}}},"additionalProperties":false}}}}}}"##).unwrap();
            let Ok(schema) = ToolSchema::compile(schema.as_bytes()) else { break };
            admitted += 1;
            let deep = r#"{"a":"#.repeat(63);
            assert!(schema.validate(Some(format!("{deep}{{}}{}", "}".repeat(63)).as_bytes())).is_ok());
            assert!(
                schema.validate(Some(format!("{deep}{{\"b\":1}}{}", "}".repeat(63)).as_bytes())).is_err()
            );
        }
        assert!(admitted > 0);
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let wide = (0..31).fold("{}".to_owned(), |inner, _| format!(r#"{{"{keyword}":[{inner}]}}"#));
            assert!(ToolSchema::compile(wide.as_bytes()).unwrap().validate(None).is_ok());
        }
        let too_deep = format!("{}1{}", r#"{"a":"#.repeat(70), "}".repeat(70));
        assert!(ToolSchema::compile(b"{}").unwrap().validate(Some(too_deep.as_bytes())).is_err());
    };
    thread::Builder::new().stack_size(WORKER_STACK).spawn(work).unwrap().join().unwrap();
}
