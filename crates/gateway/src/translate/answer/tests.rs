//! Responses in one era and what becomes of them in the other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use portcullis_core::{
    RefusalKind,
    wire::{Message, decode_one},
};

use super::*;
use crate::outbound::GENEROUS;

fn read(json: &str) -> Response {
    match decode_one(Bytes::from(json.to_owned()), &GENEROUS).unwrap() {
        Message::Response(response) => response,
        other => panic!("not a response: {other:?}"),
    }
}

fn result(json: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{json}}}"#)
}

fn error(code: i64, data: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m"{data}}}}}"#)
}

#[test]
fn a_result_has_one_of_four_types() {
    for (json, expected) in [
        ("{}", ResultType::Complete),
        (r#"{"resultType":"complete"}"#, ResultType::Complete),
        (r#"{"resultType":"input_required"}"#, ResultType::InputRequired),
        (r#"{"resultType":"task"}"#, ResultType::Task),
        (r#"{"resultType":"Complete"}"#, ResultType::Unknown),
        (r#"{"resultType":null}"#, ResultType::Unknown),
        (r#"{"resultType":""}"#, ResultType::Unknown),
    ] {
        assert_eq!(result_type(read(&result(json)).result().unwrap()), expected, "{json}");
    }
}

#[test]
fn a_modern_client_gets_the_members_it_needs() {
    const INFO: &str = r#"{"name":"s"}"#;
    const NAMED: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"s"}"#;
    const CACHED: &str = r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#;
    for (method, info, input, output) in [
        (
            Method::ToolsCall,
            None,
            r#"{"content":[]}"#,
            r#"{"content":[],"resultType":"complete"}"#.to_owned(),
        ),
        (
            Method::ToolsCall,
            Some(INFO),
            r#"{"content":[]}"#,
            format!(r#"{{"content":[],"resultType":"complete","_meta":{{{NAMED}}}}}"#),
        ),
        (
            Method::PromptsGet,
            Some(INFO),
            r#"{"messages":[],"_meta":{"a/b":1}}"#,
            format!(r#"{{"messages":[],"_meta":{{"a/b":1,{NAMED}}},"resultType":"complete"}}"#),
        ),
        (Method::ResourcesRead, None, r#"{"contents":[]}"#, format!(r#"{{"contents":[],{CACHED}}}"#)),
        // What a legacy server says under a newer name is not what the newer version means by it.
        (
            Method::ToolsCall,
            None,
            r#"{"resultType":"input_required","content":[]}"#,
            r#"{"resultType":"complete","content":[]}"#.to_owned(),
        ),
        (
            Method::ResourcesRead,
            None,
            r#"{"ttlMs":99,"cacheScope":"public"}"#,
            r#"{"ttlMs":0,"cacheScope":"private","resultType":"complete"}"#.to_owned(),
        ),
    ] {
        let info = info.map(|info| Bytes::from_static(info.as_bytes()));
        let sent = to_modern(&read(&result(input)), method, info.as_ref()).unwrap();
        assert_eq!(sent, result(&output), "{input}");
    }
}

#[test]
fn error_codes_change_with_the_era() {
    for (code, modern) in
        [(-32002, -32602), (-32602, -32602), (-32601, -32601), (-32603, -32603), (-32000, -32000), (7, 7)]
    {
        let sent = to_modern(&read(&error(code, "")), Method::ResourcesRead, None).unwrap();
        assert_eq!(sent, error(modern, ""), "{code} to modern");
    }
    for (method, code, legacy) in [
        (Method::ResourcesRead, -32602, -32002),
        (Method::ToolsCall, -32602, -32602),
        (Method::ToolsCall, -32601, -32601),
        (Method::ToolsCall, -32020, -32603),
        (Method::ToolsCall, -32021, -32603),
        (Method::ToolsCall, -32022, -32603),
        (Method::ToolsCall, 7, 7),
    ] {
        let sent =
            to_legacy(&read(&error(code, r#","data":{"a":1}"#)), method, Version::LATEST_LEGACY).unwrap();
        assert_eq!(sent, error(legacy, r#","data":{"a":1}"#), "{code} to legacy");
    }
}

#[test]
fn a_url_to_visit_becomes_a_question() {
    let data = r#","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a.test/","message":"go"}]}"#;
    let sent = to_modern(&read(&error(-32042, data)), Method::ToolsCall, None).unwrap();
    let asked = r#"{"resultType":"input_required","inputRequests":{"1":{"method":"elicitation/create","params":{"mode":"url","elicitationId":"e","url":"https://a.test/","message":"go"}}}}"#;
    assert_eq!(sent, result(asked));
    for data in ["", r#","data":{}"#, r#","data":{"elicitations":[]}"#, r#","data":{"elicitations":{}}"#] {
        let refusal = to_modern(&read(&error(-32042, data)), Method::ToolsCall, None).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::Untranslatable, "{data}");
    }
}

#[test]
fn a_legacy_client_gets_no_newer_members() {
    for (input, output) in [
        (r#"{"content":[],"resultType":"complete"}"#, r#"{"content":[]}"#),
        (r#"{"resultType":"complete","ttlMs":5,"content":[],"cacheScope":"public"}"#, r#"{"content":[]}"#),
        (
            r#"{"content":[],"isError":true,"x":{"ttlMs":1}}"#,
            r#"{"content":[],"isError":true,"x":{"ttlMs":1}}"#,
        ),
    ] {
        let sent = to_legacy(&read(&result(input)), Method::ToolsCall, Version::LATEST_LEGACY).unwrap();
        assert_eq!(sent, result(output), "{input}");
    }
}

#[test]
fn nothing_a_legacy_client_would_take_for_success_gets_through() {
    for kind in ["task", "input_required", "other"] {
        let json = result(&format!(r#"{{"resultType":"{kind}","task":{{"taskId":"t"}}}}"#));
        for method in [Method::ToolsCall, Method::PromptsGet, Method::ResourcesRead] {
            let refusal = to_legacy(&read(&json), method, Version::LATEST_LEGACY).unwrap_err();
            assert_eq!(refusal.kind(), RefusalKind::Untranslatable, "{kind} {method:?}");
        }
    }
}

#[test]
fn older_clients_get_content_they_can_read() {
    use Version as V;
    const AUDIO: &str = r#"{"type":"audio","data":"","mimeType":"audio/wav"}"#;
    const LINK: &str = r#"{"type":"resource_link","uri":"file:///a","name":"a"}"#;
    const NO_AUDIO: &str =
        r#"{"type":"text","text":"[audio content left out: it needs protocol version 2025-03-26]"}"#;
    const NO_LINK: &str = r#"{"type":"text","text":"[resource_link content left out: it needs protocol version 2025-06-18: file:///a]"}"#;
    let tool = |a: &str, b: &str| format!(r#"{{"content":[{a},{{"type":"text","text":"t"}},{b}]}}"#);
    let prompt = |a: &str| format!(r#"{{"messages":[{{"role":"user","content":{a}}}]}}"#);
    for (method, version, input, output) in [
        (Method::ToolsCall, V::V2024_11_05, tool(AUDIO, LINK), tool(NO_AUDIO, NO_LINK)),
        (Method::ToolsCall, V::V2025_03_26, tool(AUDIO, LINK), tool(AUDIO, NO_LINK)),
        (Method::ToolsCall, V::V2025_06_18, tool(AUDIO, LINK), tool(AUDIO, LINK)),
        (Method::PromptsGet, V::V2024_11_05, prompt(AUDIO), prompt(NO_AUDIO)),
        (Method::PromptsGet, V::V2025_03_26, prompt(LINK), prompt(NO_LINK)),
        (Method::PromptsGet, V::V2025_11_25, prompt(LINK), prompt(LINK)),
    ] {
        let sent = to_legacy(&read(&result(&input)), method, version).unwrap();
        assert_eq!(sent, result(&output), "{version} {input}");
    }
}

#[test]
fn structured_content_that_is_no_object_is_left_out() {
    for (structured, kept) in
        [("[1]", false), ("1", false), ("null", false), (r#""text""#, false), (r#"{"a":1}"#, true)]
    {
        let input = result(&format!(r#"{{"content":[],"structuredContent":{structured}}}"#));
        let sent = to_legacy(&read(&input), Method::ToolsCall, Version::LATEST_LEGACY).unwrap();
        let expected = if kept { input } else { result(r#"{"content":[]}"#) };
        assert_eq!(sent, expected, "{structured}");
    }
}

#[test]
fn quoting_keeps_every_character() {
    for (text, json) in [("", r#""""#), ("a\"b\\", r#""a\"b\\""#), ("é\n", "\"é\\n\"")] {
        assert_eq!(quoted(text), json.as_bytes(), "{text:?}");
    }
}
