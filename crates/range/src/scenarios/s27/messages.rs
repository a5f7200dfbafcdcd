//! Bodies that are ambiguous, or not what they seem.

use crate::{
    attack::{Attack, Wanted, wanted},
    ground::{ALLOWED, FORBIDDEN, NOTES},
    http::Request,
    message::{META, call, request},
};

const MALFORMED: Wanted = wanted(400, -32700, "malformed");
const INVALID: Wanted = wanted(400, -32600, "invalid-request");
const UNKNOWN: Wanted = wanted(404, -32601, "unknown-method");
const MISMATCH: Wanted = wanted(400, -32020, "header-mismatch");

pub(super) fn attacks() -> Vec<Attack> {
    let posted = |(name, body, wanted): (&str, Vec<u8>, Wanted)| {
        Attack::new(name, Request::call(NOTES, ALLOWED, body).bytes(), wanted)
    };
    let texts = duplicates().into_iter().chain(batches()).chain(ids()).chain(methods());
    let texts = texts.map(|(name, body, wanted)| (name, body.into_bytes(), wanted));
    let posted = texts.chain(trailing()).chain(encodings()).map(posted);
    posted.chain(headers()).collect()
}

type Row<T> = (&'static str, T, Wanted);

/// The same name twice: a reader that keeps the first and one that keeps the last see different messages.
fn duplicates() -> Vec<Row<String>> {
    let params =
        |params: &str| request("1", "tools/call", &format!("{{{params},\"arguments\":{{}},{META}}}"));
    let good = call(ALLOWED, "{}");
    let bad = call(FORBIDDEN, "{}");
    vec![
        (
            "duplicate name, the forbidden last",
            params(&format!(r#""name":"{ALLOWED}","name":"{FORBIDDEN}""#)),
            MALFORMED,
        ),
        (
            "duplicate name, the forbidden first",
            params(&format!(r#""name":"{FORBIDDEN}","name":"{ALLOWED}""#)),
            MALFORMED,
        ),
        (
            "duplicate name, one escaped",
            params(&format!(r#""name":"{ALLOWED}","n\u0061me":"{FORBIDDEN}""#)),
            MALFORMED,
        ),
        (
            "duplicate name, far apart",
            params(&format!(
                r#""name":"{ALLOWED}","_x":[{}],"name":"{FORBIDDEN}""#,
                vec!["0"; 5_000].join(",")
            )),
            MALFORMED,
        ),
        (
            "duplicate name, equal values",
            params(&format!(r#""name":"{ALLOWED}","name":"{ALLOWED}""#)),
            MALFORMED,
        ),
        ("duplicate id", good.replacen(r#""id":1"#, r#""id":1,"id":2"#, 1), MALFORMED),
        ("duplicate method", good.replacen(r#""id":1"#, r#""id":1,"method":"ping""#, 1), MALFORMED),
        ("duplicate jsonrpc", good.replacen(r#""id":1"#, r#""id":1,"jsonrpc":"1.0""#, 1), MALFORMED),
        ("duplicate params", good.replacen(r#""id":1"#, &format!(r#""id":1,"params":{bad}"#), 1), MALFORMED),
        ("duplicate key inside arguments", call(ALLOWED, r#"{"a":{"b":[{"c":1,"c":2}]}}"#), MALFORMED),
        (
            "duplicate key inside _meta",
            good.replacen(
                r#""_meta":{"#,
                r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25","#,
                1,
            ),
            MALFORMED,
        ),
    ]
}

fn batches() -> Vec<Row<String>> {
    let (good, bad) = (call(ALLOWED, "{}"), call(FORBIDDEN, "{}"));
    vec![
        ("a batch of one", format!("[{good}]"), INVALID),
        ("a batch of two, one forbidden", format!("[{good},{bad}]"), INVALID),
        ("an empty batch", "[]".to_owned(), INVALID),
        ("a batch in a batch", format!("[[{good}]]"), INVALID),
    ]
}

fn ids() -> Vec<Row<String>> {
    let good = call(ALLOWED, "{}");
    let id = |id: &str| good.replacen(r#""id":1"#, &format!(r#""id":{id}"#), 1);
    vec![
        ("id null", id("null"), INVALID),
        ("id a fraction", id("1.5"), INVALID),
        ("id a whole number written as a fraction", id("1.0"), INVALID),
        ("id with an exponent", id("1e2"), INVALID),
        ("id beyond any double", id("1e999"), MALFORMED),
        ("id beyond 64 bits", id("18446744073709551616"), INVALID),
        ("id of a million digits", id(&"9".repeat(1_000_000)), MALFORMED),
        ("id of 1 MB", id(&format!("\"{}\"", "x".repeat(1_000_000))), INVALID),
        ("id an object", id(r#"{"id":1}"#), INVALID),
        ("id an array", id("[1]"), INVALID),
        ("id a boolean", id("true"), INVALID),
        ("id a string with half a surrogate pair", id(r#""\ud800""#), MALFORMED),
    ]
}

/// Method names that only a careless comparison takes for `tools/call`.
fn methods() -> Vec<Row<String>> {
    let good = call(ALLOWED, "{}");
    let method = |method: &str| good.replacen("tools/call", method, 1);
    vec![
        ("method with capitals", method("Tools/Call"), UNKNOWN),
        ("method in capitals", method("TOOLS/CALL"), UNKNOWN),
        ("method with a space behind it", method("tools/call "), UNKNOWN),
        ("method with a space before it", method(" tools/call"), UNKNOWN),
        ("method with a NUL", method(r"tools/call\u0000"), UNKNOWN),
        ("method with a full-width solidus", method("tools\u{ff0f}call"), UNKNOWN),
        ("method with a zero-width space", method("tools/\u{200b}call"), UNKNOWN),
        ("method with a long s", method("tool\u{17f}/call"), UNKNOWN),
        ("method with two slashes", method("tools//call"), UNKNOWN),
        ("method with a dot segment", method("tools/./call"), UNKNOWN),
        ("member method in capitals", good.replacen(r#""method""#, r#""METHOD""#, 1), INVALID),
        ("a method of the other direction", method("sampling/createMessage"), UNKNOWN),
        ("a method that was removed", method("ping"), UNKNOWN),
        ("jsonrpc 1.0", good.replacen(r#""2.0""#, r#""1.0""#, 1), INVALID),
    ]
}

fn trailing() -> Vec<Row<Vec<u8>>> {
    let (good, bad) = (call(ALLOWED, "{}"), call(FORBIDDEN, "{}"));
    let behind = |what: &[u8]| [good.as_bytes(), what].concat();
    vec![
        ("a second message behind it", behind(bad.as_bytes()), MALFORMED),
        ("a second message on the next line", behind(format!("\n{bad}").as_bytes()), MALFORMED),
        ("a NUL behind it", behind(b"\0"), MALFORMED),
        ("a brace behind it", behind(b"}"), MALFORMED),
        ("a comment behind it", behind(b"// x"), MALFORMED),
        ("nothing", Vec::new(), MALFORMED),
        ("half of it", good.as_bytes().split_at(good.len() / 2).0.to_vec(), MALFORMED),
    ]
}

fn encodings() -> Vec<Row<Vec<u8>>> {
    let good = call(ALLOWED, "{}");
    let units = |bytes: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let marked = |mark: &[u8], body: Vec<u8>| [mark, &body].concat();
    let name = |bytes: &[u8]| {
        let (before, after) = good.split_once(ALLOWED).unwrap_or_default();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    vec![
        ("UTF-16, little end first", units(u16::to_le_bytes), MALFORMED),
        ("UTF-16, big end first", units(u16::to_be_bytes), MALFORMED),
        ("UTF-16 with its mark", marked(b"\xff\xfe", units(u16::to_le_bytes)), MALFORMED),
        ("UTF-8 with a mark", marked(b"\xef\xbb\xbf", good.clone().into_bytes()), MALFORMED),
        ("UTF-8 longer than need be", name(b"\xc0\xaf"), MALFORMED),
        ("a surrogate in UTF-8", name(b"\xed\xa0\x80"), MALFORMED),
        ("Latin-1", name(b"caf\xe9"), MALFORMED),
        ("UTF-7", b"+AHs-+ACI-jsonrpc+ACI-:+ACI-2.0+ACI-+AH0-".to_vec(), MALFORMED),
    ]
}

/// Headers that say one thing, and a body that says another.
fn headers() -> Vec<Attack> {
    let (good, bad) = (call(ALLOWED, "{}"), call(FORBIDDEN, "{}"));
    let honest = || Request::call(NOTES, ALLOWED, good.clone());
    let rows = [
        ("the header names another tool", Request::call(NOTES, ALLOWED, bad), MISMATCH),
        ("the header names another method", honest().header("mcp-method", "tools/list"), MISMATCH),
        ("the header spells the method in capitals", honest().header("mcp-method", "TOOLS/CALL"), MISMATCH),
        ("two method headers", honest().and("mcp-method", "tools/list"), MISMATCH),
        ("two name headers", honest().and("mcp-name", FORBIDDEN), MISMATCH),
        ("no method header", honest().without("mcp-method"), MISMATCH),
        ("no name header", honest().without("mcp-name"), MISMATCH),
        ("no version header", honest().without("mcp-protocol-version"), MISMATCH),
        ("two version headers", honest().and("mcp-protocol-version", "2025-11-25"), MISMATCH),
    ];
    rows.into_iter().map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted)).collect()
}
