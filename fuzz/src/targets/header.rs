//! Header values: encoding is reversible, and headers built from a call agree with it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portcullis_wire::header::{agree, build, decode_value, encode_value, mirrored_params};
use portcullis_wire::json::{Document, Limits, write};
use portcullis_wire::{Message, RequestId, Version, decode_one, message, meta};

/// Checks the value codec on `data`, then a call whose tool has `data` as its input schema.
pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let encoded = encode_value(text);
        assert_eq!(decode_value(&encoded).as_deref(), Some(text));
        assert!(HeaderValue::from_str(&encoded).is_ok());
        assert_eq!(encoded.trim(), encoded);
        if let Some(decoded) = decode_value(text) {
            assert_eq!(decode_value(&encode_value(&decoded)).as_deref(), Some(&*decoded));
        }
        check_call(text);
        meta::is_baggage(text);
        meta::is_tracestate(text);
        meta::is_traceparent(text);
    }
    if let Ok(schema) = Document::parse(Bytes::copy_from_slice(data), &Limits::default()) {
        let _ = mirrored_params(schema.root());
    }
}

/// A call of a tool called `text` with `text` as its argument gets headers that agree, and any change to
/// a header is noticed.
fn check_call(text: &str) {
    let schema = br#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"x-mcp-header":"B","type":"integer"}}}"#;
    let schema = Document::parse(Bytes::from_static(schema), &Limits::default()).expect("the schema is JSON");
    let mirrored = mirrored_params(schema.root()).expect("the annotations are valid");
    let Message::Request(request) = decode_one(call(text), &Limits::default()).expect("the call is valid")
    else {
        panic!("a call is a request")
    };
    let headers: HeaderMap =
        build(&request, &mirrored, Version::LATEST).expect("headers fit").into_iter().collect();
    assert_eq!(headers.len(), 5);
    assert_eq!(agree(&headers, &request, &mirrored), Ok(()));
    for name in headers.keys() {
        let mut fewer = headers.clone();
        fewer.remove(name);
        assert!(agree(&fewer, &request, &mirrored).is_err());
        let mut other = headers.clone();
        other.insert(name, HeaderValue::from_static("=?base64?bm90IGl0?="));
        assert!(agree(&other, &request, &mirrored).is_err() || text == "not it");
        let mut twice = headers.clone();
        twice.append(name, headers[name].clone());
        assert!(agree(&twice, &request, &mirrored).is_err());
    }
}

fn call(text: &str) -> Bytes {
    let mut params = Vec::new();
    let mut object = write::Object::start(&mut params);
    object.str("name", text);
    let mut arguments = write::Object::start(object.key("arguments"));
    arguments.str("a", text).int("b", text.len() as i64);
    arguments.end();
    object.raw("_meta", br#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#);
    object.end();
    message::request(&RequestId::from_u64(1), "tools/call", Some(&params))
}
