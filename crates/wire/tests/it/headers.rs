//! Headers that mirror a message.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_wire::header::{
    AnnotationFaultKind as Fault, BuildFault, MAX_MIRRORED, MirroredParam, MirroredType, Mismatch, agree,
    build, decode_value, encode_value, mirrored_params,
};
use portcullis_wire::json::Limits;
use portcullis_wire::{Document, Message, Request, Version, decode_one};

fn request(method: &str, params: &str) -> Request {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{meta}}}}}"#);
    match decode_one(Bytes::from(text), &Limits::default()).unwrap() {
        Message::Request(request) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn mirrored(schema: &str) -> Result<Vec<MirroredParam>, (Fault, String)> {
    let document = Document::parse(Bytes::copy_from_slice(schema.as_bytes()), &Limits::default()).unwrap();
    mirrored_params(document.root()).map_err(|fault| (fault.kind, fault.at))
}

#[test]
fn values_are_encoded_where_they_must_be() {
    for (text, value) in [
        ("us-west1", "us-west1"),
        ("", ""),
        ("a\tb c", "a\tb c"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("a ", "=?base64?YSA=?="),
        ("\ta", "=?base64?CWE=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("=?BASE64?literal?=", "=?BASE64?literal?="),
        ("=?base64?open", "=?base64?open"),
        ("\u{7f}", "=?base64?fw==?="),
    ] {
        assert_eq!(encode_value(text), value);
        assert_eq!(decode_value(value).unwrap(), text);
    }
    for malformed in [
        "=?base64?a?=",
        "=?base64?YQ?=",
        "=?base64?/w==?=",
        "=?base64?YR==?=",
        "=?base64?Y Q==?=",
        "é",
        "a\nb",
    ] {
        assert_eq!(decode_value(malformed), None, "`{malformed}`");
    }
}

/// Headers to set, or to remove.
type Changes<'a> = &'a [(&'static str, Option<&'a str>)];

/// The headers of a call with `changes` made to them, against its body.
fn check(params: &str, schema: &str, changes: Changes<'_>, expected: Result<(), (&str, Mismatch)>) {
    let request = request("tools/call", params);
    let mirrored = mirrored(schema).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("mcp-protocol-version", HeaderValue::from_static("2026-07-28"));
    headers.insert("mcp-method", HeaderValue::from_static("tools/call"));
    headers.insert("mcp-name", HeaderValue::from_static("t"));
    for (name, value) in changes {
        match value {
            Some(value) => headers.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap()),
            None => headers.remove(*name),
        };
    }
    let got = agree(&headers, &request, &mirrored);
    let got = got.as_ref().map(|_| ()).map_err(|mismatch| (mismatch.header.as_str(), mismatch.why));
    assert_eq!(got, expected, "{params} {changes:?}");
}

#[test]
fn standard_headers_have_to_agree() {
    let (params, schema) = (r#""name":"t","#, "{}");
    check(params, schema, &[], Ok(()));
    check(params, schema, &[("mcp-name", Some("=?base64?dA==?="))], Ok(()));
    check(params, schema, &[("mcp-param-unknown", Some("x"))], Ok(()));
    check(params, schema, &[("mcp-session-id", Some("x"))], Ok(()));
    for (header, value, why) in [
        ("mcp-protocol-version", None, Mismatch::Missing),
        ("mcp-protocol-version", Some("2025-11-25"), Mismatch::Differs),
        ("mcp-protocol-version", Some(""), Mismatch::Differs),
        ("mcp-method", None, Mismatch::Missing),
        ("mcp-method", Some("TOOLS/CALL"), Mismatch::Differs),
        ("mcp-method", Some("tools/list"), Mismatch::Differs),
        ("mcp-name", None, Mismatch::Missing),
        ("mcp-name", Some("T"), Mismatch::Differs),
        ("mcp-name", Some("t,t"), Mismatch::Differs),
        ("mcp-name", Some("=?base64?dA?="), Mismatch::Malformed),
        ("mcp-name", Some("t\u{e9}"), Mismatch::Malformed),
    ] {
        check(params, schema, &[(header, value)], Err((header, why)));
    }
    check(r#""name":7,"#, schema, &[], Err(("mcp-name", Mismatch::Unexpected)));
    check("", schema, &[], Err(("mcp-name", Mismatch::Unexpected)));
}

#[test]
fn repeated_headers_are_refused() {
    let request = request("tools/list", "");
    for name in ["mcp-protocol-version", "mcp-method"] {
        let mut headers: HeaderMap = build(&request, &[], Version::LATEST).unwrap().into_iter().collect();
        assert_eq!(agree(&headers, &request, &[]), Ok(()));
        headers.append(name, headers[name].clone());
        assert_eq!(agree(&headers, &request, &[]).unwrap_err().why, Mismatch::Repeated);
    }
}

#[test]
fn names_belong_to_the_methods_that_have_them() {
    for (method, params, fine) in [
        ("tools/list", "", false),
        ("resources/read", r#""uri":"n","#, true),
        ("resources/read", r#""name":"n","#, false),
        ("tasks/get", r#""taskId":"n","#, true),
        ("vendor/own", r#""name":"other","#, true),
    ] {
        let request = request(method, params);
        let mut headers = HeaderMap::new();
        headers.insert("mcp-protocol-version", HeaderValue::from_static("2026-07-28"));
        headers.insert("mcp-method", HeaderValue::from_str(method).unwrap());
        headers.insert("mcp-name", HeaderValue::from_static("n"));
        assert_eq!(agree(&headers, &request, &[]).is_ok(), fine, "{method}");
    }
}

#[test]
fn annotated_arguments_have_to_agree() {
    let schema = r#"{"properties":{
        "s":{"type":"string","x-mcp-header":"S"},
        "o":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
        "b":{"type":"boolean","x-mcp-header":"B"}}}"#;
    let call = |arguments: &str| format!(r#""name":"t","arguments":{arguments},"#);
    let fine: &[(&str, Changes<'_>)] = &[
        ("{}", &[]),
        (r#"{"s":null,"o":{"n":null},"b":null}"#, &[]),
        (r#"{"o":7}"#, &[]),
        (r#"{"s":""}"#, &[("mcp-param-s", Some(""))]),
        (r#"{"s":"\u00e9"}"#, &[("mcp-param-s", Some("=?base64?w6k=?="))]),
        (r#"{"o":{"n":42}}"#, &[("mcp-param-n", Some("42.0"))]),
        (r#"{"o":{"n":4.2e1}}"#, &[("mcp-param-n", Some("42"))]),
        (r#"{"o":{"n":-9007199254740991}}"#, &[("mcp-param-n", Some("-9007199254740991"))]),
        (r#"{"b":false}"#, &[("mcp-param-b", Some("false"))]),
    ];
    for (arguments, headers) in fine {
        check(&call(arguments), schema, headers, Ok(()));
    }
    let wrong: &[(&str, &'static str, Option<&str>, Mismatch)] = &[
        (r#"{"s":"x"}"#, "mcp-param-s", None, Mismatch::Missing),
        (r#"{"s":"x"}"#, "mcp-param-s", Some("X"), Mismatch::Differs),
        (r#"{"s":7}"#, "mcp-param-s", Some("7"), Mismatch::ArgumentType),
        ("{}", "mcp-param-s", Some("x"), Mismatch::Unexpected),
        (r#"{"s":null}"#, "mcp-param-s", Some("null"), Mismatch::Unexpected),
        (r#"{"o":{"n":42}}"#, "mcp-param-n", Some("43"), Mismatch::Differs),
        (r#"{"o":{"n":42}}"#, "mcp-param-n", Some("+42"), Mismatch::Malformed),
        (r#"{"o":{"n":42}}"#, "mcp-param-n", Some("0x2A"), Mismatch::Malformed),
        (r#"{"o":{"n":42}}"#, "mcp-param-n", Some("42.5"), Mismatch::Malformed),
        (r#"{"o":{"n":9007199254740993}}"#, "mcp-param-n", Some("9007199254740993"), Mismatch::ArgumentType),
        (r#"{"o":{"n":"42"}}"#, "mcp-param-n", Some("42"), Mismatch::ArgumentType),
        (r#"{"b":true}"#, "mcp-param-b", Some("True"), Mismatch::Differs),
        (r#"{"b":"true"}"#, "mcp-param-b", Some("true"), Mismatch::ArgumentType),
    ];
    for (arguments, header, value, why) in wrong {
        check(&call(arguments), schema, &[(header, *value)], Err((header, *why)));
    }
    check(
        r#""name":"t","#,
        schema,
        &[("mcp-param-s", Some("x"))],
        Err(("mcp-param-s", Mismatch::Unexpected)),
    );
}

#[test]
fn annotations_are_found() {
    let found = mirrored(
        r#"{"type":"object","properties":{
            "x-mcp-header":{"type":"string"},
            "r":{"type":"string","x-mcp-header":"Region","default":{"x-mcp-header":"data"}},
            "o":{"properties":{"properties":{"properties":{"\u006e":{"x-mcp-header":"n!","type":"integer"}}}}}}}"#,
    );
    let param = |header: &'static str, path: &[&str], kind| MirroredParam {
        header: HeaderName::from_static(header),
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        kind,
    };
    let expected = vec![
        param("mcp-param-region", &["r"], MirroredType::String),
        param("mcp-param-n!", &["o", "properties", "n"], MirroredType::Integer),
    ];
    assert_eq!(found, Ok(expected));
    for none in ["{}", "true", "[]", r#"{"properties":[]}"#, r#"{"const":{"x-mcp-header":"A"}}"#] {
        assert_eq!(mirrored(none), Ok(vec![]), "{none}");
    }
}

#[test]
fn annotations_in_the_wrong_place_are_faults() {
    let string = r#"{"type":"string","x-mcp-header":"A"}"#;
    let misplaced = [
        (format!(r#"{{"properties":{{"l":{{"items":{string}}}}}}}"#), "/properties/l/items"),
        (
            format!(r#"{{"properties":{{"l":{{"prefixItems":[{{}},{string}]}}}}}}"#),
            "/properties/l/prefixItems/1",
        ),
        (format!(r#"{{"anyOf":[{{"properties":{{"p":{string}}}}}]}}"#), "/anyOf/0/properties/p"),
        (format!(r#"{{"not":{{"properties":{{"p":{string}}}}}}}"#), "/not/properties/p"),
        (format!(r#"{{"if":{{}},"then":{{"properties":{{"p":{string}}}}}}}"#), "/then/properties/p"),
        (format!(r#"{{"$defs":{{"a/~b":{string}}}}}"#), "/$defs/a~1~0b"),
        (format!(r#"{{"patternProperties":{{"x":{string}}}}}"#), "/patternProperties/x"),
        (format!(r#"{{"additionalProperties":{string}}}"#), "/additionalProperties"),
        (string.to_owned(), ""),
    ];
    for (schema, at) in misplaced {
        assert_eq!(mirrored(&schema), Err((Fault::Unreachable, at.to_owned())), "{schema}");
    }
    let one = |property: &str| format!(r#"{{"properties":{{"p":{property}}}}}"#);
    for (property, kind) in [
        (r#"{"type":"string","x-mcp-header":7}"#, Fault::NotAString),
        (r#"{"type":"string","x-mcp-header":""}"#, Fault::NotAToken),
        (r#"{"type":"string","x-mcp-header":"a b"}"#, Fault::NotAToken),
        (r#"{"type":"string","x-mcp-header":"a\r\nX: y"}"#, Fault::NotAToken),
        (r#"{"type":"string","x-mcp-header":"é"}"#, Fault::NotAToken),
        (r#"{"type":"number","x-mcp-header":"A"}"#, Fault::Type),
        (r#"{"type":["string","null"],"x-mcp-header":"A"}"#, Fault::Type),
        (r#"{"x-mcp-header":"A"}"#, Fault::Type),
    ] {
        assert_eq!(mirrored(&one(property)), Err((kind, "/properties/p".to_owned())), "{property}");
    }
    let twice = r#"{"properties":{"a":{"type":"string","x-mcp-header":"R"},"b":{"properties":{"c":{"type":"string","x-mcp-header":"r"}}}}}"#;
    assert_eq!(mirrored(twice), Err((Fault::Repeated, "/properties/b/properties/c".to_owned())));
    let many = |n: usize| {
        let all: Vec<_> =
            (0..n).map(|i| format!(r#""p{i}":{{"type":"string","x-mcp-header":"h{i}"}}"#)).collect();
        mirrored(&format!(r#"{{"properties":{{{}}}}}"#, all.join(",")))
    };
    assert_eq!(many(MAX_MIRRORED).map(|all| all.len()), Ok(MAX_MIRRORED));
    assert_eq!(many(MAX_MIRRORED + 1).map_err(|(kind, _)| kind), Err(Fault::TooMany));
}

#[test]
fn built_headers_name_the_call() {
    let schema = r#"{"properties":{"s":{"type":"string","x-mcp-header":"S"},"n":{"type":"integer","x-mcp-header":"N"},"b":{"type":"boolean","x-mcp-header":"B"}}}"#;
    let mirrored = mirrored(schema).unwrap();
    let built = |arguments: &str| {
        let request = request("tools/call", &format!(r#""name":"träge","arguments":{arguments},"#));
        build(&request, &mirrored, Version::LATEST).map(|headers| {
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        built(r#"{"s":" x","n":-7.0,"b":true}"#).unwrap(),
        [
            "mcp-protocol-version: 2026-07-28",
            "mcp-method: tools/call",
            "mcp-name: =?base64?dHLDpGdl?=",
            "mcp-param-s: =?base64?IHg=?=",
            "mcp-param-n: -7",
            "mcp-param-b: true"
        ]
    );
    assert_eq!(built(r#"{"s":null}"#).unwrap().len(), 3);
    for arguments in [r#"{"s":1}"#, r#"{"n":1.5}"#, r#"{"n":9007199254740992}"#, r#"{"b":"true"}"#] {
        assert!(matches!(built(arguments), Err(BuildFault::Argument(_))), "{arguments}");
    }
    assert_eq!(build(&request("tools/call", ""), &[], Version::LATEST), Err(BuildFault::Name("name")));
    for method in ["a\\nb", "a\u{458}b", " a", "a\\t"] {
        assert_eq!(build(&request(method, ""), &[], Version::LATEST), Err(BuildFault::Method), "{method:?}");
    }
}
