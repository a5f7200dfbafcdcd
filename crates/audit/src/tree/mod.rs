//! The Merkle tree of RFC 6962, section 2.1, over SHA-256: what it is made of, without any I/O.

mod edge;
mod proof;
mod tile;

#[cfg(test)]
mod tests;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

pub use edge::Edge;
pub use proof::{Nodes, consistency, consistent, inclusion, root_through};
pub use tile::{Kind, TILE_WIDTH, TilePath};

/// Two tiles of this height and width are one level apart.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// A hash of the tree: of a leaf, of two nodes, or the root.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash([u8; 32]);

impl TreeHash {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The hash of an entry.
    pub fn leaf(entry: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0]);
        hasher.update(entry);
        Self(hasher.finalize().into())
    }

    /// The hash of two subtrees.
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([1]);
        hasher.update(left.0);
        hasher.update(right.0);
        Self(hasher.finalize().into())
    }

    /// The root of a tree without entries.
    pub fn empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The hash in `bytes`, when they are 32.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The hash written in base64 as in checkpoints and proofs. Only the one spelling of each is accepted.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(&STANDARD.decode(text).ok()?)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash over consecutive subtrees of one size, the last of which may be smaller; none over nothing.
///
/// Pairing neighbours and carrying an odd last one up gives the same tree as splitting at the largest power
/// of two.
pub fn fold(hashes: &[TreeHash]) -> Option<TreeHash> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let pairs = row.chunks(2).filter_map(|pair| match pair {
            [left, right] => Some(TreeHash::node(left, right)),
            [odd] => Some(*odd),
            _ => None,
        });
        row = pairs.collect();
    }
    row.pop()
}
