//! A checkpoint on its way to a witness, with the proof that it continues the last one (C2SP tlog-witness,
//! add-checkpoint).

use std::fmt;

use crate::{
    note::{MAX_BYTES, Note, decimal},
    tree::TreeHash,
};

/// A tree of 2^63 leaves is as high as any.
const MAX_HASHES: usize = 63;
/// The old size, and hashes in base64, each with its newline.
const MAX_HEAD: usize = 64 + MAX_HASHES * 45;
/// Longest body of a request, in bytes.
pub const MAX_SUBMISSION: usize = MAX_HEAD + MAX_BYTES;

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Entries of the checkpoint that the witness cosigned last; 0 when it has none.
    pub old: u64,
    /// From that to this one (RFC 6962, section 2.1.2).
    pub proof: Vec<TreeHash>,
    /// The checkpoint, signed.
    pub note: Note,
}

impl Submission {
    /// Reads a body; none when the bytes are anything else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let at = bytes.windows(2).take(MAX_HEAD).position(|pair| pair == b"\n\n")?;
        let (head, rest) = bytes.split_at_checked(at + 2)?;
        let mut lines = std::str::from_utf8(head).ok()?.strip_suffix("\n\n")?.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?)?;
        let proof: Vec<_> = lines.map(TreeHash::parse).collect::<Option<_>>()?;
        let note = Note::parse(rest).ok()?;
        (proof.len() <= MAX_HASHES).then_some(Self { old, proof, note })
    }
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}
