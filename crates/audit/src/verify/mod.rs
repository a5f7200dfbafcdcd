//! Is a log what its keys say it is? Needs the log's directory and public keys, and nothing else.
//!
//! Every entry is hashed again and compared with its tile, every tile with the one above it, and the root with
//! the signed checkpoint. What an attacker with the log's key can do, or who puts an older copy back, shows only
//! against checkpoints that were kept elsewhere: [`Trust::since`], and the witnesses' signatures.

mod records;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

use crate::{
    note::{Checkpoint, Note, Unverified, VerifierKey},
    tlog::LogDir,
};
use walk::Walk;

/// What a verifier believes.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The log's keys. A checkpoint signed by one of them is the log's own.
    pub keys: Vec<VerifierKey>,
    /// Witnesses' keys.
    pub witnesses: Vec<VerifierKey>,
    /// Checkpoints of this log that were kept elsewhere.
    pub since: Vec<Note>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// The log, as its checkpoint names it.
    pub origin: Option<String>,
    /// Entries the checkpoint covers.
    pub size: u64,
    /// The root it names.
    pub root: Option<String>,
    /// Entries that were hashed and compared.
    pub checked: u64,
    /// Trusted keys that signed the checkpoint.
    pub signed_by: Vec<String>,
    /// Trusted witnesses that signed it or an earlier one: name, size and time in seconds since the Unix epoch.
    pub witnessed_by: Vec<Cosigned>,
    /// Sizes of the kept checkpoints that the log continues.
    pub continues: Vec<u64>,
    /// Everything that is wrong. Empty means that the log is whole.
    pub findings: Vec<Finding>,
}

/// A witness's signature that verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// Name of the witness's key.
    pub witness: String,
    /// Entries of the checkpoint it signed.
    pub size: u64,
    /// When, in seconds since the Unix epoch, by its own clock.
    pub at: u64,
}

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The first entry that is not, or may not be, the one that was signed; absent when none is concerned.
    pub first_bad_entry: Option<u64>,
    /// The entry up to which that could not be told apart, exclusive; absent when `first_bad_entry` is exact.
    pub before: Option<u64>,
    /// In words.
    pub detail: String,
}

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// There is no checkpoint, or it cannot be read.
    Checkpoint,
    /// The checkpoint is not signed by a trusted key.
    Key,
    /// An entry is not the one in the tree.
    Entry,
    /// An entry is not there.
    Missing,
    /// A tile is not that of the signed tree; the entries are.
    Tile,
    /// The entries and tiles agree with each other and not with the signed root.
    Root,
    /// The log is shorter than a checkpoint that was kept.
    Rollback,
    /// The log does not continue a checkpoint that was kept.
    Rewritten,
    /// A record appears again, or before one that was written earlier.
    Order,
    /// An entry is no record.
    NoRecord,
}

impl FindingKind {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Key => "key",
            Self::Entry => "entry",
            Self::Missing => "missing",
            Self::Tile => "tile",
            Self::Root => "root",
            Self::Rollback => "rollback",
            Self::Rewritten => "rewritten",
            Self::Order => "order",
            Self::NoRecord => "no-record",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first_bad_entry, self.before) {
            (Some(first), Some(before)) => write!(f, "entry {first} or later, before {before}: ")?,
            (Some(first), None) => write!(f, "entry {first}: ")?,
            _ => {}
        }
        f.write_str(&self.detail)
    }
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first entry that is wrong according to any finding.
    pub fn first_bad_entry(&self) -> Option<u64> {
        self.findings.iter().filter_map(|finding| finding.first_bad_entry).min()
    }

    fn find(&mut self, kind: FindingKind, first_bad_entry: Option<u64>, before: Option<u64>, detail: String) {
        self.findings.push(Finding { kind, first_bad_entry, before, detail });
    }
}

/// Verifies the log in `directory`. `progress` is called with the number of entries checked so far.
pub fn verify(directory: &LogDir, trust: &Trust, progress: &mut dyn FnMut(u64)) -> Verification {
    let mut report = Verification {
        origin: None,
        size: 0,
        root: None,
        checked: 0,
        signed_by: Vec::new(),
        witnessed_by: Vec::new(),
        continues: Vec::new(),
        findings: Vec::new(),
    };
    let (note, checkpoint) = match directory.checkpoint() {
        Ok(read) => read,
        Err(fault) => {
            report.find(FindingKind::Checkpoint, Some(0), None, fault.to_string());
            return report;
        }
    };
    report.origin = Some(checkpoint.origin.clone());
    report.size = checkpoint.size;
    report.root = Some(checkpoint.root.to_string());
    signatures(&note, &checkpoint, trust, &mut report);
    let kept = kept(directory, &checkpoint, trust, &mut report);
    Walk::new(directory, &checkpoint, kept).run(&mut report, progress);
    report.findings.sort_by_key(|finding| finding.first_bad_entry.unwrap_or(0));
    report
}

fn signatures(note: &Note, checkpoint: &Checkpoint, trust: &Trust, report: &mut Verification) {
    let mut false_one = None;
    for key in trust.keys.iter().filter(|key| key.name() == checkpoint.origin) {
        match note.verify(key) {
            Ok(_) => report.signed_by.push(key.to_string()),
            Err(Unverified::False) => false_one = Some(key.to_string()),
            Err(Unverified::Missing) => {}
        }
    }
    cosignatures(note, checkpoint, trust, report);
    if let Some(key) = false_one {
        report.signed_by.clear();
        report.find(
            FindingKind::Key,
            Some(0),
            None,
            format!("the checkpoint has a false signature of `{key}`"),
        );
    } else if report.signed_by.is_empty() {
        let others: Vec<_> =
            note.signatures().iter().map(|signature| format!("`{}`", signature.name)).collect();
        let detail = format!(
            "the checkpoint is not signed by a trusted key; it has signatures in the names {}",
            others.join(", ")
        );
        report.find(FindingKind::Key, Some(0), None, detail);
    }
}

fn cosignatures(note: &Note, checkpoint: &Checkpoint, trust: &Trust, report: &mut Verification) {
    for key in &trust.witnesses {
        if let Ok(time) = note.verify(key) {
            let (witness, size, at) = (key.name().to_owned(), checkpoint.size, time.unwrap_or(0));
            report.witnessed_by.push(Cosigned { witness, size, at });
        }
    }
}

/// A checkpoint that the log has to agree with.
struct Kept {
    checkpoint: Checkpoint,
    /// Whether it was kept elsewhere; else it is from the log's own history and only narrows down.
    elsewhere: bool,
}

/// The checkpoints to compare with, by size.
fn kept(directory: &LogDir, newest: &Checkpoint, trust: &Trust, report: &mut Verification) -> Vec<Kept> {
    let mut kept = Vec::new();
    let ours = |note: &Note, checkpoint: &Checkpoint| {
        let by = |keys: &[VerifierKey]| keys.iter().any(|key| note.verify(key).is_ok());
        checkpoint.origin == newest.origin && (by(&trust.keys) || by(&trust.witnesses))
    };
    for note in &trust.since {
        match Checkpoint::parse(note.text()) {
            Ok(checkpoint) if ours(note, &checkpoint) => kept.push(Kept { checkpoint, elsewhere: true }),
            _ => {
                let detail = "a checkpoint to compare with is not one of this log, signed by a trusted key";
                report.find(FindingKind::Key, None, None, detail.to_owned());
            }
        }
    }
    if let Ok((note, checkpoint)) = directory.witnessed() {
        let seen = report.witnessed_by.len();
        cosignatures(&note, &checkpoint, trust, report);
        if report.witnessed_by.len() > seen && checkpoint.origin == newest.origin {
            kept.push(Kept { checkpoint, elsewhere: true });
        }
    }
    let history = directory.history().into_iter().filter(|(note, checkpoint)| ours(note, checkpoint));
    kept.extend(history.map(|(_, checkpoint)| Kept { checkpoint, elsewhere: false }));
    kept.sort_by_key(|kept| kept.checkpoint.size);
    kept
}
