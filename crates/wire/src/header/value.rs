//! The encoding of `Mcp-Name` and `Mcp-Param-*` values.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// The header value for `text`: itself where that is safe, else base64 between markers.
pub fn encode_value(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(text)))
}

/// The text that a header value stands for; `None` if it has other characters than visible ASCII, space
/// and tab, or markers around something that is not base64 of UTF-8.
pub fn decode_value(value: &str) -> Option<Cow<'_, str>> {
    if !value.bytes().all(is_value_byte) {
        return None;
    }
    match value.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(Cow::Owned),
        None => Some(Cow::Borrowed(value)),
    }
}

/// Whether `text` can stand in a header as it is, and nothing that a reader would take for an encoded value.
fn is_plain(text: &str) -> bool {
    let marked = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    is_literal(text) && !marked
}

/// Whether `text` survives a header unchanged: characters that every reader takes, and no outer whitespace,
/// which would be trimmed (RFC 9110 section 5.5).
pub(super) fn is_literal(text: &str) -> bool {
    let padded = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    text.bytes().all(is_value_byte) && !padded
}

fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}
