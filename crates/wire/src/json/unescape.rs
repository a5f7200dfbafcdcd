//! Decoding of string escapes, for bytes that passed the strict walk.

use std::borrow::Cow;

use super::scan::hex4;

/// The text of a string as written between its quotes, borrowed when it holds no escape.
///
/// `raw` must come from a document that passed the strict walk; from anything else the result is
/// unspecified text, or `None` where the bytes are not UTF-8.
pub fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', raw).is_none() {
        return simdutf8::basic::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let mut text = Vec::with_capacity(raw.len());
    append(&mut text, raw);
    String::from_utf8(text).ok().map(Cow::Owned)
}

/// Appends the decoded form of `raw` to `out`.
pub(super) fn append(out: &mut Vec<u8>, raw: &[u8]) {
    let mut rest = raw;
    while let Some((plain, escape)) = memchr::memchr(b'\\', rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        let (decoded, len) = decode(escape);
        out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escape.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The character that `escape`, a slice starting at a backslash, stands for, and its length in bytes.
fn decode(escape: &[u8]) -> (char, usize) {
    match escape.get(1) {
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => decode_unicode(escape),
        Some(same) => (char::from(*same), 2),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

fn decode_unicode(escape: &[u8]) -> (char, usize) {
    let high = hex4(escape, 2).unwrap_or(0xFFFD);
    if let Some(plain) = char::from_u32(high) {
        return (plain, 6);
    }
    let low = hex4(escape, 8).unwrap_or(0xFFFD);
    let code = 0x1_0000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
}
