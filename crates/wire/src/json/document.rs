//! A validated document and the index of its upper levels.

use std::fmt;

use bytes::Bytes;

use super::walk::{self, Events};
use super::{Fault, Kind, Limits, Node, Span, Visit};

/// Values up to this depth are indexed: in a message the root is 0, `params` 1, its members 2,
/// members of `_meta` 3, members of a listed tool 4. Deeper values are found by scanning.
pub const INDEX_DEPTH: u16 = 4;

/// Levels in the index.
const LEVELS: usize = INDEX_DEPTH as usize + 1;

/// How many bytes of a small message there are per entry, about.
const BYTES_PER_ENTRY: usize = 16;

/// A JSON document that passed the strict walk.
///
/// Cloning copies the index and shares the bytes.
#[derive(Clone)]
pub struct Document {
    bytes: Bytes,
    /// Values in document order. INVARIANT: the first is the root.
    index: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The name without its quotes; empty for elements and the root.
    pub(super) key: Span,
    pub(super) value: Span,
    /// Index of the first entry that is not inside this one.
    pub(super) after: u32,
    pub(super) members: u32,
    pub(super) kind: Kind,
    pub(super) key_escaped: bool,
    /// Whether the members, if there are any, have entries too.
    pub(super) indexed: bool,
}

impl Document {
    /// Validates `bytes` and indexes them.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, Fault> {
        Self::parse_with(bytes, limits, &mut ())
    }

    /// As [`parse`](Self::parse), handing every string to `visitor` in the same walk.
    pub fn parse_with<V: Visit>(bytes: Bytes, limits: &Limits, visitor: &mut V) -> Result<Self, Fault> {
        // Room for a small message at once; a large one is more likely to be one long string.
        let mut index = Vec::with_capacity((bytes.len() / BYTES_PER_ENTRY).clamp(8, 256));
        let indexer = Indexer {
            index: &mut index,
            open: [0; LEVELS],
            key: Span::default(),
            key_escaped: false,
            visitor,
        };
        walk::run(&bytes, limits, indexer)?;
        Ok(Self { bytes, index })
    }

    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        Node::indexed(self, 0)
    }

    /// The document as it was read.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn entry(&self, at: u32) -> Option<&Entry> {
        self.index.get(at as usize)
    }
}

/// Shows the size alone: what peers send may hold secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.bytes.len())
    }
}

struct Indexer<'d, V> {
    index: &'d mut Vec<Entry>,
    /// Entry of the container open at each level.
    open: [u32; LEVELS],
    key: Span,
    key_escaped: bool,
    visitor: &'d mut V,
}

impl<V> Indexer<'_, V> {
    fn push(&mut self, depth: u16, kind: Kind, value: Span) {
        if depth > INDEX_DEPTH {
            return;
        }
        self.index.push(Entry {
            key: std::mem::take(&mut self.key),
            value,
            after: self.index.len() as u32 + 1,
            members: 0,
            kind,
            key_escaped: std::mem::take(&mut self.key_escaped),
            indexed: depth < INDEX_DEPTH,
        });
    }
}

impl<V: Visit> Events for Indexer<'_, V> {
    fn key(&mut self, depth: u16, span: Span, escaped: bool, raw: &[u8]) {
        self.visitor.string(depth, raw, true);
        if depth <= INDEX_DEPTH {
            (self.key, self.key_escaped) = (span, escaped);
        }
    }

    fn string(&mut self, depth: u16, span: Span, raw: &[u8]) {
        self.visitor.string(depth, raw, false);
        self.push(depth, Kind::String, span);
    }

    fn scalar(&mut self, depth: u16, kind: Kind, span: Span) {
        self.push(depth, kind, span);
    }

    fn open(&mut self, depth: u16, kind: Kind, at: usize) {
        if let Some(slot) = self.open.get_mut(usize::from(depth)) {
            *slot = self.index.len() as u32;
        }
        self.push(depth, kind, Span::new(at, at));
    }

    fn close(&mut self, depth: u16, end: usize, members: u32) {
        let after = self.index.len() as u32;
        let open = self.open.get(usize::from(depth)).and_then(|at| self.index.get_mut(*at as usize));
        if let Some(entry) = open {
            entry.value.end = end as u32;
            entry.after = after;
            entry.members = members;
        }
    }
}
