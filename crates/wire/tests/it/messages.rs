//! JSON-RPC messages: what is accepted, as what, and what is refused, with which code and id.

use bytes::Bytes;
use portcullis_wire::json::Limits;
use portcullis_wire::message::{
    self, DecodeErrorKind as Kind, Decoded, IdFault, Message, RequestId, ResponseId, decode, decode_one,
};
use portcullis_wire::{Method, Request};

fn read(text: &str) -> Result<Message, message::DecodeError> {
    decode_one(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
}

fn request(text: &str) -> Request {
    match read(text).unwrap() {
        Message::Request(request) => request,
        other => panic!("not a request: {other:?}"),
    }
}

#[test]
fn reads_requests() {
    let text = r#"{"x":[1.10],"id":"\u0061","params":{"name":"read","arguments":{"path":"/x"},"_meta":{"k":1}},"jsonrpc":"2.0","method":"tools\/call"}"#;
    let request = request(text);
    assert_eq!(&request.id().raw()[..], br#""\u0061""#);
    assert_eq!((request.method(), request.method_kind()), ("tools/call", Method::ToolsCall));
    assert_eq!(request.name_or_uri().unwrap(), "read");
    assert_eq!(request.meta().unwrap().get("k").unwrap().as_i64(), Some(1));
    assert_eq!(request.params().unwrap().path(&["arguments", "path"]).unwrap().as_str().unwrap(), "/x");
    assert_eq!(request.bytes(), text.as_bytes());
}

#[test]
fn reads_methods_it_does_not_know() {
    let request = request(r#"{"jsonrpc":"2.0","id":-0,"method":"vendor/\u0064o"}"#);
    assert_eq!((request.method(), request.method_kind()), ("vendor/do", Method::Other));
    assert!(request.params().is_none() && request.name_or_uri().is_none());
    assert_eq!(request.id(), &RequestId::from_u64(0));
    assert_eq!(&request.id().raw()[..], b"-0");
}

#[test]
fn reads_notifications_and_responses() {
    let Message::Notification(progress) =
        read(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#).unwrap()
    else {
        panic!("not a notification")
    };
    assert_eq!(progress.method_kind(), Method::Progress);
    for (id, expected) in [
        (r#""id":7,"#, ResponseId::Id(RequestId::from_u64(7))),
        (r#""id":null,"#, ResponseId::Null),
        ("", ResponseId::Absent),
    ] {
        let text =
            format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32601,"message":"n\u006f","data":[1]}}}}"#);
        let Message::Response(response) = read(&text).unwrap() else { panic!("not a response") };
        let error = response.error().unwrap();
        assert_eq!((error.code, &*error.message, error.data.unwrap().raw()), (-32601, "no", &b"[1]"[..]));
        assert_eq!(response.id_member(), &expected);
        assert!(response.result().is_none());
    }
    let Message::Response(response) = read(r#"{"jsonrpc":"2.0","id":"x","result":{"a":1}}"#).unwrap() else {
        panic!("not a response")
    };
    assert_eq!(response.result().unwrap().get("a").unwrap().as_i64(), Some(1));
    assert_eq!(response.id(), RequestId::from_text("x").as_ref());
}

#[test]
fn refuses_what_is_not_a_message() {
    let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(257));
    let refused: &[(&str, Kind)] = &[
        ("1", Kind::NotAnObject),
        ("\"x\"", Kind::NotAnObject),
        ("[]", Kind::Batch),
        ("{}", Kind::Version),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Kind::Version),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, Kind::Version),
        (r#"{"id":1,"method":"ping"}"#, Kind::Version),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Kind::Id(IdFault::Type)),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#, Kind::Id(IdFault::Type)),
        (r#"{"jsonrpc":"2.0","id":1e2,"method":"ping"}"#, Kind::Id(IdFault::Type)),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, Kind::Id(IdFault::Type)),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Kind::Id(IdFault::Type)),
        (r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#, Kind::Id(IdFault::Range)),
        (&long, Kind::Id(IdFault::TooLong)),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Kind::Method),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, Kind::Method),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, Kind::Params),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, Kind::Params),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, Kind::RequestWithOutcome),
        (r#"{"jsonrpc":"2.0","method":"ping","error":null}"#, Kind::RequestWithOutcome),
        (r#"{"jsonrpc":"2.0","id":1}"#, Kind::Outcome),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, Kind::Outcome),
        (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, Kind::Result),
        (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, Kind::Result),
        (r#"{"jsonrpc":"2.0","result":{}}"#, Kind::ResultWithoutId),
        (r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, Kind::ResultWithoutId),
        (r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#, Kind::Error),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#, Kind::Error),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#, Kind::Error),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, Kind::Error),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#, Kind::AmbiguousName("method")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","ID":2}"#, Kind::AmbiguousName("id")),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"param\u{17f}\":{}}",
            Kind::AmbiguousName("params"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":"a","Name":"b"}}"#,
            Kind::AmbiguousName("name"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"task\u0049D":"a"}}"#,
            Kind::AmbiguousName("taskId"),
        ),
    ];
    for (text, kind) in refused {
        let error = read(text).expect_err(text);
        assert_eq!(error.kind, *kind, "`{text}`");
        assert_eq!(error.code(), -32600, "`{text}`");
        let readable = text.contains(r#""id":1,"#) || text.contains(r#""id":1}"#);
        assert_eq!(error.id().is_some(), readable, "`{text}`");
    }
    assert_eq!(read("{").unwrap_err().code(), -32700);
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#).unwrap_err().code(), -32700);
}

#[test]
fn reads_batches() {
    let batch = |text: &str| decode(Bytes::copy_from_slice(text.as_bytes()), &Limits::default());
    let text = r#" [ {"jsonrpc":"2.0","id":1,"method":"ping"} ,{"jsonrpc":"2.0","method":"x"}] "#;
    let Decoded::Batch(messages) = batch(text).unwrap() else { panic!("not a batch") };
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].bytes(), r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.as_bytes());
    assert_eq!(batch("[]").unwrap_err().kind, Kind::EmptyBatch);
    assert_eq!(batch("[1]").unwrap_err().kind, Kind::NotAnObject);
    assert_eq!(batch(r#"[[{"jsonrpc":"2.0","method":"x"}]]"#).unwrap_err().kind, Kind::NotAnObject);
    assert_eq!(batch(r#"[{"jsonrpc":"2.0","id":5}]"#).unwrap_err().id(), Some(&RequestId::from_u64(5)));
    let many = |n: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"x"}"#; n].join(","));
    assert!(batch(&many(message::MAX_BATCH)).is_ok());
    assert_eq!(batch(&many(message::MAX_BATCH + 1)).unwrap_err().kind, Kind::BatchTooLong);
}

#[test]
fn ids_compare_as_values() {
    let id = |raw: &str| RequestId::parse(raw.as_bytes()).unwrap();
    assert_eq!(id(r#""a""#), id(r#""\u0061""#));
    assert_eq!(id(r#""\/""#), id(r#""/""#));
    assert_eq!(id(r#""\u000a""#), id(r#""\n""#));
    assert_ne!(id("1"), id(r#""1""#));
    assert_ne!(id("1"), id("-1"));
    assert_eq!(id("-0"), id("0"));
    assert_eq!(id("7"), RequestId::from_u64(7));
    assert_eq!(id(r#""\u0061""#).to_string(), r#""\u0061""#);
    assert_eq!(RequestId::parse(RequestId::from_u64(u64::MAX).raw()), Ok(RequestId::from_u64(u64::MAX)));
    assert_eq!(id(&i64::MIN.to_string()).as_i64(), Some(i64::MIN));
    for bad in ["", "1 2", "[1]", "-9223372036854775809", "1.5", "\"\\ud800\""] {
        assert!(RequestId::parse(bad.as_bytes()).is_err(), "`{bad}`");
    }
    assert!(
        RequestId::from_text(&"x".repeat(256)).is_some() && RequestId::from_text(&"x".repeat(257)).is_none()
    );
}

#[test]
fn writes_messages() {
    let id = RequestId::parse(br#""\u0061""#).unwrap();
    let written: [(Bytes, &str); 6] = [
        (message::response_result(&id, b"{}"), r#"{"jsonrpc":"2.0","id":"\u0061","result":{}}"#),
        (
            message::response_error(Some(&id), -32602, "no \"x\"\n", Some(b"[1]")),
            r#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":-32602,"message":"no \"x\"\n","data":[1]}}"#,
        ),
        (
            message::response_error(None, 1, "", None),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#,
        ),
        (message::request(&id, "ping", None), r#"{"jsonrpc":"2.0","id":"\u0061","method":"ping"}"#),
        (
            message::request(&RequestId::from_u64(3), "a/b", Some(b"{}")),
            r#"{"jsonrpc":"2.0","id":3,"method":"a/b","params":{}}"#,
        ),
        (message::notification("n", Some(b"{}")), r#"{"jsonrpc":"2.0","method":"n","params":{}}"#),
    ];
    for (bytes, expected) in written {
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        assert!(decode_one(bytes, &Limits::default()).is_ok());
    }
}

#[test]
fn changes_ids_and_nothing_else() {
    let new = RequestId::from_u64(42);
    for (old, expected) in [
        (
            r#" { "id" : "x" , "jsonrpc":"2.0","method":"ping"}"#,
            r#" { "id" : 42 , "jsonrpc":"2.0","method":"ping"}"#,
        ),
        (r#"{"jsonrpc":"2.0","method":"ping"}"#, r#"{"jsonrpc":"2.0","method":"ping","id":42}"#),
        (
            r#"{"jsonrpc":"2.0","result":{"id":1},"\u0069d":1}"#,
            r#"{"jsonrpc":"2.0","result":{"id":1},"\u0069d":42}"#,
        ),
    ] {
        let message = read(old).unwrap();
        assert_eq!(message::with_id(message.document(), &new), expected.as_bytes());
    }
    let same = read(r#"{"jsonrpc":"2.0","id":42,"method":"ping"}"#).unwrap();
    assert_eq!(message::with_id(same.document(), &new).as_ptr(), same.bytes().as_ptr());
}
