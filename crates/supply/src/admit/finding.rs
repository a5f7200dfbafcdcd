//! What somebody who approves a server should know about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Nothing vouches for where it comes from.
    NoProvenance,
    /// A package wants to run a script when it is installed. It was not run.
    InstallScript,
    /// A package would be compiled when it is installed. It was not.
    NativeBuild,
    /// Its name can be mistaken for that of another.
    SimilarName,
    /// Its publisher took this version back.
    Yanked,
    /// An advisory is about a package in it, and is not bad enough to be refused, or accepted for a time.
    Vulnerable,
    /// The advisories it was compared with are old.
    StaleAdvisories,
    /// It was compared with no advisories.
    NotCompared,
    /// Somebody else vouches for it than for the version before, or nobody.
    IdentityChanged,
    /// It is older than the version that it would replace.
    Downgrade,
    /// It was in use, and an earlier version took its place again.
    RolledBack,
    /// It does not say under which licence it is, or not so that it can be compared.
    UnknownLicence,
    /// A bundle wants to be started with arguments and variables.
    BundleAsks,
    /// The bill of materials that its publisher gave with it says something else than what is there.
    SbomDiffers,
    /// It was accepted although something spoke against it.
    Danger,
}

impl FindingKind {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoProvenance => "no-provenance",
            Self::InstallScript => "install-script",
            Self::NativeBuild => "native-build",
            Self::SimilarName => "similar-name",
            Self::Yanked => "yanked",
            Self::Vulnerable => "vulnerable",
            Self::StaleAdvisories => "stale-advisories",
            Self::NotCompared => "not-compared",
            Self::IdentityChanged => "identity-changed",
            Self::Downgrade => "downgrade",
            Self::RolledBack => "rolled-back",
            Self::UnknownLicence => "unknown-licence",
            Self::BundleAsks => "bundle-asks",
            Self::SbomDiffers => "sbom-differs",
            Self::Danger => "danger",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What kind it is of.
    pub kind: FindingKind,
    /// What was found, in one line.
    pub detail: String,
}

/// Longest detail, in characters. What packages say about themselves can be of any length.
const MAX_DETAIL: usize = 200;

impl Finding {
    /// A finding, its text cut to one line.
    pub fn new(kind: FindingKind, detail: impl AsRef<str>) -> Self {
        let plain = |it: char| if it.is_control() { ' ' } else { it };
        Self { kind, detail: detail.as_ref().chars().take(MAX_DETAIL).map(plain).collect() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.detail)
    }
}
