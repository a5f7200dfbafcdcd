//! Finding a record in a log, and proving that it is there.

use serde::Deserialize;

use super::{LogDir, LogFault, reader::TileNodes};
use crate::{
    note::{Checkpoint, InclusionProof, Note},
    tree::{Kind, TILE_WIDTH, TilePath, TreeHash, consistency, inclusion},
};

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<std::borrow::Cow<'a, str>>,
}

impl LogDir {
    /// The first record called `id` among the first `size` entries, with its number.
    ///
    /// # Errors
    /// [`LogFault`] when an entry before it cannot be read.
    pub fn find(&self, id: &str, size: u64) -> Result<Option<(u64, Vec<u8>)>, LogFault> {
        for path in TilePath::all(Kind::Entries, size) {
            let first = path.index * TILE_WIDTH as u64;
            let is_it = |entry: &Vec<u8>| {
                serde_json::from_slice::<Head<'_>>(entry).is_ok_and(|head| head.id.as_deref() == Some(id))
            };
            if let Some(found) = self.entries(path)?.into_iter().zip(first..).find(|(entry, _)| is_it(entry))
            {
                return Ok(Some((found.1, found.0)));
            }
        }
        Ok(None)
    }

    /// The proof that entry `index` is part of the tree of a checkpoint of this log.
    ///
    /// # Errors
    /// [`LogFault`] when a tile it needs cannot be read.
    pub fn prove(&self, index: u64, note: Note, checkpoint: &Checkpoint) -> Result<InclusionProof, LogFault> {
        let mut nodes = TileNodes::new(self, checkpoint.size);
        Ok(InclusionProof { index, path: inclusion(&mut nodes, index, checkpoint.size)?, checkpoint: note })
    }

    /// The proof that the tree of `old` entries is the beginning of the tree of `new`, which this log has.
    ///
    /// # Errors
    /// [`LogFault`] when a tile it needs cannot be read.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<TreeHash>, LogFault> {
        consistency(&mut TileNodes::new(self, new), old, new)
    }
}
