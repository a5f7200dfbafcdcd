//! Inclusion and consistency: RFC 6962, section 2.1.1 and 2.1.2; the checks are those of RFC 9162.

use super::TreeHash;

/// Where the hashes of complete subtrees come from.
pub trait Nodes {
    /// Why one cannot be had.
    type Error;

    /// The hash of the `index`-th subtree of `2^height` leaves.
    ///
    /// # Errors
    /// When it cannot be had.
    fn node(&mut self, height: u32, index: u64) -> Result<TreeHash, Self::Error>;
}

/// The hashes that lead from leaf `index` to the root of the tree of `size` leaves, the sibling first.
///
/// # Errors
/// Those of `nodes`.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<TreeHash>, N::Error> {
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show that the tree of `old` leaves is the beginning of the tree of `new` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<TreeHash>, N::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut start, mut end, mut whole) = (0, new, true);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            (start, whole) = (middle, false);
        }
    }
    if !whole {
        proof.push(range(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root that `leaf` as number `index` of `size` leads to along `path`; none when the path does not fit.
pub fn root_through(leaf: TreeHash, index: u64, size: u64, path: &[TreeHash]) -> Option<TreeHash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut root) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = TreeHash::node(sibling, &root);
            climb(&mut at, &mut last);
        } else {
            root = TreeHash::node(&root, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

/// Whether `proof` shows that the tree `old` is the beginning of the tree `new`; each is a size and a root.
pub fn consistent(old: (u64, TreeHash), new: (u64, TreeHash), proof: &[TreeHash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 || old_size == new_size {
        let same = old_size != new_size || old_root == new_root;
        return proof.is_empty() && same && (old_size != 0 || old_root == TreeHash::empty());
    }
    if old_size > new_size {
        return false;
    }
    let known = old_size.is_power_of_two().then_some(old_root);
    let mut hashes = known.into_iter().chain(proof.iter().copied());
    let Some(first) = hashes.next() else { return false };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut from_old, mut from_new) = (first, first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            from_old = TreeHash::node(&hash, &from_old);
            from_new = TreeHash::node(&hash, &from_new);
            climb(&mut at, &mut last);
        } else {
            from_new = TreeHash::node(&from_new, &hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && from_old == old_root && from_new == new_root
}

/// Skips the levels at which the last node has no sibling.
fn climb(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        (*at, *last) = (*at >> 1, *last >> 1);
    }
}

/// The hash over leaves `start` to `end`, where `start` is a multiple of the largest power of two in that.
pub(crate) fn range<N: Nodes>(nodes: &mut N, start: u64, end: u64) -> Result<TreeHash, N::Error> {
    let leaves = end - start;
    if leaves.is_power_of_two() {
        let height = leaves.trailing_zeros();
        return nodes.node(height, start >> height);
    }
    let middle = start + split(leaves);
    let left = range(nodes, start, middle)?;
    Ok(TreeHash::node(&left, &range(nodes, middle, end)?))
}

/// The largest power of two below `leaves`, which are at least two.
fn split(leaves: u64) -> u64 {
    1 << (63 - (leaves.max(2) - 1).leading_zeros())
}
