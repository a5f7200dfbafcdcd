//! Schemas as real servers write them, and what their tools can be called with.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use portcullis_inspect::schema::{ArgumentFault, SchemaLimits, ToolSchema, Undeclared};

fn compile(schema: &str) -> ToolSchema {
    match ToolSchema::compile(schema.as_bytes()) {
        Ok(schema) => schema,
        Err(fault) => panic!("{fault}\n{schema}"),
    }
}

/// Checks one schema against arguments that fit, and against arguments that do not, each with the
/// pointers of the faults expected.
fn check(schema: &str, fitting: &[&str], others: &[(&str, &[&str])]) {
    let schema = compile(schema);
    for arguments in fitting {
        assert_eq!(schema.validate(Some(arguments.as_bytes())), Ok(()), "{arguments}");
    }
    for (arguments, pointers) in others {
        let faults = schema.validate(Some(arguments.as_bytes())).unwrap_err();
        let mut found: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        found.sort_unstable();
        assert_eq!(&found, pointers, "{arguments}: {faults:?}");
    }
}

#[test]
fn a_file_system_server_in_draft_07() {
    check(
        r#"{"type":"object","properties":{"path":{"type":"string"},"edits":{"type":"array","items":{"type":"object",
            "properties":{"oldText":{"type":"string","description":"must match exactly"},"newText":{"type":"string"}},
            "required":["oldText","newText"],"additionalProperties":false}},"dryRun":{"type":"boolean","default":false}},
            "required":["path","edits"],"additionalProperties":false,"$schema":"http://json-schema.org/draft-07/schema#"}"#,
        &[
            r#"{"path":"/a","edits":[]}"#,
            r#"{"path":"/a","edits":[{"oldText":"a","newText":"b"}],"dryRun":true}"#,
            "{\"path\":\"\u{1F600}\",\"edits\":[]}",
        ],
        &[
            ("{}", &["/edits", "/path"]),
            (r#"{"path":7,"edits":[]}"#, &["/path"]),
            (r#"{"path":"/a","edits":[{"oldText":"a"}]}"#, &["/edits/0/newText"]),
            (r#"{"path":"/a","edits":[],"mode":"x"}"#, &["/mode"]),
            (r#"{"path":"/a","edits":[],"a/b~c":1}"#, &["/a~1b~0c"]),
            (r#"{"path":"/a","edits":{},"dryRun":"no"}"#, &["/dryRun", "/edits"]),
        ],
    );
}

#[test]
fn a_reference_server_in_2020_12() {
    check(
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{
            "a":{"type":"number"},"b":{"type":"number","minimum":-9007199254740991,"maximum":9007199254740991}},
            "required":["a","b"]}"#,
        &[r#"{"a":1,"b":2.5}"#, r#"{"a":1e3,"b":-0}"#, r#"{"a":1,"b":2,"c":"not declared, not forbidden"}"#],
        &[
            (r#"{"a":"1","b":2}"#, &["/a"]),
            (r#"{"a":1,"b":9007199254740993}"#, &["/b"]),
            ("[]", &[""]),
            ("null", &[""]),
        ],
    );
    check(r#"{"type":"object","properties":{}}"#, &["{}", r#"{"x":1}"#], &[(r#""{}""#, &[""])]);
    check("{}", &["{}", r#"{"x":[{}]}"#], &[("7", &[""])]);
}

#[test]
fn optional_parameters_as_python_writes_them() {
    check(
        r##"{"type":"object","title":"searchArguments","properties":{
            "query":{"title":"Query","type":"string","minLength":1,"maxLength":10},
            "limit":{"anyOf":[{"type":"integer","exclusiveMinimum":0},{"type":"null"}],"default":null,"title":"Limit"},
            "filter":{"anyOf":[{"$ref":"#/$defs/Filter"},{"type":"null"}],"default":null}},
            "required":["query"],
            "$defs":{"Filter":{"type":"object","properties":{"field":{"enum":["name","date"],"type":"string"},
                "all":{"items":{"$ref":"#/$defs/Filter"},"type":"array"}},"required":["field"]}}}"##,
        &[
            r#"{"query":"x"}"#,
            r#"{"query":"x","limit":null,"filter":null}"#,
            r#"{"query":"x","limit":3,"filter":{"field":"name","all":[{"field":"date"}]}}"#,
        ],
        &[
            (r#"{"query":""}"#, &["/query"]),
            (r#"{"query":"01234567890"}"#, &["/query"]),
            (r#"{"query":"x","limit":0}"#, &["/limit"]),
            (r#"{"query":"x","filter":{"field":"name","all":[{"field":"size"}]}}"#, &["/filter"]),
        ],
    );
}

#[test]
fn variants_conditions_and_tuples() {
    check(
        r#"{"type":"object","oneOf":[
            {"properties":{"kind":{"const":"url"},"url":{"type":"string"}},"required":["kind","url"]},
            {"properties":{"kind":{"const":"file"},"path":{"type":"string"}},"required":["kind","path"]}]}"#,
        &[r#"{"kind":"url","url":"x"}"#, r#"{"kind":"file","path":"x"}"#],
        &[(r#"{"kind":"file","url":"x"}"#, &[""]), ("{}", &[""])],
    );
    check(
        r#"{"type":"object","if":{"properties":{"all":{"const":true}},"required":["all"]},"then":{},"else":{"required":["id"]}}"#,
        &[r#"{"all":true}"#, r#"{"id":1}"#],
        &[(r#"{"all":false}"#, &["/id"])],
    );
    check(
        r#"{"propertyNames":{"pattern":"^[a-z]+$","maxLength":3}}"#,
        &[r#"{"abc":1}"#],
        &[(r#"{"a1":1}"#, &[""]), (r#"{"abcd":1}"#, &[""])],
    );
    check(
        r#"{"properties":{"at":{"type":"array","prefixItems":[{"type":"number"},{"type":"number"}],"items":false,"minItems":2}}}"#,
        &[r#"{"at":[1,2]}"#],
        &[(r#"{"at":[1]}"#, &["/at"]), (r#"{"at":[1,2,3]}"#, &["/at/2"]), (r#"{"at":[1,"2"]}"#, &["/at/1"])],
    );
    check(
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"at":{"items":[{"type":"number"}],"additionalItems":false}},
            "definitions":{"x":{}},"dependencies":{"a":["b"],"c":{"required":["d"]}}}"#,
        &[r#"{"at":[1]}"#, r#"{"a":1,"b":2}"#],
        &[(r#"{"at":[1,2]}"#, &["/at"]), (r#"{"a":1}"#, &["/b"]), (r#"{"c":1}"#, &["/d"])],
    );
    check(
        r#"{"$schema":"https://json-schema.org/draft/2019-09/schema","allOf":[{"properties":{"a":{}}}],"unevaluatedProperties":false}"#,
        &[r#"{"a":1}"#],
        &[(r#"{"b":1}"#, &["/b"])],
    );
}

#[test]
fn patterns_as_validation_libraries_write_them() {
    check(
        r#"{"properties":{
            "day":{"type":"string","pattern":"^\\d{4}-\\d{2}-\\d{2}$"},
            "email":{"type":"string","format":"email","pattern":"^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"},
            "password":{"type":"string","pattern":"^(?=.*[a-z])(?=.*\\d)[^|\\s]{8,}$"},
            "word":{"pattern":"\\bcat\\b"},
            "text":{"pattern":"^[\\s\\S]{1,1500}$"},
            "scheme":{"pattern":"^[Hh][Tt][Tt][Pp][Ss]?://"}},
            "patternProperties":{"^x-":{"type":"string"}}}"#,
        &[
            r#"{"day":"2026-07-28"}"#,
            r#"{"email":"a.b@example.com"}"#,
            r#"{"password":"abcdefg1"}"#,
            r#"{"word":7}"#,
            r#"{"word":"a cat."}"#,
            "{\"word\":\"\u{e9}cat\u{e9}\"}",
            r#"{"scheme":"HttpS://x"}"#,
            r#"{"x-a":"b"}"#,
            &format!(r#"{{"text":"{}"}}"#, "\u{e9}".repeat(1_500)),
        ],
        &[
            (r#"{"day":"2026-7-28"}"#, &["/day"]),
            ("{\"day\":\"\u{661}\u{661}\u{661}\u{661}-01-01\"}", &["/day"]),
            (r#"{"email":".a@example.com"}"#, &["/email"]),
            (r#"{"email":"a..b@example.com"}"#, &["/email"]),
            (r#"{"password":"abcdefgh"}"#, &["/password"]),
            (r#"{"word":"concat"}"#, &["/word"]),
            (r#"{"x-a":1}"#, &["/x-a"]),
            (&format!(r#"{{"text":"{}"}}"#, "\u{e9}".repeat(1_501)), &["/text"]),
        ],
    );
}

#[test]
fn formats_and_encodings_are_annotations_in_every_dialect() {
    for dialect in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
    {
        check(
            &format!(
                r#"{{"$schema":"{dialect}","properties":{{"a":{{"format":"uri"}},"b":{{"contentEncoding":"base64"}},
                    "c":{{"contentMediaType":"application/json"}},"d":{{"format":"made-up"}}}}}}"#
            ),
            &[r#"{"a":"no uri","b":"***","c":"{","d":"x"}"#],
            &[],
        );
    }
}

#[test]
fn absent_arguments_are_an_empty_object() {
    assert_eq!(compile("{}").validate(None), Ok(()));
    assert_eq!(compile(r#"{"required":["a"]}"#).validate(None).unwrap_err().len(), 1);
}

#[test]
fn undeclared_parameters_are_refused_where_it_can_be_told_what_is_declared() {
    let refusing = |schema: &str| {
        ToolSchema::compile_with(schema.as_bytes(), &SchemaLimits::default(), Undeclared::Refuse).unwrap()
    };
    let call = br#"{"a":1,"b":2}"#;
    for plain in [
        r#"{"properties":{"a":{}}}"#,
        r#"{"type":"object","properties":{"a":{"properties":{}}},"required":["a"]}"#,
        r#"{"properties":{"a":{}},"anyOf":[{"required":["a"]},{"properties":{"c":{}},"required":["c"]}]}"#,
        r##"{"properties":{"a":{}},"$ref":"#/$defs/x","$defs":{"x":{"properties":{"c":{}}}}}"##,
        r#"{"properties":{"a":{}},"not":{"properties":{"b":{"type":"null"}},"required":["b"]}}"#,
    ] {
        let faults = refusing(plain).validate(Some(call)).unwrap_err();
        assert_eq!(faults.first().unwrap().pointer, "/b", "{plain}");
        assert_eq!(refusing(plain).validate(Some(br#"{"a":{"c":1}}"#)), Ok(()));
        assert_eq!(compile(plain).validate(Some(call)), Ok(()));
    }
    for open in [
        "{}",
        r#"{"properties":{"a":{}},"additionalProperties":{"type":"number"}}"#,
        r#"{"properties":{"a":{}},"patternProperties":{"^b":{}}}"#,
        r#"{"properties":{"a":{}},"allOf":[{"properties":{"b":{}}}]}"#,
        r#"{"properties":{"a":{}},"propertyNames":{"maxLength":1}}"#,
        r##"{"properties":{"a":{}},"$ref":"#/$defs/x","$defs":{"x":{"properties":{"b":{}}}}}"##,
        r#"{"properties":{"a":{}},"if":{"required":["a"]},"then":{"properties":{"b":{}}}}"#,
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{}},"anyOf":[{"required":["a"]}]}"#,
    ] {
        assert_eq!(refusing(open).validate(Some(call)), Ok(()), "{open}");
    }
}

#[test]
fn a_schema_that_costs_too_much_to_close_is_left_open_and_says_so() {
    let alternatives: Vec<String> =
        (0..12).map(|at| format!(r#"{{"properties":{{"p{at}":{{}}}},"required":["p{at}"]}}"#)).collect();
    let schema = format!(r#"{{"properties":{{"a":{{}}}},"anyOf":[{}]}}"#, alternatives.join(","));
    let own = SchemaLimits::default();
    for (max_evaluations, open) in [(own.max_evaluations, false), (80, true)] {
        let limits = SchemaLimits { max_evaluations, ..own };
        let schema = ToolSchema::compile_with(schema.as_bytes(), &limits, Undeclared::Refuse).unwrap();
        assert_eq!(schema.is_left_open(), open);
        assert_eq!(schema.validate(Some(br#"{"p1":1,"x":2}"#)).is_ok(), open);
    }
}

#[test]
fn faults_repeat_neither_values_nor_the_server_s_words() {
    let schema = compile(
        r#"{"properties":{
            "token":{"type":"string","pattern":"^IGNORE-ALL-PREVIOUS$","description":"IGNORE-ALL-PREVIOUS"},
            "mode":{"enum":["IGNORE-ALL-PREVIOUS"]},"level":{"const":"IGNORE-ALL-PREVIOUS"},"n":{"maximum":3},
            "names":{"propertyNames":{"maxLength":3}},"list":{"items":{"not":{}}},"one":{"anyOf":[{"const":"IGNORE-ALL-PREVIOUS"}]}}}"#,
    );
    let arguments =
        br#"{"token":"hunter2-SECRET","mode":"hunter2-SECRET","level":"hunter2-SECRET","n":424242,
        "names":{"long":"hunter2-SECRET"},"list":["hunter2-SECRET"],"one":"hunter2-SECRET"}"#;
    let faults = schema.validate(Some(arguments)).unwrap_err();
    assert_eq!(faults.len(), 7);
    for ArgumentFault { pointer, expected, remedy, rule } in &faults {
        for text in [pointer.as_str(), expected, remedy, rule] {
            for forbidden in ["SECRET", "424242", "IGNORE"] {
                assert!(!text.contains(forbidden), "{text}");
            }
        }
        assert!(!expected.is_empty() && !remedy.is_empty() && rule.starts_with('/'), "{faults:?}");
    }
}

#[test]
fn faults_say_what_is_expected() {
    for (schema, arguments, pointer, expected) in [
        (r#"{"properties":{"a":{"type":"integer"}}}"#, r#"{"a":1.5}"#, "/a", "an integer"),
        (r#"{"properties":{"a":{"type":["string","null"]}}}"#, r#"{"a":1}"#, "/a", "null or a string"),
        (r#"{"properties":{"a":{"minimum":3}}}"#, r#"{"a":1}"#, "/a", "a number of at least 3"),
        (r#"{"properties":{"a":{"multipleOf":5}}}"#, r#"{"a":1}"#, "/a", "a multiple of 5"),
        (r#"{"properties":{"a":{"maxItems":1}}}"#, r#"{"a":[1,2]}"#, "/a", "at most 1 elements"),
        (r#"{"properties":{"a":false}}"#, r#"{"a":1}"#, "/a", "no value"),
        (r#"{"required":["a"]}"#, "{}", "/a", "a value; the parameter is required"),
        (r#"{"additionalProperties":false}"#, r#"{"a":1}"#, "", "no parameters"),
        (r#"{"properties":{"b":{}},"additionalProperties":false}"#, r#"{"a":1}"#, "/a", "no such parameter"),
        ("{}", r#"{"a":1e400}"#, "", "JSON that can be read without loss"),
    ] {
        let faults = compile(schema).validate(Some(arguments.as_bytes())).unwrap_err();
        let fault = faults.first().unwrap();
        assert_eq!((fault.pointer.as_str(), &*fault.expected), (pointer, expected), "{schema}");
    }
}
