//! Where tiles are kept: the paths of C2SP tlog-tiles.

use std::fmt::{self, Write as _};

use super::TILE_HEIGHT;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: usize = 1 << TILE_HEIGHT;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Hashes of this level; 0 are the leaves.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// One tile or entry bundle of a log. Displays as its path below the log's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TilePath {
    /// What it holds.
    pub kind: Kind,
    /// Its number in its level.
    pub index: u64,
    /// How many hashes or entries it holds: 1 to 256.
    pub width: usize,
}

impl TilePath {
    /// The full tile of this kind and number.
    pub fn full(kind: Kind, index: u64) -> Self {
        Self { kind, index, width: TILE_WIDTH }
    }

    /// The tiles that a tree of `size` entries has of a kind, in order, its partial one last.
    pub fn all(kind: Kind, size: u64) -> impl Iterator<Item = Self> {
        let level = match kind {
            Kind::Hashes(level) => u32::from(level),
            Kind::Entries => 0,
        };
        let hashes = size.checked_shr(TILE_HEIGHT * level).unwrap_or(0);
        let (full, rest) = (hashes / TILE_WIDTH as u64, hashes % TILE_WIDTH as u64);
        let partial = usize::try_from(rest).ok().filter(|width| *width > 0);
        let partial = partial.map(|width| Self { kind, index: full, width });
        (0..full).map(move |index| Self::full(kind, index)).chain(partial)
    }

    /// Whether it is full.
    pub fn is_full(&self) -> bool {
        self.width >= TILE_WIDTH
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
            Kind::Entries => f.write_str("tile/entries/")?,
        }
        let digits = self.index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let groups = padded.len() / 3;
        for (at, digit) in padded.chars().enumerate() {
            if at % 3 == 0 {
                f.write_str(if at > 0 { "/" } else { "" })?;
                f.write_str(if at / 3 + 1 < groups { "x" } else { "" })?;
            }
            f.write_char(digit)?;
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}
