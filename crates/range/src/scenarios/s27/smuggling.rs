//! HTTP requests whose end two readers could see in different places (RFC 9112 section 11.2). Behind each stands
//! an honest call that must never be taken for a request.

use crate::{
    attack::{Attack, Wanted, wanted},
    ground::{ALLOWED, Ground, NOTES},
    http::Request,
    message::call,
};

/// Refused by its head; the parser answers without a body.
const NO_REQUEST: Wanted = wanted(400, 0, "invalid-request");
/// Refused by its body, after which the connection ends.
const NO_MESSAGE: Wanted = wanted(400, -32700, "malformed");
/// The body could not be read to its end.
const BROKEN: Wanted = wanted(400, -32600, "invalid-request");
const CHUNKED: &str = "transfer-encoding: chunked\r\n";

pub(super) fn attacks() -> Vec<Attack> {
    heads().into_iter().chain(lines()).chain(chunks()).collect()
}

/// `head` and `body`, and an honest call behind them.
fn before_a_call(head: Vec<u8>, body: &[u8]) -> Vec<u8> {
    [head, body.to_vec(), Ground::honest().bytes()].concat()
}

/// A keep-alive POST of an honest call, framed as `framing` says.
fn framed(framing: &str) -> Vec<u8> {
    Request::call(NOTES, ALLOWED, "").header("connection", "keep-alive").head(framing)
}

fn chunk(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// A good call in chunks under a `Content-Length` that covers the request behind it.
pub(super) fn behind_a_good_call() -> Vec<u8> {
    let body = chunk(&call(ALLOWED, "{}"));
    let length = body.len() + Ground::honest().bytes().len();
    before_a_call(framed(&format!("content-length: {length}\r\n{CHUNKED}")), body.as_bytes())
}

/// Lengths that contradict each other or cannot be read.
fn heads() -> Vec<Attack> {
    let body = call(ALLOWED, "{}");
    let (length, chunked) = (body.len(), chunk(&body));
    let inner = Ground::honest().bytes();
    let whole = length + inner.len();
    let rows: Vec<(&str, String, &str, Wanted)> = vec![
        (
            "CL and TE: the chunks end first",
            format!("content-length: {whole}\r\n{CHUNKED}"),
            "0\r\n\r\n",
            NO_MESSAGE,
        ),
        (
            "TE and CL: the chunks end first",
            format!("{CHUNKED}content-length: {whole}\r\n"),
            "0\r\n\r\n",
            NO_MESSAGE,
        ),
        (
            "two lengths, the short one last",
            format!("content-length: {length}\r\ncontent-length: 4\r\n"),
            &body,
            NO_REQUEST,
        ),
        (
            "two lengths, the short one first",
            format!("content-length: 4\r\ncontent-length: {length}\r\n"),
            &body,
            NO_REQUEST,
        ),
        ("two lengths in one line", format!("content-length: {length}, 4\r\n"), &body, NO_REQUEST),
        ("a length with a sign", format!("content-length: +{length}\r\n"), &body, NO_REQUEST),
        ("a length below nothing", "content-length: -1\r\n".to_owned(), &body, NO_REQUEST),
        ("a length in hexadecimal", format!("content-length: {length:#x}\r\n"), &body, NO_REQUEST),
        (
            "a length beyond 64 bits",
            "content-length: 99999999999999999999999\r\n".to_owned(),
            &body,
            NO_REQUEST,
        ),
        ("a length with a space in it", "content-length: 1 0\r\n".to_owned(), &body, NO_REQUEST),
        (
            "an unknown coding",
            format!("content-length: {length}\r\ntransfer-encoding: xchunked\r\n"),
            &body,
            NO_REQUEST,
        ),
        (
            "chunked, then another coding",
            "transfer-encoding: chunked, identity\r\n".to_owned(),
            &chunked,
            NO_REQUEST,
        ),
        ("chunked in quotes", "transfer-encoding: \"chunked\"\r\n".to_owned(), &chunked, NO_REQUEST),
        (
            "chunked behind a vertical tab",
            "transfer-encoding: \x0bchunked\r\n".to_owned(),
            &chunked,
            NO_REQUEST,
        ),
    ];
    rows.into_iter()
        .map(|(name, framing, body, wanted)| {
            Attack::new(name, before_a_call(framed(&framing), body.as_bytes()), wanted)
        })
        .collect()
}

/// Header lines and request lines that readers split differently.
fn lines() -> Vec<Attack> {
    let body = call(ALLOWED, "{}");
    let length = format!("content-length: {}\r\n", body.len());
    let chunked = chunk(&body);
    let rows: Vec<(&str, String, &str)> = vec![
        ("a folded line", format!("x-folded: a\r\n b\r\n{length}"), &body),
        ("a folded length", "content-length:\r\n 4\r\n".to_owned(), &body),
        ("a folded coding", format!("{length}transfer-encoding:\r\n chunked\r\n"), &body),
        ("a space before the colon", format!("{length}transfer-encoding : chunked\r\n"), &chunked),
        ("a space before the name", format!("{length} transfer-encoding: chunked\r\n"), &chunked),
        ("a NUL in a name", format!("{length}transfer\0-encoding: chunked\r\n"), &chunked),
        ("a NUL in a value", format!("{length}x: a\0b\r\n"), &body),
        ("a bare CR in a value", format!("x: a\rtransfer-encoding: chunked\r\n{length}"), &body),
        ("a line without a colon", format!("{length}transfer-encoding chunked\r\n"), &chunked),
    ];
    let rows = rows
        .into_iter()
        .map(|(name, framing, body)| (name, before_a_call(framed(&framing), body.as_bytes())));
    let head = |line: &str| {
        [line.as_bytes(), framed(&length).split_at(b"POST /mcp/notes HTTP/1.1".len()).1].concat()
    };
    let starts = [
        ("chunks in HTTP/1.0", {
            let framed = framed(CHUNKED);
            let rest = framed.split_at(b"POST /mcp/notes HTTP/1.1".len()).1;
            before_a_call([b"POST /mcp/notes HTTP/1.0", rest].concat(), chunked.as_bytes())
        }),
        ("HTTP/1.2", before_a_call(head("POST /mcp/notes HTTP/1.2"), body.as_bytes())),
        ("no version", before_a_call(head("POST /mcp/notes"), body.as_bytes())),
        ("two spaces behind the method", before_a_call(head("POST  /mcp/notes HTTP/1.1"), body.as_bytes())),
        ("a tab for a space", before_a_call(head("POST\t/mcp/notes HTTP/1.1"), body.as_bytes())),
    ];
    rows.chain(starts).map(|(name, bytes)| Attack::new(name, bytes, NO_REQUEST)).collect()
}

/// Chunks that do not add up.
fn chunks() -> Vec<Attack> {
    let body = call(ALLOWED, "{}");
    let length = body.len();
    let rows = [
        ("a chunk size with a sign", format!("+{length:x}\r\n{body}\r\n0\r\n\r\n"), BROKEN),
        ("a chunk size with a prefix", format!("0x{length:x}\r\n{body}\r\n0\r\n\r\n"), BROKEN),
        ("a chunk size beyond 64 bits", format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"), BROKEN),
        ("a chunk that is longer than its size", format!("4\r\n{body}\r\n0\r\n\r\n"), BROKEN),
        ("a chunk extension with a line feed", format!("{length:x};a\nb\r\n{body}\r\n0\r\n\r\n"), BROKEN),
        ("a chunk size with a bare line feed", format!("{length:x}\n{body}\r\n0\r\n\r\n"), BROKEN),
    ];
    let rows = rows.into_iter().map(|(name, body, wanted)| {
        Attack::new(name, before_a_call(framed(CHUNKED), body.as_bytes()), wanted)
    });
    rows.chain(inside()).collect()
}

/// A call that stands where a body does. The message ends without doubt, so nothing stands behind it.
fn inside() -> Vec<Attack> {
    let inner = String::from_utf8_lossy(&Ground::honest().bytes()).into_owned();
    let length = inner.len();
    let closing = |framing: &str| Request::call(NOTES, ALLOWED, "").head(framing);
    let rows = [
        ("a request within a chunk", closing(CHUNKED), format!("{length:x}\r\n{inner}\r\n0\r\n\r\n")),
        (
            "a trailer that frames",
            closing(CHUNKED),
            format!("{length:x}\r\n{inner}\r\n0\r\ncontent-length: 4\r\n\r\n"),
        ),
        ("a request as a body", closing(&format!("content-length: {length}\r\n")), inner),
    ];
    let rows = rows.into_iter();
    rows.map(|(name, head, body)| Attack::new(name, [head, body.into_bytes()].concat(), NO_MESSAGE)).collect()
}
