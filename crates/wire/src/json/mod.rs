//! JSON read strictly and kept as bytes.
//!
//! [`walk`] accepts RFC 8259 and refuses what two readers could understand differently: duplicate keys,
//! lone surrogates, a byte order mark, numbers that overflow. [`Document`] is the same walk plus an index
//! of the upper levels, so that the parts a gateway needs are found without building a tree. [`Patch`]
//! edits a document and leaves every other byte as it was.

mod document;
mod fault;
mod fold;
mod keys;
mod limits;
mod node;
mod patch;
mod scan;
mod strings;
mod unescape;
mod walk;
pub mod write;

pub use document::{Document, INDEX_DEPTH};
pub use fault::{Fault, FaultKind};
pub use fold::fold;
pub(crate) use fold::folds_alike;
pub use limits::{Limits, MAX_DOCUMENT};
pub use node::{Elements, Kind, Members, Node};
pub use patch::{Patch, PatchFault};
pub use strings::{Strings, Text};
pub use unescape::unescape;
pub use walk::walk;

/// The longest number accepted, in bytes. Exact integers of 256 bits fit; a number built to make a
/// reader's big-number arithmetic expensive does not.
pub const MAX_NUMBER: usize = 128;

/// Receives every string of a document, in order, from the walk that validates it.
///
/// Calls are made as the walk goes, so a document that is refused later has already been reported in part.
pub trait Visit {
    /// One key or string value. `raw` is the text as written between the quotes, valid UTF-8 and
    /// still escaped (see [`unescape`]); `depth` counts the containers around it.
    fn string(&mut self, depth: u16, raw: &[u8], is_key: bool) {
        let _ = (depth, raw, is_key);
    }
}

/// Ignores every string.
impl Visit for () {}

/// A byte range of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just past the last byte.
    pub end: u32,
}

impl Span {
    /// INVARIANT: offsets fit, as no document is longer than [`MAX_DOCUMENT`].
    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The same range for indexing.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}
