#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::{
    FindingKind::{Entry, Key, Missing, NoRecord, Order, Rewritten, Rollback, Root, Tile},
    *,
};
use crate::{
    note::{Algorithm, KeyRing, SigningKey},
    tlog::{decode_bundle, fixture::*},
    tree::{Edge, Kind, TILE_WIDTH, TilePath, TreeHash},
};

const SIZE: u64 = 600;

/// A log of 600 entries that has been written in three runs, and its checkpoint after each.
struct Site {
    ground: Ground,
    kept: Vec<Note>,
    first: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let mut ground = Ground::new();
        let mut kept = Vec::new();
        let mut copies = Vec::new();
        for count in [270, 130, 200] {
            // The history is to have the ends of the runs and nothing else.
            ground.run_at_once(count);
            kept.push(ground.log().checkpoint().unwrap().0);
            copies.push(ground.copy());
        }
        Self { ground, kept, first: copies.swap_remove(1) }
    }

    fn path(&self, path: TilePath) -> PathBuf {
        self.ground.directory().join(path.to_string())
    }

    fn entries(&self) -> Vec<Vec<u8>> {
        let paths = TilePath::all(Kind::Entries, SIZE);
        paths.flat_map(|path| self.ground.log().entries(path).unwrap()).collect()
    }

    /// Changes the entries of the bundle that holds `number`, and no tile.
    fn edit(&self, number: u64, change: impl FnOnce(&mut Vec<Vec<u8>>, usize)) {
        let path = TilePath::all(Kind::Entries, SIZE).nth(usize::try_from(number / 256).unwrap()).unwrap();
        let bytes = fs::read(self.path(path)).unwrap();
        let mut entries: Vec<_> = decode_bundle(&bytes).0.into_iter().map(<[u8]>::to_vec).collect();
        change(&mut entries, usize::try_from(number % 256).unwrap());
        fs::write(self.path(path), encode(&entries)).unwrap();
    }

    /// Rebuilds every tile over other entries, as whoever can write the directory can.
    fn rebuild(&self, entries: &[Vec<u8>]) -> Edge {
        let mut edge = Edge::new();
        for (number, entry) in entries.iter().enumerate() {
            let put = |level, index, hashes: &[TreeHash]| self.put(level, index, hashes);
            edge.push(TreeHash::leaf(entry), put).unwrap();
            let filled = number + 1;
            if filled % TILE_WIDTH == 0 || filled == entries.len() {
                let first = (filled - 1) / TILE_WIDTH * TILE_WIDTH;
                let path = TilePath {
                    kind: Kind::Entries,
                    index: (first / TILE_WIDTH) as u64,
                    width: filled - first,
                };
                fs::write(self.path(path), encode(&entries[first..filled])).unwrap();
            }
        }
        let partial: Vec<_> = edge.partial().map(|(l, i, hashes)| (l, i, hashes.to_vec())).collect();
        partial.iter().for_each(|(level, index, hashes)| self.put(*level, *index, hashes).unwrap());
        edge
    }

    fn put(&self, level: u8, index: u64, hashes: &[TreeHash]) -> Result<(), std::io::Error> {
        let path = TilePath { kind: Kind::Hashes(level), index, width: hashes.len() };
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        fs::write(self.path(path), bytes)
    }

    fn sign(&self, ring: &KeyRing, edge: &Edge) {
        let checkpoint = Checkpoint { origin: NAME.to_owned(), size: edge.size(), root: edge.root() };
        let note = ring.sign(&checkpoint, 0).unwrap();
        fs::write(self.ground.directory().join("checkpoint"), note.to_string()).unwrap();
    }

    fn trust(&self) -> Trust {
        self.ground.trust()
    }

    fn since(&self, nth: usize) -> Trust {
        Trust { since: vec![self.kept[nth].clone()], ..self.trust() }
    }

    #[track_caller]
    fn check(&self, trust: &Trust, wanted: &[Found]) {
        let report = self.ground.verify_with(trust);
        let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.first_bad_entry, f.before)).collect();
        assert_eq!(found, wanted, "{:?}", report.findings);
    }
}

fn encode(entries: &[Vec<u8>]) -> Vec<u8> {
    entries.iter().flat_map(|e| [&u16::try_from(e.len()).unwrap().to_be_bytes()[..], e].concat()).collect()
}

#[test]
fn a_whole_log_is_whole() {
    let site = Site::new();
    let report = site.ground.verify_with(&Trust { since: site.kept.clone(), ..site.trust() });
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.checked, &report.continues), (SIZE, SIZE, &vec![270, 400, 600]));
}

/// Kind, first bad entry, and the entry before which it is.
type Found = (FindingKind, Option<u64>, Option<u64>);
/// Its name, the entry, what is done to its bundle, and what has to be found.
type Change = (&'static str, u64, fn(&mut Vec<Vec<u8>>, usize), &'static [Found]);

#[test]
fn entries_changed_in_place_are_named() {
    let cases: [Change; 6] = [
        ("flip", 300, |e, at| e[at][45] ^= 1, &[(Entry, Some(300), None)]),
        ("delete", 300, |e, at| drop(e.remove(at)), &[(Entry, Some(300), None), (Missing, Some(511), None)]),
        (
            "insert",
            300,
            |e, at| e.insert(at, record(100_000)),
            &[(Entry, Some(300), None), (Order, Some(301), None)],
        ),
        ("reorder", 300, |e, at| e.swap(at, at + 1), &[(Entry, Some(300), None), (Order, Some(301), None)]),
        (
            "replay",
            400,
            |e, at| e[at] = e[at - 100].clone(),
            &[(Entry, Some(400), None), (Order, Some(400), None)],
        ),
        (
            "no record",
            10,
            |e, at| e[at] = b"nothing".to_vec(),
            &[(Entry, Some(10), None), (NoRecord, Some(10), None)],
        ),
    ];
    for (name, number, change, wanted) in cases {
        let site = Site::new();
        site.edit(number, change);
        let report = site.ground.verify();
        let mut found: Vec<_> =
            report.findings.iter().map(|f| (f.kind, f.first_bad_entry, f.before)).collect();
        found.dedup_by_key(|(kind, ..)| *kind);
        found.truncate(wanted.len());
        found.sort_by_key(|(kind, number, _)| (*number, kind.as_str()));
        let mut wanted = wanted.to_vec();
        wanted.sort_by_key(|(kind, number, _)| (*number, kind.as_str()));
        assert_eq!(found, wanted, "{name}: {:?}", report.findings);
        assert_eq!(report.first_bad_entry(), Some(number), "{name}");
    }
}

#[test]
fn what_is_cut_off_is_missed() {
    let site = Site::new();
    fs::remove_dir_all(site.ground.directory().join("tile/entries/002.p")).unwrap();
    site.check(&site.trust(), &[(Missing, Some(512), None)]);
    let site = Site::new();
    site.edit(599, |entries, _| entries.truncate(80));
    site.check(&site.trust(), &[(Missing, Some(592), None)]);
}

#[test]
fn an_older_copy_shows_against_a_checkpoint_that_was_kept() {
    let site = Site::new();
    site.ground.put_back(&site.first);
    site.check(&site.trust(), &[]);
    site.check(&site.since(1), &[]);
    site.check(&site.since(2), &[(Rollback, Some(400), None)]);
}

#[test]
fn a_rebuilt_tree_does_not_have_the_signed_root() {
    let site = Site::new();
    let mut entries = site.entries();
    entries[450][45] ^= 1;
    site.rebuild(&entries);
    // The history has a checkpoint of 400 entries that still holds.
    site.check(&site.trust(), &[(Root, Some(400), Some(600))]);
    site.check(&site.since(1), &[(Root, Some(400), Some(600))]);
    site.check(&site.since(2), &[(Root, Some(400), Some(600)), (Rewritten, Some(400), Some(600))]);
}

#[test]
fn signing_it_again_takes_the_key_and_still_shows() {
    let site = Site::new();
    let mut entries = site.entries();
    entries.remove(100);
    let edge = site.rebuild(&entries);
    let own = KeyRing::parse(
        std::str::from_utf8(SigningKey::generate(NAME, Algorithm::Ed25519).unwrap().line().expose()).unwrap(),
    )
    .unwrap();
    site.sign(&own, &edge);
    site.check(&site.trust(), &[(Key, Some(0), None)]);
    // With the log's own key only what was kept elsewhere tells.
    site.sign(&site.ground.ring(), &edge);
    site.check(&site.since(0), &[(Rewritten, Some(0), Some(270))]);
    site.check(&site.since(2), &[(Rollback, Some(599), None)]);
}

#[test]
fn another_key_does_not_do() {
    let site = Site::new();
    let other = SigningKey::generate(NAME, Algorithm::Ed25519).unwrap();
    site.check(&Trust { keys: vec![other.public().clone()], ..Trust::default() }, &[(Key, Some(0), None)]);
    site.check(&Trust::default(), &[(Key, Some(0), None)]);
    let stray =
        Trust { since: vec![site.kept[0].clone()], keys: vec![other.public().clone()], ..Trust::default() };
    site.check(&stray, &[(Key, Some(0), None), (Key, None, None)]);
}

#[test]
fn a_spoilt_tile_is_not_a_spoilt_entry() {
    for name in ["tile/0/001", "tile/1/000.p/2", "tile/0/002.p/88"] {
        let site = Site::new();
        let path = site.ground.directory().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[33] ^= 1;
        fs::write(&path, &bytes).unwrap();
        site.check(&site.trust(), &[(Tile, None, None)]);
        fs::remove_file(&path).unwrap();
        site.check(&site.trust(), &[(Tile, None, None)]);
    }
}

/// A random change of one file.
#[derive(Clone, Debug)]
enum Edit {
    Flip(usize),
    Cut(usize),
    Grow(u8),
    Remove,
    Swap(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<usize>().prop_map(Edit::Flip),
        any::<usize>().prop_map(Edit::Cut),
        any::<u8>().prop_map(Edit::Grow),
        Just(Edit::Remove),
        any::<usize>().prop_map(Edit::Swap),
    ]
}

/// Every file the checkpoint depends on, and itself.
fn files(site: &Site) -> Vec<PathBuf> {
    let kinds = [Kind::Entries, Kind::Hashes(0), Kind::Hashes(1)];
    let tiles = kinds.into_iter().flat_map(|kind| TilePath::all(kind, SIZE)).map(|path| site.path(path));
    tiles.chain([site.ground.directory().join("checkpoint")]).collect()
}

#[test]
fn no_edit_of_any_file_goes_unnoticed() {
    let site = Site::new();
    let whole = site.ground.copy();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let outcome = runner.run(&(any::<usize>(), edit()), |(which, edit)| {
        site.ground.put_back(&whole);
        let files = files(&site);
        let path = &files[which % files.len()];
        let mut bytes = fs::read(path).unwrap();
        match edit {
            Edit::Flip(bit) => {
                let at = bit / 8 % bytes.len();
                bytes[at] ^= 1 << (bit % 8);
            }
            Edit::Cut(keep) => bytes.truncate(keep % bytes.len()),
            Edit::Grow(byte) => bytes.push(byte),
            Edit::Remove => {}
            Edit::Swap(other) => {
                let other = &files[other % files.len()];
                prop_assume!(other != path);
                let theirs = fs::read(other).unwrap();
                fs::write(other, &bytes).unwrap();
                bytes = theirs;
            }
        }
        if matches!(edit, Edit::Remove) {
            fs::remove_file(path).unwrap()
        } else {
            fs::write(path, bytes).unwrap()
        }
        let report = site.ground.verify();
        prop_assert!(!report.is_whole(), "{path:?} {edit:?}");
        Ok(())
    });
    outcome.unwrap();
}
