//! Duplicate keys, without a hash table that a peer could flood.
//!
//! One stack holds the keys of every open object. The first few keys of an object are compared with
//! each other at once; a larger object is sorted when it closes. Sorting by a cheap digest and then by
//! bytes is never worse than n log n comparisons, whatever keys a peer picks, so no secret seed is needed.

use super::{Span, unescape};

/// Objects up to this many keys are checked key by key, larger ones when they close.
const FEW: usize = 8;

/// Set in `Key::len` if the key was written with escapes; `Key::at` then counts in `Keys::decoded`.
const ESCAPED: u32 = 1 << 31;

/// A key of an open object.
#[derive(Clone, Copy)]
struct Key {
    /// Equal for equal keys, different for nearly all others.
    digest: u64,
    at: u32,
    len: u32,
}

/// A key that was written with escapes.
struct Decoded {
    at: u32,
    text: Box<[u8]>,
}

/// The keys of all objects that are open.
pub(super) struct Keys {
    open: Vec<Key>,
    decoded: Vec<Decoded>,
}

impl Keys {
    /// No keys, and room for those of an ordinary message.
    pub(super) fn new() -> Self {
        Self { open: Vec::with_capacity(16), decoded: Vec::new() }
    }

    /// Where the keys of an object opened now will start.
    pub(super) fn base(&self) -> usize {
        self.open.len()
    }

    /// Adds the key written at `span`; false if the object whose keys start at `base` has it already.
    #[inline]
    pub(super) fn add(&mut self, bytes: &[u8], base: usize, span: Span, escaped: bool) -> bool {
        let key = if escaped { self.decode(bytes, span) } else { plain(bytes, span) };
        let seen = self.open.get(base..).unwrap_or_default();
        let same = |other: &Key| other.digest == key.digest && same_text(bytes, &self.decoded, other, &key);
        let fresh = seen.len() >= FEW || !seen.iter().any(same);
        self.open.push(key);
        fresh
    }

    /// Forgets the keys from `base` on; the offset of a duplicate among them, if there is one.
    #[inline]
    pub(super) fn close(&mut self, bytes: &[u8], base: usize) -> Option<usize> {
        let duplicate = if self.open.len() > base + FEW { self.duplicate(bytes, base) } else { None };
        self.open.truncate(base);
        duplicate
    }

    fn duplicate(&mut self, bytes: &[u8], base: usize) -> Option<usize> {
        let decoded = &self.decoded;
        let keys = self.open.get_mut(base..)?;
        keys.sort_unstable_by(|a, b| {
            a.digest.cmp(&b.digest).then_with(|| a.text(bytes, decoded).cmp(b.text(bytes, decoded)))
        });
        let repeats = keys.windows(2).filter_map(|pair| match pair {
            [a, b] if a.digest == b.digest && same_text(bytes, decoded, a, b) => {
                Some(a.offset(decoded).max(b.offset(decoded)))
            }
            _ => None,
        });
        repeats.min()
    }

    #[cold]
    fn decode(&mut self, bytes: &[u8], span: Span) -> Key {
        let mut text = Vec::new();
        unescape::append(&mut text, bytes.get(span.range()).unwrap_or_default());
        let (digest, len) = (digest(&text, 0, text.len()), text.len() as u32);
        self.decoded.push(Decoded { at: span.start, text: text.into() });
        Key { digest, at: self.decoded.len() as u32 - 1, len: len | ESCAPED }
    }
}

impl Key {
    fn text<'a>(&self, bytes: &'a [u8], decoded: &'a [Decoded]) -> &'a [u8] {
        match self.decoded(decoded) {
            Some(decoded) => &decoded.text,
            None => bytes.get(self.at as usize..self.at as usize + self.len as usize).unwrap_or_default(),
        }
    }

    /// Where the key is in the document.
    fn offset(&self, decoded: &[Decoded]) -> usize {
        self.decoded(decoded).map_or(self.at, |decoded| decoded.at) as usize
    }

    fn decoded<'a>(&self, decoded: &'a [Decoded]) -> Option<&'a Decoded> {
        if self.len & ESCAPED != 0 { decoded.get(self.at as usize) } else { None }
    }
}

#[cold]
fn same_text(bytes: &[u8], decoded: &[Decoded], a: &Key, b: &Key) -> bool {
    a.text(bytes, decoded) == b.text(bytes, decoded)
}

#[inline]
fn plain(bytes: &[u8], span: Span) -> Key {
    let len = span.end - span.start;
    Key { digest: digest(bytes, span.start as usize, len as usize), at: span.start, len }
}

/// Tells most keys apart by their length, first and last eight bytes. Collisions cost a comparison,
/// nothing else.
#[inline]
fn digest(bytes: &[u8], at: usize, len: usize) -> u64 {
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    if len >= 8 {
        let key = bytes.get(at..at + len).unwrap_or_default();
        let head = key.first_chunk().map_or(0, |head| u64::from_le_bytes(*head));
        let tail = key.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail));
        return (head ^ len as u64).wrapping_mul(SPREAD) ^ tail.rotate_left(29);
    }
    // Whatever follows the key in the document is masked out.
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk).map(|word| u64::from_le_bytes(*word));
    let word = word.unwrap_or_else(|| short(bytes.get(at..at + len).unwrap_or_default()));
    (word & ((1 << (len * 8)) - 1) | (len as u64) << 56).wrapping_mul(SPREAD)
}

/// A key of less than eight bytes, as the little-endian number it would be with zeros after it.
fn short(key: &[u8]) -> u64 {
    key.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
