//! `_meta`: required keys, key grammar, trace formats.

use bytes::Bytes;
use portcullis_wire::json::Limits;
use portcullis_wire::meta::{self, Category, LogLevel, MetaError, RequestMeta, TraceContext};
use portcullis_wire::{Document, Message, Request, RequestId, Version, decode_one};

const REQUIRED: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

fn request(params: &str) -> Request {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list"{params}}}"#);
    match decode_one(Bytes::from(text), &Limits::default()).unwrap() {
        Message::Request(request) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn with_meta(members: &str) -> Request {
    request(&format!(r#","params":{{"_meta":{{{members}}}}}"#))
}

#[test]
fn reads_everything() {
    let request = with_meta(&format!(
        r#"{REQUIRED},"io.modelcontextprotocol/clientInfo":{{"name":"c"}},"io.modelcontextprotocol/logLevel":"notice","progressToken":7,"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=1","baggage":"k=v","com.example/x":null"#
    ));
    let meta = RequestMeta::read(&request).unwrap();
    assert_eq!((meta.version, meta.log_level), (Version::LATEST, Some(LogLevel::Notice)));
    assert!(meta.capabilities.is_empty() && meta.client_info.unwrap().get("name").is_some());
    assert_eq!(meta.progress_token, Some(RequestId::from_u64(7)));
    assert_eq!(meta.trace.tracestate.as_deref(), Some("a=1"));
    assert!(meta::names_version(&request));
}

#[test]
fn refuses_what_is_missing_or_wrong() {
    let refused: &[(Request, MetaError, i64)] = &[
        (request(""), MetaError::Missing(meta::PROTOCOL_VERSION), -32602),
        (request(r#","params":{"_meta":[]}"#), MetaError::Missing(meta::PROTOCOL_VERSION), -32602),
        (
            with_meta(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#),
            MetaError::Missing(meta::CLIENT_CAPABILITIES),
            -32602,
        ),
        (
            with_meta(r#""io.modelcontextprotocol/protocolVersion":"2099-01-01""#),
            MetaError::UnsupportedVersion("2099-01-01".into()),
            -32022,
        ),
        (
            with_meta(r#""io.modelcontextprotocol/protocolVersion":1"#),
            MetaError::Invalid(meta::PROTOCOL_VERSION),
            -32602,
        ),
        (with_meta(&REQUIRED.replace("{}", "[]")), MetaError::Invalid(meta::CLIENT_CAPABILITIES), -32602),
        (
            with_meta(&format!(r#"{REQUIRED},"io.modelcontextprotocol/logLevel":"loud""#)),
            MetaError::Invalid(meta::LOG_LEVEL),
            -32602,
        ),
        (
            with_meta(&format!(r#"{REQUIRED},"progressToken":1.5"#)),
            MetaError::Invalid(meta::PROGRESS_TOKEN),
            -32602,
        ),
        (
            with_meta(&format!(r#"{REQUIRED},"traceparent":"x""#)),
            MetaError::Invalid(meta::TRACEPARENT),
            -32602,
        ),
        (with_meta(&format!(r#"{REQUIRED},"baggage":"x""#)), MetaError::Invalid(meta::BAGGAGE), -32602),
        (with_meta(&format!(r#"{REQUIRED},"-x":1"#)), MetaError::Key("-x".into()), -32602),
    ];
    for (request, error, code) in refused {
        let got = RequestMeta::read(request).expect_err(&error.to_string());
        assert_eq!((&got, got.code()), (error, *code));
    }
}

#[test]
fn keys_follow_the_grammar() {
    for (key, valid, reserved) in [
        ("progressToken", true, false),
        ("", true, false),
        ("a", true, false),
        ("a_b-c.d9", true, false),
        ("io.modelcontextprotocol/x", true, true),
        ("dev.mcp/", true, true),
        ("com.mcp.tools/x", true, true),
        ("com.example.mcp/x", true, false),
        ("mcp/x", true, false),
        ("a-b.c9/x", true, false),
        ("/x", false, false),
        ("a./x", false, false),
        (".a/x", false, false),
        ("9a/x", false, false),
        ("a-/x", false, false),
        ("a_b/x", false, false),
        ("a/b/c", false, false),
        ("_a", false, false),
        ("a.", false, false),
        ("a b", false, false),
        ("é", false, false),
    ] {
        assert_eq!((meta::is_key(key), meta::is_reserved(key)), (valid, reserved), "`{key}`");
    }
    assert_eq!(meta::category(meta::PROTOCOL_VERSION), Category::PerHop);
    assert_eq!(meta::category("com.example/x"), Category::EndToEnd);
}

#[test]
fn trace_values_have_their_formats() {
    let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    let zero = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
    for (value, valid) in [
        (format!("00-{ids}-01"), true),
        (format!("00-{ids}-ff"), true),
        (format!("cc-{ids}-01-later"), true),
        (format!("00-{ids}-01-later"), false),
        (format!("ff-{ids}-01"), false),
        (format!("00-{ids}"), false),
        (format!("00-{ids}-1"), false),
        (format!("00-{}-01", ids.to_uppercase()), false),
        (zero, false),
        (format!("00-{ids}-01\n"), false),
        (String::new(), false),
    ] {
        assert_eq!(meta::is_traceparent(&value), valid, "`{value}`");
    }
    let many = |n: usize| (0..n).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
    for (value, valid) in [
        ("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", true),
        ("tenant@system=1 2", true),
        ("a=1,, b=2 ,\tc=3", true),
        ("", true),
        (&many(32), true),
        (&many(33), false),
        ("a=1,a=2", false),
        ("A=1", false),
        ("a", false),
        ("a=b=c", false),
        ("a=\u{e9}", false),
        ("a=\r\nx", false),
    ] {
        assert_eq!(meta::is_tracestate(value), valid, "`{value}`");
    }
    for (value, valid) in [
        ("k=v", true),
        ("k1=v1;p;q=r , k2 = %20", true),
        ("k=", true),
        ("", false),
        ("k", false),
        ("k=a b", false),
        ("k=\"v\"", false),
        ("k=v,", false),
        ("k k=v", false),
        ("k=v;", false),
        ("k=\u{e9}", false),
        (&many(65), true),
    ] {
        assert_eq!(meta::is_baggage(value), valid, "`{value}`");
    }
    let document = Document::parse(Bytes::from_static(br#"{"traceparent":5}"#), &Limits::default()).unwrap();
    assert_eq!(TraceContext::read(document.root()), Err(MetaError::Invalid(meta::TRACEPARENT)));
}

#[test]
fn a_traceparent_is_read_and_written_again() {
    let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    for (value, written) in [
        (format!("00-{ids}-01"), Some(format!("00-{ids}-01"))),
        (format!("00-{ids}-00"), Some(format!("00-{ids}-00"))),
        (format!("cc-{ids}-03-later"), Some(format!("00-{ids}-01"))),
        (format!("00-{ids}"), None),
        (String::new(), None),
    ] {
        assert_eq!(meta::TraceParent::parse(&value).map(|parent| parent.to_string()), written, "`{value}`");
    }
}

#[test]
fn only_listed_baggage_travels_on() {
    let long = format!("allowed={}", "x".repeat(64 * 1024));
    let many = (0..100).map(|n| format!("allowed={n:040}")).collect::<Vec<_>>().join(",");
    for (value, passed, dropped) in [
        ("tenant_id=a,user=alice,allowed=1", Some("allowed=1"), 2),
        ("allowed=1;ttl=5 , other = 2", Some("allowed=1;ttl=5,other = 2"), 0),
        ("Allowed=1,allowedx=1,user=allowed", None, 3),
        (long.as_str(), None, 1),
        ("allowed", None, 1),
        ("", None, 1),
    ] {
        let listed = meta::listed_baggage(value, &["allowed", "other"]);
        assert_eq!((listed.passed.as_deref(), listed.dropped), (passed, dropped), "{value:.60}");
    }
    let listed = meta::listed_baggage(&many, &["allowed"]);
    assert!(listed.passed.is_some_and(|passed| passed.len() <= 1024));
    assert_eq!(meta::listed_baggage("a=1", &[""; 0]), meta::ListedBaggage { passed: None, dropped: 1 });
}
