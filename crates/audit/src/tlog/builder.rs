//! The tree as it grows, and the files it becomes.

use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
};

use super::{bundle, lay::Unsynced, reader::LogDir, state::State};
use crate::tree::{Edge, Kind, TILE_WIDTH, TilePath, TreeHash};

/// The right edge of a log in memory, and what of it is still to be written.
pub(super) struct Builder {
    directory: PathBuf,
    edge: Edge,
    /// The bundle that is not full.
    bundle: Vec<u8>,
    /// Full tiles and bundles not written yet.
    full: Vec<(TilePath, Vec<u8>)>,
    /// Partial tiles of the last two checkpoints, older first.
    partial: [Vec<TilePath>; 2],
}

impl Builder {
    /// The log in `directory` at its last checkpoint.
    pub(super) fn open(directory: &Path) -> Result<(Self, Option<State>), String> {
        let empty = |edge, bundle| Self {
            directory: directory.to_owned(),
            edge,
            bundle,
            full: Vec::new(),
            partial: [Vec::new(), Vec::new()],
        };
        let log = LogDir::at(directory);
        let Some(state) = State::read(directory)? else {
            return match log.checkpoint() {
                Ok(_) => Err("it has a checkpoint but no `state.json`: it is a copy".to_owned()),
                Err(_) => Ok((empty(Edge::new(), Vec::new()), None)),
            };
        };
        let edge = restore(&log, state.checkpoint.size)?;
        if edge.root() != state.checkpoint.root {
            return Err("its tiles are not those of its last checkpoint".to_owned());
        }
        if log.checkpoint().is_ok_and(|(_, newest)| newest.size > state.checkpoint.size) {
            return Err("its checkpoint is ahead of its state: an older copy was put back".to_owned());
        }
        let bundle = partial_bundle(&log, &edge)?;
        Ok((empty(edge, bundle), Some(state)))
    }

    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    pub(super) fn root(&self) -> TreeHash {
        self.edge.root()
    }

    /// The hash of the last entry; none when there is none, or its tile is full and no longer in memory.
    pub(super) fn last_leaf(&self) -> Option<TreeHash> {
        let (level, _, leaves) = self.edge.partial().next()?;
        leaves.last().copied().filter(|_| level == 0)
    }

    /// Adds an entry; says whether it is short enough to be one.
    pub(super) fn push(&mut self, entry: &[u8]) -> bool {
        if !bundle::push(&mut self.bundle, entry) {
            return false;
        }
        let (position, full) = (self.edge.size(), &mut self.full);
        let pushed = self.edge.push(TreeHash::leaf(entry), |level, index, hashes| {
            full.push((TilePath::full(Kind::Hashes(level), index), concat(hashes)));
            Ok::<_, Infallible>(())
        });
        pushed.unwrap_or_else(|never| match never {});
        if self.edge.size().is_multiple_of(TILE_WIDTH as u64) {
            let path = TilePath::full(Kind::Entries, position / TILE_WIDTH as u64);
            full.push((path, std::mem::take(&mut self.bundle)));
        }
        true
    }

    /// Writes every tile that the tree has and the disk has not, durably. Whoever fails here can try again.
    pub(super) fn lay(&mut self) -> io::Result<()> {
        let mut unsynced = Unsynced::default();
        for (path, bytes) in &self.full {
            unsynced.write(&self.directory.join(path.to_string()), bytes)?;
        }
        let mut partial = Vec::new();
        for (level, index, hashes) in self.edge.partial() {
            let path = TilePath { kind: Kind::Hashes(level), index, width: hashes.len() };
            unsynced.write(&self.directory.join(path.to_string()), &concat(hashes))?;
            partial.push(path);
            if level == 0 {
                let path = TilePath { kind: Kind::Entries, ..path };
                unsynced.write(&self.directory.join(path.to_string()), &self.bundle)?;
                partial.push(path);
            }
        }
        unsynced.sync(&self.directory)?;
        self.tidy(partial);
        Ok(())
    }

    /// Removes partial tiles nobody needs any more. A reader that is in the middle of the checkpoint before
    /// still finds its own.
    fn tidy(&mut self, written: Vec<TilePath>) {
        for (path, _) in self.full.drain(..) {
            // What stays behind costs space and misleads nobody.
            let _ = fs::remove_dir_all(self.directory.join(format!("{path}.p")));
        }
        let [older, newer] = &mut self.partial;
        for path in older.iter().filter(|path| !newer.contains(path) && !written.contains(path)) {
            let _ = fs::remove_file(self.directory.join(path.to_string()));
        }
        *older = std::mem::replace(newer, written);
    }
}

/// The right edge of a tree of `size` entries, from its partial tiles.
fn restore(log: &LogDir, size: u64) -> Result<Edge, String> {
    let mut levels = Vec::new();
    for level in (0..8).take_while(|level| size >> (8 * u32::from(*level)) > 0) {
        let last = TilePath::all(Kind::Hashes(level), size).last().filter(|path| !path.is_full());
        levels.push(
            last.map_or_else(|| Ok(Vec::new()), |path| log.hashes(path))
                .map_err(|fault| fault.to_string())?,
        );
    }
    Edge::restore(size, levels).ok_or_else(|| "its tiles do not have the widths of its size".to_owned())
}

/// The bundle that is not full, checked against the leaves.
fn partial_bundle(log: &LogDir, edge: &Edge) -> Result<Vec<u8>, String> {
    let Some((0, index, leaves)) = edge.partial().next() else { return Ok(Vec::new()) };
    let path = TilePath { kind: Kind::Entries, index, width: leaves.len() };
    let entries = log.entries(path).map_err(|fault| fault.to_string())?;
    let mut bytes = Vec::new();
    for (entry, leaf) in entries.iter().zip(leaves) {
        if TreeHash::leaf(entry) != *leaf {
            return Err(format!("an entry in `{path}` is not the one in the tree"));
        }
        bundle::push(&mut bytes, entry);
    }
    Ok(bytes)
}

fn concat(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}
