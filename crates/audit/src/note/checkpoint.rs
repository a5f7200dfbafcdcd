//! Checkpoints (C2SP tlog-checkpoint): what a log's tree is at one size.

use std::fmt;

use crate::tree::TreeHash;

/// A log's tree at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: TreeHash,
}

/// Why a note's text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// The first line has to name the log.
    #[error("does not name its log in the first line")]
    Origin,
    /// The second line has to be a size.
    #[error("has no tree size in the second line")]
    Size,
    /// The third line has to be a root.
    #[error("has no root hash in the third line")]
    Root,
    /// Lines may follow but not be empty.
    #[error("has an empty line after the root hash")]
    Extension,
}

impl Checkpoint {
    /// Reads the text of a note. Lines after the third are covered by signatures and ignored.
    ///
    /// # Errors
    /// [`CheckpointFault`] when the text is anything else.
    pub fn parse(text: &str) -> Result<Self, CheckpointFault> {
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty()).ok_or(CheckpointFault::Origin)?;
        let size = lines.next().and_then(decimal).ok_or(CheckpointFault::Size)?;
        let root = lines.next().and_then(TreeHash::parse).ok_or(CheckpointFault::Root)?;
        if lines.any(str::is_empty) {
            return Err(CheckpointFault::Extension);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// As the text of a note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

/// A number in its only spelling.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
