//! Proofs that an entry is in a log, as files (C2SP tlog-proof).

use std::fmt;

use super::{Checkpoint, Note, VerifierKey, checkpoint::decimal};
use crate::tree::{TreeHash, root_through};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^63 leaves is as high as any.
const MAX_HASHES: usize = 63;
/// Header, index and hashes are short; the checkpoint behind them has a limit of its own.
const MAX_HEAD: usize = 8 * 1_024;

/// Shows that the entry with number `index` is part of the tree of a signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's number.
    pub index: u64,
    /// From its sibling to the root's child.
    pub path: Vec<TreeHash>,
    /// The checkpoint, signed.
    pub checkpoint: Note,
}

impl InclusionProof {
    /// Reads a proof; none when the bytes are anything else. Extra data is skipped: nothing vouches for it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let at = bytes.windows(2).take(MAX_HEAD).position(|pair| pair == b"\n\n")?;
        let (head, rest) = bytes.split_at_checked(at + 2)?;
        let mut lines = std::str::from_utf8(head).ok()?.trim_end_matches('\n').split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return None;
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = decimal(lines.next()?.strip_prefix("index ")?)?;
        let path: Vec<_> = lines.map(TreeHash::parse).collect::<Option<_>>()?;
        let checkpoint = Note::parse(rest).ok()?;
        (path.len() <= MAX_HASHES).then_some(Self { index, path, checkpoint })
    }

    /// Whether it shows that `entry` is in the log whose key is `key`. The checkpoint it holds for.
    pub fn check(&self, entry: &[u8], key: &VerifierKey) -> Option<Checkpoint> {
        self.check_leaf(TreeHash::leaf(entry), key)
    }

    /// The same for an entry of which only the hash is known.
    pub fn check_leaf(&self, leaf: TreeHash, key: &VerifierKey) -> Option<Checkpoint> {
        self.checkpoint.verify(key).ok()?;
        let checkpoint = Checkpoint::parse(self.checkpoint.text()).ok()?;
        let root = root_through(leaf, self.index, checkpoint.size, &self.path)?;
        (root == checkpoint.root && checkpoint.origin == key.name()).then_some(checkpoint)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
