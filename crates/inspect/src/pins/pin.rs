//! One pin: what is trusted under a name, what is offered instead, and what was trusted before.

use portcullis_core::{Digest, Hold};
use serde::{Deserialize, Serialize};

/// Versions remembered for a rollback.
const EARLIER: usize = 8;
/// Rejected definitions remembered for one name.
const REJECTED: usize = 64;

/// Who trusted a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Nobody: it was the first seen under its name.
    FirstUse,
    /// Whoever signed the server's list.
    Manifest,
    /// An operator.
    Operator {
        /// The user the operator's command ran as.
        uid: u32,
    },
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FirstUse => f.write_str("on first use"),
            Self::Manifest => f.write_str("by a signed list"),
            Self::Operator { uid } => write!(f, "by user {uid}"),
        }
    }
}

/// A definition that is trusted, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Digest of `definition`.
    pub digest: Digest,
    /// The canonical definition.
    pub definition: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Who trusted it.
    pub by: By,
}

/// A definition that is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldVersion {
    /// Why.
    pub reason: Hold,
    /// Digest of `definition`.
    pub digest: Digest,
    /// The canonical definition.
    pub definition: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
    /// The name of the one it looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
}

/// Everything known about one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// What may be used under this name, if anything.
    pub trusted: Option<Version>,
    /// What the server offers instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldVersion>,
    /// What was trusted before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Version>,
    /// What an operator rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Digest>,
    /// Whether the server offered it when it was last asked.
    pub offered: bool,
}

impl Pin {
    /// Trusts this version, and remembers the one before.
    pub(super) fn trust(&mut self, version: Version) {
        if let Some(before) = self.trusted.replace(version) {
            self.earlier.push(before);
            let surplus = self.earlier.len().saturating_sub(EARLIER);
            self.earlier.drain(..surplus);
        }
    }

    pub(super) fn note_rejected(&mut self, digest: Digest) {
        if !self.rejected.contains(&digest) {
            self.rejected.push(digest);
            let surplus = self.rejected.len().saturating_sub(REJECTED);
            self.rejected.drain(..surplus);
        }
    }
}
