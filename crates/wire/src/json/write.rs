//! Writing JSON, for the few messages that do not exist as bytes yet.

use std::fmt::Write as _;

/// Appends `text` as a JSON string, quotes included, with the shortest escapes RFC 8259 allows.
pub fn push_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, tail)) = special.split_first() else { break };
        push_escape(out, *byte);
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x8 => b'b',
        0xC => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let mut long = String::with_capacity(6);
            // Writing to a string cannot fail.
            let _ = write!(long, "\\u{byte:04x}");
            return out.extend_from_slice(long.as_bytes());
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends an integer.
pub fn push_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// Writes one object, member by member, to the end of a buffer.
///
/// ```
/// let mut out = Vec::new();
/// let mut object = portcullis_wire::json::write::Object::start(&mut out);
/// object.str("a", "x").raw("b", b"[1]");
/// object.end();
/// assert_eq!(out, br#"{"a":"x","b":[1]}"#);
/// ```
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    /// Opens an object at the end of `out`.
    pub fn start(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes a name and returns the buffer, to which the caller appends exactly one JSON value.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        push_str(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A member whose value is already JSON.
    pub fn raw(&mut self, key: &str, json: &[u8]) -> &mut Self {
        self.key(key).extend_from_slice(json);
        self
    }

    /// A string member.
    pub fn str(&mut self, key: &str, text: &str) -> &mut Self {
        push_str(self.key(key), text);
        self
    }

    /// An integer member.
    pub fn int(&mut self, key: &str, number: i64) -> &mut Self {
        push_i64(self.key(key), number);
        self
    }

    /// A boolean member.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { b"true" } else { b"false" })
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push(b'}');
    }
}
