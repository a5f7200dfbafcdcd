//! One pass over every entry: the tree is built twice, from the entries and from the leaf hashes in the tiles, and
//! each is compared with what was signed.

use std::convert::Infallible;

use super::{FindingKind, Kept, Verification, records::Order};
use crate::{
    note::Checkpoint,
    tlog::LogDir,
    tree::{Edge, Kind, TILE_WIDTH, TilePath, TreeHash},
};

pub(super) struct Walk<'a> {
    directory: &'a LogDir,
    checkpoint: &'a Checkpoint,
    /// Checkpoints to compare with, largest first.
    kept: Vec<Kept>,
    from_entries: Edge,
    from_tiles: Edge,
    order: Order,
    seen: Seen,
}

/// The first of each kind.
#[derive(Default)]
struct Seen {
    /// An entry that is not the one its tile says.
    differs: Option<u64>,
    missing: Option<(u64, String)>,
    /// A tile that is not that of the entries.
    tile: Option<String>,
    /// The largest size at which the entries agree with an earlier checkpoint.
    agreed: u64,
    /// The smallest size at which they do not, when it was kept elsewhere and when it was not.
    rewritten: Option<u64>,
    disagreed: Option<u64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(directory: &'a LogDir, checkpoint: &'a Checkpoint, mut kept: Vec<Kept>) -> Self {
        kept.reverse();
        let (from_entries, from_tiles) = (Edge::new(), Edge::new());
        Self {
            directory,
            checkpoint,
            kept,
            from_entries,
            from_tiles,
            order: Order::default(),
            seen: Seen::default(),
        }
    }

    pub(super) fn run(mut self, report: &mut Verification, progress: &mut dyn FnMut(u64)) {
        self.compare(report);
        for path in TilePath::all(Kind::Entries, self.checkpoint.size) {
            self.bundle(path, report);
            if self.seen.missing.is_some() {
                break;
            }
            report.checked = self.from_entries.size();
            progress(report.checked);
        }
        if self.seen.missing.is_none() {
            self.partial_tiles();
        }
        self.conclude(report);
    }

    fn bundle(&mut self, path: TilePath, report: &mut Verification) {
        let first = path.index * TILE_WIDTH as u64;
        let leaves = self.directory.hashes(TilePath { kind: Kind::Hashes(0), ..path });
        if let Err(fault) = &leaves {
            self.seen.tile.get_or_insert(fault.to_string());
        }
        let mut leaves = leaves.unwrap_or_default().into_iter();
        let bundle = match self.directory.bundle(path) {
            Ok(bundle) => bundle,
            Err(fault) => return self.seen.missing = Some((first, fault.to_string())),
        };
        if bundle.surplus {
            self.seen.tile.get_or_insert_with(|| format!("`{path}` holds more than its entries"));
        }
        let entries = bundle.entries;
        for (entry, number) in entries.iter().zip(first..) {
            self.order.check(number, entry, report);
            self.add(number, TreeHash::leaf(entry), leaves.next());
            self.compare(report);
        }
        if entries.len() < path.width {
            let number = first + entries.len() as u64;
            self.seen.missing =
                Some((number, format!("`{path}` holds {} of {} entries", entries.len(), path.width)));
        }
    }

    fn add(&mut self, number: u64, entry: TreeHash, tile: Option<TreeHash>) {
        if tile.is_some_and(|tile| tile != entry) {
            self.seen.differs.get_or_insert(number);
        }
        let (directory, found) = (self.directory, &mut self.seen.tile);
        let pushed = self.from_entries.push(entry, |level, index, hashes| {
            let path = TilePath::full(Kind::Hashes(level), index);
            note_difference(directory, path, hashes, found);
            Ok::<_, Infallible>(())
        });
        pushed.unwrap_or_else(|never| match never {});
        let pushed = self.from_tiles.push(tile.unwrap_or(entry), |_, _, _| Ok::<_, Infallible>(()));
        pushed.unwrap_or_else(|never| match never {});
    }

    fn partial_tiles(&mut self) {
        for (level, index, hashes) in self.from_entries.partial() {
            let path = TilePath { kind: Kind::Hashes(level), index, width: hashes.len() };
            note_difference(self.directory, path, hashes, &mut self.seen.tile);
        }
    }

    /// Compares with every kept checkpoint of the size reached.
    fn compare(&mut self, report: &mut Verification) {
        let size = self.from_entries.size();
        while self.kept.last().is_some_and(|kept| kept.checkpoint.size == size) {
            let Some(kept) = self.kept.pop() else { break };
            if kept.checkpoint.root == self.from_entries.root() {
                self.seen.agreed = self.seen.agreed.max(size);
                if kept.elsewhere {
                    report.continues.push(size);
                }
            } else if kept.elsewhere {
                self.seen.rewritten.get_or_insert(size);
            } else {
                self.seen.disagreed.get_or_insert(size);
            }
        }
    }

    fn conclude(self, report: &mut Verification) {
        let Self { checkpoint, kept, from_entries, from_tiles, seen, .. } = self;
        let size = checkpoint.size;
        for kept in kept.iter().filter(|kept| kept.elsewhere && kept.checkpoint.size > size) {
            let known = kept.checkpoint.size;
            let detail = format!("the log was known to have {known} entries and has {size}");
            report.find(FindingKind::Rollback, Some(size), None, detail);
        }
        if let Some((number, what)) = &seen.missing {
            report.find(FindingKind::Missing, Some(*number), None, what.clone());
        }
        let whole = seen.missing.is_none() && from_entries.root() == checkpoint.root;
        match seen.differs {
            // The signed root is that of the entries, so it is the tile that was changed.
            _ if whole => {
                if let Some(what) = &seen.tile {
                    report.find(
                        FindingKind::Tile,
                        None,
                        None,
                        format!("{what}; the entries are those that were signed"),
                    );
                }
            }
            Some(number) => {
                let signed = from_tiles.root() == checkpoint.root;
                let sure = if signed {
                    "the tree that was signed has another one"
                } else {
                    "its tile has another one"
                };
                report.find(FindingKind::Entry, Some(number), None, sure.to_owned());
            }
            None if seen.missing.is_none() => {
                let upper = seen.disagreed.or(seen.rewritten).unwrap_or(size).min(size);
                let detail =
                    "the entries and the tiles agree with each other and not with what was signed".to_owned();
                report.find(FindingKind::Root, Some(seen.agreed), Some(upper), detail);
            }
            None => {}
        }
        if let Some(known) = seen.rewritten {
            let first = seen.differs.unwrap_or(seen.agreed);
            let before = seen.differs.is_none().then_some(seen.disagreed.unwrap_or(known).min(known));
            let detail = format!(
                "the log does not continue the checkpoint of {known} entries that was kept elsewhere"
            );
            report.find(FindingKind::Rewritten, Some(first), before, detail);
        }
    }
}

fn note_difference(directory: &LogDir, path: TilePath, hashes: &[TreeHash], found: &mut Option<String>) {
    if found.is_some() {
        return;
    }
    match directory.hashes(path) {
        Err(fault) => *found = Some(fault.to_string()),
        Ok(there) if there != hashes => *found = Some(format!("`{path}` is not the tile of the entries")),
        Ok(_) => {}
    }
}
