//! The part of a tree that still changes when an entry is added.

use super::{TILE_HEIGHT, TILE_WIDTH, TreeHash, fold};

/// The right edge of a growing tree: of each level of tiles, the hashes of the one that is not full.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<TreeHash>>,
}

impl Edge {
    /// The edge of a tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a tree of `size` entries from its partial tiles, lowest first; none when a tile has another
    /// width than that size demands.
    pub fn restore(size: u64, levels: Vec<Vec<TreeHash>>) -> Option<Self> {
        let fits = levels.iter().zip(0..).all(|(tile, level)| tile.len() == width(size, level));
        let whole = levels.len() == depth(size);
        (fits && whole).then_some(Self { size, levels })
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    pub fn root(&self) -> TreeHash {
        let mut lower: Option<TreeHash> = None;
        for tile in &self.levels {
            lower = match lower {
                None => fold(tile),
                Some(lower) => fold(&tile.iter().copied().chain([lower]).collect::<Vec<_>>()),
            };
        }
        lower.unwrap_or_else(TreeHash::empty)
    }

    /// Adds a leaf. Each tile it fills is handed to `full` with its level and index, lowest first.
    ///
    /// # Errors
    /// What `full` returns; the leaf is part of the tree all the same.
    pub fn push<E>(
        &mut self,
        leaf: TreeHash,
        mut full: impl FnMut(u8, u64, &[TreeHash]) -> Result<(), E>,
    ) -> Result<(), E> {
        let position = self.size;
        self.size += 1;
        let mut carried = leaf;
        for level in 0..=u8::MAX {
            if self.levels.len() == usize::from(level) {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(tile) = self.levels.get_mut(usize::from(level)) else { break };
            tile.push(carried);
            if tile.len() < TILE_WIDTH {
                break;
            }
            let index = position >> (TILE_HEIGHT * (u32::from(level) + 1));
            let handed = full(level, index, tile);
            carried = fold(tile).unwrap_or(carried);
            tile.clear();
            handed?;
        }
        Ok(())
    }

    /// The tiles that are not full and not empty: level, index and hashes, lowest first.
    pub fn partial(&self) -> impl Iterator<Item = (u8, u64, &[TreeHash])> {
        let levels = self.levels.iter().zip(0_u8..);
        levels.filter(|(tile, _)| !tile.is_empty()).map(|(tile, level)| {
            (level, self.size >> (TILE_HEIGHT * (u32::from(level) + 1)), tile.as_slice())
        })
    }
}

/// How many hashes the partial tile of a level has.
fn width(size: u64, level: u32) -> usize {
    let complete = size.checked_shr(TILE_HEIGHT * level).unwrap_or(0);
    usize::try_from(complete % TILE_WIDTH as u64).unwrap_or(0)
}

/// How many levels of tiles a tree has, the highest with at least one hash.
fn depth(size: u64) -> usize {
    (0..8).take_while(|level| size >> (TILE_HEIGHT * level) > 0).count()
}
