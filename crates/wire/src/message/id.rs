//! Request ids.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::json::{Document, Kind, Limits, Node, unescape, write};

/// Longest id accepted, in bytes as written, quotes included.
pub const MAX_ID: usize = 258;

/// The id of a request: a string, or an integer that fits 64 bits.
///
/// Kept as the peer wrote it, so that an answer repeats it byte for byte. Two ids are equal if they are
/// the same JSON value: `"a"` equals `"\u0061"`, and `1` differs from `"1"`.
#[derive(Clone, Debug)]
pub struct RequestId {
    raw: Bytes,
    /// `raw` in its only form, where there are several.
    canonical: Bytes,
}

/// Why a value cannot be a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    /// `null`, a boolean, an object, an array, a fraction, or a number written with an exponent.
    #[error("an id has to be a string or an integer")]
    Type,
    /// An integer outside −2⁶³…2⁶³−1.
    #[error("an integer id has to fit 64 bits")]
    Range,
    /// More than [`MAX_ID`] bytes.
    #[error("an id has at most 256 bytes")]
    TooLong,
}

impl RequestId {
    /// Reads an id. The bytes are copied, so a kept id does not keep its message in memory.
    pub fn from_node(node: Node<'_>) -> Result<Self, IdFault> {
        let raw = node.raw();
        match node.kind() {
            Kind::String if raw.len() > MAX_ID => Err(IdFault::TooLong),
            Kind::String => Ok(Self::from_string(raw)),
            Kind::Number if !raw.iter().all(|b| matches!(b, b'-' | b'0'..=b'9')) => Err(IdFault::Type),
            Kind::Number => node.as_i64().map(|id| Self::from_integer(raw, id)).ok_or(IdFault::Range),
            _ => Err(IdFault::Type),
        }
    }

    /// Reads an id that stands alone, as one that was stored.
    pub fn parse(raw: &[u8]) -> Result<Self, IdFault> {
        let limits = Limits { max_bytes: MAX_ID, max_depth: 0, ..Limits::default() };
        let document = Document::parse(Bytes::copy_from_slice(raw), &limits).map_err(|_| IdFault::Type)?;
        Self::from_node(document.root())
    }

    /// An integer id of our own.
    pub fn from_u64(id: u64) -> Self {
        // Ids above i64::MAX would be refused when they come back.
        let raw = Bytes::from((id & i64::MAX as u64).to_string());
        Self { canonical: raw.clone(), raw }
    }

    /// A string id of our own; `None` if it is too long.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut raw = Vec::with_capacity(text.len() + 2);
        write::push_str(&mut raw, text);
        (raw.len() <= MAX_ID).then(|| Self::from_string(&raw))
    }

    /// The id as JSON, as the peer wrote it.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The number, if the id is one.
    pub fn as_i64(&self) -> Option<i64> {
        std::str::from_utf8(&self.raw).ok()?.parse().ok()
    }

    fn from_string(raw: &[u8]) -> Self {
        let owned = Bytes::copy_from_slice(raw);
        let canonical = match (memchr::memchr(b'\\', raw), raw.get(1..raw.len().saturating_sub(1))) {
            (Some(_), Some(text)) => {
                let mut out = Vec::with_capacity(raw.len());
                write::push_str(&mut out, &unescape(text).unwrap_or_default());
                out.into()
            }
            _ => owned.clone(),
        };
        Self { raw: owned, canonical }
    }

    fn from_integer(raw: &[u8], id: i64) -> Self {
        let raw = Bytes::copy_from_slice(raw);
        // `-0` is the one integer with two forms.
        let canonical = if id == 0 { Bytes::from_static(b"0") } else { raw.clone() };
        Self { raw, canonical }
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for RequestId {}

impl Hash for RequestId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw))
    }
}
