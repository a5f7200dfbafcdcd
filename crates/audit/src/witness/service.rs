//! A witness of several logs that are brought to it (C2SP tlog-witness), without its transport.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::{Submission, Witness, WitnessFault};
use crate::{
    OpenError,
    jsonl::{Lock, make_directory},
    note::{Checkpoint, KeyRing, Signature, VerifierKey},
    tree,
};

/// Cosigns the checkpoints of each log as long as they continue what it cosigned before. What it keeps of a log is in a
/// directory of its store that is named after the SHA-256 of the log's origin.
#[derive(Debug)]
pub struct Witnesses {
    /// By origin. One checkpoint of a log is looked at at a time: what is compared is what is replaced.
    logs: BTreeMap<String, Mutex<Witness>>,
    #[expect(dead_code, reason = "held for its lock")]
    lock: Lock,
}

/// Why a checkpoint is not cosigned; each is a status of the protocol.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The body is no submission.
    #[error("the body is not an old size, a proof, an empty line and a checkpoint")]
    Malformed,
    /// Nobody trusts a key of it here.
    #[error("the log is not witnessed here")]
    UnknownLog,
    /// None of its signatures is by a trusted key.
    #[error("the checkpoint is not signed by a trusted key of its log")]
    NotSigned,
    /// The old size is larger than the new one.
    #[error("the old size is larger than the checkpoint's")]
    OldTooLarge,
    /// Another checkpoint was cosigned last, of this size.
    #[error("the checkpoint cosigned last has {0} entries")]
    Conflict(u64),
    /// The log has signed another checkpoint of the same size than the one cosigned last.
    #[error("the log has signed two different checkpoints of {size} entries")]
    Forked {
        /// Entries of both.
        size: u64,
        /// Whether the other one is kept as evidence, which is so unless that is full.
        kept: bool,
    },
    /// It does not follow that the log was only added to. That shows nothing about the log: anybody can bring its
    /// checkpoint with another proof.
    #[error("the proof does not show that the log continues what was cosigned")]
    Unproven,
    /// What was cosigned could not be read or kept, or a key could not sign.
    #[error("{0}")]
    Failed(WitnessFault),
}

impl Refused {
    /// The HTTP status that says it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed | Self::OldTooLarge => 400,
            Self::NotSigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict(_) | Self::Forked { .. } => 409,
            Self::Unproven => 422,
            Self::Failed(_) => 500,
        }
    }
}

impl Witnesses {
    /// A witness of the logs whose keys are `trusted`. Nobody else may use `store` meanwhile.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn open(store: &Path, keys: KeyRing, trusted: Vec<VerifierKey>) -> Result<Self, OpenError> {
        make_directory(&store.join("lock"))?;
        let lock = Lock::take(&store.join("witness"))?;
        let keys = Arc::new(keys);
        let mut by_origin: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in trusted {
            by_origin.entry(key.name().to_owned()).or_default().push(key);
        }
        let logs = by_origin.into_iter().map(|(origin, trusted)| {
            let witness = Witness::new(&store_of(store, &origin), keys.clone(), trusted);
            (origin, Mutex::new(witness))
        });
        Ok(Self { logs: logs.collect(), lock })
    }

    /// The logs it witnesses.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.logs.keys().map(String::as_str)
    }

    /// Looks at a submission and gives out what the keys made of its checkpoint, which is kept by then.
    ///
    /// # Errors
    /// [`Refused`] when nothing is cosigned.
    pub fn add(&self, body: &[u8], now_s: u64) -> Result<Vec<Signature>, Refused> {
        let submission = Submission::parse(body).ok_or(Refused::Malformed)?;
        let shown = Checkpoint::parse(submission.note.text()).map_err(|_| Refused::Malformed)?;
        let witness = self.logs.get(&shown.origin).ok_or(Refused::UnknownLog)?;
        witness.lock().add(submission, &shown, now_s)
    }
}

/// Where a witness of several logs keeps what it cosigned of one.
pub(super) fn store_of(store: &Path, origin: &str) -> PathBuf {
    let digest = Sha256::digest(origin.as_bytes());
    store.join(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

impl Witness {
    fn add(&self, submission: Submission, shown: &Checkpoint, now_s: u64) -> Result<Vec<Signature>, Refused> {
        let Submission { old, proof, note } = submission;
        let note = self.signed(&note, shown).ok_or(Refused::NotSigned)?;
        if old > shown.size {
            return Err(Refused::OldTooLarge);
        }
        let known = self.known().map_err(Refused::Failed)?;
        let known_size = known.as_ref().map_or(0, |known| known.size);
        if old != known_size {
            return Err(Refused::Conflict(known_size));
        }
        match &known {
            Some(known) if known.size == shown.size && known.root != shown.root => {
                let kept = self.keep(&note).map_err(|error| Refused::Failed(WitnessFault::Store(error)))?;
                return Err(Refused::Forked { size: known_size, kept });
            }
            Some(known) if !tree::consistent((known.size, known.root), (shown.size, shown.root), &proof) => {
                return Err(Refused::Unproven);
            }
            // Signed again and kept as it is: a log may have lost the answer.
            Some(known) if known.size == shown.size => {
                return self.signatures(&note, now_s).map_err(Refused::Failed);
            }
            None if !proof.is_empty() => return Err(Refused::Unproven),
            Some(_) | None => {}
        }
        self.cosign(note, now_s).map_err(Refused::Failed)
    }
}
