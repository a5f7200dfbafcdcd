//! An independent witness: it cosigns a log's checkpoints as long as each continues the one before, and keeps them
//! where the log's owner cannot reach (C2SP tlog-witness, tlog-cosignature).
//!
//! | file in its store | what it is |
//! |---|---|
//! | `checkpoint` | the newest checkpoint it cosigned |
//! | `history.jsonl` | all it cosigned, oldest first |
//! | `evidence` | checkpoints the log has signed and that contradict what was cosigned, each once |
//!
//! Of a checkpoint it keeps the signatures that trusted keys of the log made, and its own: anybody can add lines to one.

mod service;
mod submission;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use service::{Refused, Witnesses};
pub use submission::{MAX_SUBMISSION, Submission};

use crate::{
    note::{Checkpoint, KeyRing, Note, Signature, VerifierKey},
    tlog::{CHECKPOINT, HISTORY, LogDir, LogFault, lay},
    tree,
};

const EVIDENCE: &str = "evidence";
/// More contradictions than anybody reads; whoever has the log's key could go on for ever.
const MAX_EVIDENCE: usize = 1 << 20;

/// A witness of one log.
#[derive(Debug)]
pub struct Witness {
    store: PathBuf,
    keys: Arc<KeyRing>,
    trusted: Vec<VerifierKey>,
}

/// What a look at the log led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The log has a checkpoint that continues the last one; it is cosigned now.
    Cosigned {
        /// Entries of the last one; 0 when there was none.
        from: u64,
        /// Entries of this one.
        to: u64,
    },
    /// There is nothing new.
    Unchanged {
        /// Entries.
        size: u64,
    },
}

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum WitnessFault {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogFault),
    /// What is shown is not the log's.
    #[error("the checkpoint is not signed by a trusted key of the log")]
    NotSigned,
    /// It is another log than the one witnessed so far.
    #[error("the checkpoint is of the log `{shown}`, and `{known}` is witnessed here")]
    OtherLog {
        /// What is shown.
        shown: String,
        /// What is witnessed.
        known: String,
    },
    /// The log is shorter than it was.
    #[error("rollback: the log was cosigned with {known} entries and now shows {shown}")]
    Rollback {
        /// Entries cosigned.
        known: u64,
        /// Entries shown.
        shown: u64,
    },
    /// The log does not continue what was cosigned.
    #[error("rewritten: the log with {shown} entries does not continue the {known} that were cosigned")]
    Rewritten {
        /// Entries cosigned.
        known: u64,
        /// Entries shown.
        shown: u64,
    },
    /// A contradiction is not kept.
    #[error("{0}; the evidence in the store is full and does not hold it")]
    Unkept(Box<WitnessFault>),
    /// What was cosigned could not be read or kept.
    #[error("the store of the witness: {0}")]
    Store(io::Error),
    /// A key could not sign.
    #[error("a key of the witness could not sign")]
    Sign,
}

impl WitnessFault {
    /// Whether the log contradicts itself, which no accident of reading explains.
    pub fn is_contradiction(&self) -> bool {
        matches!(self, Self::Rollback { .. } | Self::Rewritten { .. } | Self::Unkept(_))
    }
}

impl Witness {
    /// A witness that keeps what it cosigns in `store`. `trusted` are the log's public keys; the store may hold what
    /// was cosigned under earlier keys of the witness.
    pub fn new(store: &Path, keys: impl Into<Arc<KeyRing>>, trusted: Vec<VerifierKey>) -> Self {
        Self { store: store.to_owned(), keys: keys.into(), trusted }
    }

    /// Looks at the log once, and cosigns and keeps what is new.
    ///
    /// # Errors
    /// [`WitnessFault`]; nothing is cosigned then, and a contradiction is kept as evidence.
    pub fn look(&self, log: &LogDir, now_s: u64) -> Result<Seen, WitnessFault> {
        let (note, shown) = log.checkpoint()?;
        let note = self.signed(&note, &shown).ok_or(WitnessFault::NotSigned)?;
        let known = self.known()?;
        if let Some(known) = &known {
            if known.origin != shown.origin {
                return Err(WitnessFault::OtherLog { shown: shown.origin, known: known.origin.clone() });
            }
            if (known.size, known.root) == (shown.size, shown.root) {
                return Ok(Seen::Unchanged { size: shown.size });
            }
            self.continues(log, known, &shown).or_else(|fault| self.keep_evidence(&note, fault))?;
        }
        self.cosign(note, now_s)?;
        Ok(Seen::Cosigned { from: known.map_or(0, |known| known.size), to: shown.size })
    }

    /// A checkpoint with the signatures that trusted keys of the log it says it is of made, and no others; none when
    /// there are none.
    fn signed(&self, note: &Note, shown: &Checkpoint) -> Option<Note> {
        let of_log = self.trusted.iter().filter(|key| key.name() == shown.origin);
        let signed = note.signed_by(of_log);
        (!signed.signatures().is_empty()).then_some(signed)
    }

    fn known(&self) -> Result<Option<Checkpoint>, WitnessFault> {
        match LogDir::at(&self.store).checkpoint() {
            Ok((_, checkpoint)) => Ok(Some(checkpoint)),
            Err(LogFault::Missing(_)) => Ok(None),
            Err(fault) => Err(WitnessFault::Store(io::Error::other(fault.to_string()))),
        }
    }

    fn continues(&self, log: &LogDir, known: &Checkpoint, shown: &Checkpoint) -> Result<(), WitnessFault> {
        if shown.size < known.size {
            return Err(WitnessFault::Rollback { known: known.size, shown: shown.size });
        }
        let proof = log.prove_consistency(known.size, shown.size)?;
        let continues = tree::consistent((known.size, known.root), (shown.size, shown.root), &proof);
        if continues { Ok(()) } else { Err(WitnessFault::Rewritten { known: known.size, shown: shown.size }) }
    }

    fn keep_evidence(&self, note: &Note, fault: WitnessFault) -> Result<(), WitnessFault> {
        let is_kept = !fault.is_contradiction() || self.keep(note).map_err(WitnessFault::Store)?;
        Err(if is_kept { fault } else { WitnessFault::Unkept(Box::new(fault)) })
    }

    /// Whether it is kept: there may be no room.
    fn keep(&self, note: &Note) -> io::Result<bool> {
        let path = self.store.join(EVIDENCE);
        let before = fs::read_to_string(&path).unwrap_or_default();
        // The same contradiction is seen again with every look, and may be shown under other signatures.
        let text = serde_json::Value::from(format!("{}\n", note.text())).to_string();
        let same = text.strip_suffix('"').unwrap_or(&text);
        if before.lines().any(|kept| kept.starts_with(same)) {
            return Ok(true);
        }
        let line = encoded(note);
        if before.len() + line.len() > MAX_EVIDENCE {
            return Ok(false);
        }
        lay::append(&path, format!("{line}\n").as_bytes()).map(|()| true)
    }

    /// Kept before anybody sees it: what was cosigned is never forgotten. `note` has no signatures but the log's.
    fn cosign(&self, mut note: Note, now_s: u64) -> Result<Vec<Signature>, WitnessFault> {
        let signatures = self.signatures(&note, now_s)?;
        signatures.iter().for_each(|signature| note.sign(signature.clone()));
        let store = |done: io::Result<()>| done.map_err(WitnessFault::Store);
        store(fs::create_dir_all(&self.store))?;
        store(lay::append(&self.store.join(HISTORY), format!("{}\n", encoded(&note)).as_bytes()))?;
        store(lay::replace(&self.store.join(CHECKPOINT), note.to_string().as_bytes()))?;
        Ok(signatures)
    }

    fn signatures(&self, note: &Note, now_s: u64) -> Result<Vec<Signature>, WitnessFault> {
        self.keys.signatures(note.text(), now_s).ok_or(WitnessFault::Sign)
    }
}

/// A note as one line of JSON.
fn encoded(note: &Note) -> String {
    serde_json::Value::from(note.to_string()).to_string()
}
