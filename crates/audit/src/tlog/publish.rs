//! What of a log is to be copied to where others read it.

use super::{LogDir, LogFault};
use crate::tree::{Kind, TilePath};

/// A tree of 2^64 leaves has as many levels of tiles.
const LEVELS: u8 = 8;

impl LogDir {
    /// The tiles of the tree of `size` entries that are not whole in the tree of `from`, entries first: what a copy lacks.
    pub fn lacking(from: u64, size: u64) -> impl Iterator<Item = TilePath> {
        let kinds = std::iter::once(Kind::Entries).chain((0..LEVELS).map(Kind::Hashes));
        kinds.flat_map(move |kind| {
            let whole = TilePath::all(kind, from).filter(TilePath::is_full).count();
            TilePath::all(kind, size).skip(whole)
        })
    }

    /// A tile as it is kept, no wider than asked for.
    ///
    /// # Errors
    /// [`LogFault`] when it is missing or does not hold as much.
    pub fn contents(&self, path: TilePath) -> Result<Vec<u8>, LogFault> {
        match path.kind {
            Kind::Hashes(_) => Ok(self.hashes(path)?.iter().flat_map(|hash| *hash.as_bytes()).collect()),
            Kind::Entries => {
                let mut bytes = Vec::new();
                for entry in self.entries(path)? {
                    // It was read from behind a length in two bytes.
                    bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
                    bytes.extend_from_slice(&entry);
                }
                Ok(bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_gets_what_it_lacks() {
        for (from, size, expected) in [
            (0, 0, &[][..]),
            (0, 3, &["tile/entries/000.p/3", "tile/0/000.p/3"]),
            (3, 3, &["tile/entries/000.p/3", "tile/0/000.p/3"]),
            (256, 257, &["tile/entries/001.p/1", "tile/0/001.p/1", "tile/1/000.p/1"]),
            (
                255,
                512,
                &["tile/entries/000", "tile/entries/001", "tile/0/000", "tile/0/001", "tile/1/000.p/2"],
            ),
        ] {
            let lacking: Vec<_> = LogDir::lacking(from, size).map(|path| path.to_string()).collect();
            assert_eq!(lacking, expected, "{from} {size}");
        }
    }
}
