#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::convert::Infallible;

use ct_merkle::RootHash;
use proptest::prelude::*;

use super::*;

/// Every leaf at hand.
struct Leaves(Vec<TreeHash>);

impl Nodes for Leaves {
    type Error = Infallible;

    fn node(&mut self, height: u32, index: u64) -> Result<TreeHash, Infallible> {
        let (width, index) = (1_usize << height, usize::try_from(index).unwrap());
        Ok(fold(&self.0[index * width..(index + 1) * width]).unwrap())
    }
}

fn entries(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("entry {n}").into_bytes()).collect()
}

fn leaves(count: usize) -> Leaves {
    Leaves(entries(count).iter().map(|entry| TreeHash::leaf(entry)).collect())
}

fn grown(count: usize) -> (Edge, Vec<(u8, u64, Vec<TreeHash>)>) {
    let (mut edge, mut full) = (Edge::new(), Vec::new());
    for leaf in leaves(count).0 {
        let pushed: Result<(), Infallible> = edge.push(leaf, |level, index, tile| {
            full.push((level, index, tile.to_vec()));
            Ok(())
        });
        pushed.unwrap();
    }
    (edge, full)
}

/// The root a second implementation computes.
fn oracle(count: usize) -> TreeHash {
    let mut tree = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
    entries(count).into_iter().for_each(|entry| tree.push(entry));
    let root: RootHash<Sha256> = tree.root();
    TreeHash::read(root.as_bytes().as_slice()).unwrap()
}

#[test]
fn roots_are_those_of_another_implementation() {
    for count in (0..40).chain([255, 256, 257, 300, 511, 512, 513, 1023, 70_000]) {
        assert_eq!(grown(count).0.root(), oracle(count), "{count} entries");
    }
}

#[test]
fn tiles_are_those_of_the_tree() {
    let (edge, full) = grown(70_000);
    assert_eq!(full.iter().filter(|(level, ..)| *level == 0).count(), 273);
    assert_eq!(full.iter().filter(|(level, ..)| *level == 1).count(), 1);
    let partial: Vec<_> = edge.partial().map(|(level, index, tile)| (level, index, tile.len())).collect();
    assert_eq!(partial, [(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
    let mut nodes = leaves(70_000);
    for (level, index, tile) in &full {
        let first = nodes.node(TILE_HEIGHT * u32::from(*level), index * 256).unwrap();
        assert_eq!(tile[0], first, "tile {level}/{index}");
    }
    let levels = edge.partial().map(|(_, _, tile)| tile.to_vec()).collect();
    assert_eq!(Edge::restore(70_000, levels).unwrap().root(), edge.root());
    assert!(Edge::restore(70_001, edge.partial().map(|(_, _, tile)| tile.to_vec()).collect()).is_none());
}

#[test]
fn paths_are_those_of_the_specification() {
    for (path, expected) in [
        (TilePath::full(Kind::Hashes(0), 1_234_067), "tile/0/x001/x234/067"),
        (TilePath { kind: Kind::Hashes(2), index: 0, width: 1 }, "tile/2/000.p/1"),
        (TilePath { kind: Kind::Entries, index: 999, width: 255 }, "tile/entries/999.p/255"),
        (TilePath::full(Kind::Entries, 1_000), "tile/entries/x001/000"),
    ] {
        assert_eq!(path.to_string(), expected);
    }
    let all = |kind, size| TilePath::all(kind, size).map(|path| path.width).collect::<Vec<_>>();
    assert_eq!(all(Kind::Entries, 513), [256, 256, 1]);
    assert_eq!(all(Kind::Hashes(1), 513), [2]);
    assert_eq!(all(Kind::Hashes(2), 513), [0; 0]);
    assert_eq!(all(Kind::Entries, 0), [0; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_proof_holds_for_its_leaf_and_for_no_other(size in 1_usize..700, at in 0_usize..700, off in 1_usize..700) {
        let (index, other) = (at % size, (at + off) % size);
        let mut nodes = leaves(size);
        let root = grown(size).0.root();
        let proof = inclusion(&mut nodes, index as u64, size as u64).unwrap();
        prop_assert_eq!(root_through(nodes.0[index], index as u64, size as u64, &proof), Some(root));
        if other != index {
            prop_assert_ne!(root_through(nodes.0[other], index as u64, size as u64, &proof), Some(root));
            prop_assert_ne!(root_through(nodes.0[index], other as u64, size as u64, &proof), Some(root));
        }
        let mut longer = proof.clone();
        longer.push(root);
        prop_assert_ne!(root_through(nodes.0[index], index as u64, size as u64, &longer), Some(root));
    }

    #[test]
    fn consistency_is_what_another_implementation_accepts(new in 1_usize..700, at in 0_usize..700) {
        let old = at % (new + 1);
        let (old_root, new_root) = (grown(old).0.root(), grown(new).0.root());
        let proof = consistency(&mut leaves(new), old as u64, new as u64).unwrap();
        prop_assert!(consistent((old as u64, old_root), (new as u64, new_root), &proof));
        if old > 0 {
            let other = TreeHash::leaf(b"other");
            prop_assert!(!consistent((old as u64, other), (new as u64, new_root), &proof));
            prop_assert!(!consistent((old as u64, old_root), (new as u64, other), &proof));
            if old < new {
                prop_assert!(!consistent((old as u64, new_root), (new as u64, new_root), &proof));
                let mut tree = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
                entries(new).into_iter().for_each(|entry| tree.push(entry));
                let theirs = tree.prove_consistency(new - old);
                let ours: Vec<u8> = proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
                prop_assert_eq!(theirs.as_bytes(), ours.as_slice());
            }
        }
    }
}
