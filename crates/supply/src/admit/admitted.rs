//! One admitted server, as the lock holds it and as its approvers sign it.

use portcullis_core::{Digest, ServerName};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Finding, Package, resolve::Resolved};
use crate::verify::{Signer, Verified};

/// First line of what an approver signs, so that a signature under it is never taken for one under something else.
const STATEMENT: &str = "portcullis approval v1";

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admitted {
    /// What it is called in configurations.
    #[serde(deserialize_with = "name")]
    pub name: ServerName,
    /// `npm:NAME@VERSION`, `pypi:NAME==VERSION` or `file:PATH`.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// Digest of the package's archive.
    pub artifact: Digest,
    /// Digest of all files, those of everything it needs included.
    pub tree: Digest,
    /// Interpreter that starts it, unless it is a program itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// What is started: a path in the tree, or `MODULE:FUNCTION`.
    pub entry: String,
    /// Who answers for it.
    pub owner: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Day on which it has to be looked at again (RFC 3339 full-date).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
    /// Who asked for it.
    pub submitted_by: String,
    /// When (RFC 3339).
    pub submitted_at: String,
    /// Who vouches for where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// What it says about itself. Nobody vouches for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
    /// Digest of the bill of materials that its publisher gave with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbom: Option<Digest>,
    /// Why and when an earlier version took its place again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<Retirement>,
    /// Why and when it may not be started any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retirement>,
    /// What approvers should know.
    #[serde(rename = "finding", default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Who approved it.
    #[serde(rename = "approval", default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Every package in it.
    #[serde(rename = "part", default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<LockedPart>,
}

/// Who vouches for where a package comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Who signed: an identity, or a registry's key.
    pub signer: String,
    /// Who vouches for that identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The source repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Branch or tag.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// Commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// SLSA builder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
}

/// What a package says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Its author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Where its source is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// One package of a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPart {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of its archive, its own or that of the package that bundles it.
    pub artifact: Digest,
    /// Whether it comes in the archive of another package.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bundled: bool,
    /// Its licence, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// Somebody's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The name in the approver's key.
    pub by: String,
    /// When (RFC 3339).
    pub at: String,
    /// The signed note (C2SP signed-note).
    pub note: String,
}

/// The end of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    /// Who ended it.
    pub by: String,
    /// When (RFC 3339).
    pub at: String,
    /// Why.
    pub reason: String,
}

/// How far a server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Stored, and approved by nobody.
    Submitted,
    /// Approved.
    Approved,
    /// Never to be started again.
    Retired,
}

impl State {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Retired => "retired",
        }
    }
}

impl Admitted {
    /// How far it has come. Whether approvals are genuine is another question.
    pub fn state(&self) -> State {
        match (&self.retired, self.approvals.is_empty()) {
            (Some(_), _) => State::Retired,
            (None, false) => State::Approved,
            (None, true) => State::Submitted,
        }
    }

    /// Whether the day has come on which it has to be looked at again, at a time in the form of RFC 3339.
    pub fn is_due(&self, now: &str) -> bool {
        // Both are written so that they compare as texts.
        self.review.as_deref().is_some_and(|day| now > day)
    }

    /// What somebody signs who approves it at that time: everything that decides what would run, and what is known
    /// about it.
    pub fn statement(&self, at: &str) -> String {
        let findings: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        let part = |it: &LockedPart| {
            let licence = it.licence.as_deref().unwrap_or_default();
            format!("{} {} {} {} {licence}", it.name, it.version, it.artifact, it.bundled)
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        let lines = |lines: &[String]| Digest::of_parts(lines.iter().map(|line| line.as_bytes()));
        let provenance = serde_json::to_string(&self.provenance).unwrap_or_default();
        let claims = serde_json::to_string(&self.claims).unwrap_or_default();
        let sbom = self.sbom.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
        format!(
            "{STATEMENT}\nserver {}\npackage {}\nversion {}\nartifact {}\ntree {}\nstart {} {}\nsubmitted-by {}\nreview {}\n\
             provenance {}\nclaims {}\nsbom {sbom}\nfindings {}\nparts {}\nat {at}\n",
            self.name,
            self.package,
            self.version,
            self.artifact,
            self.tree,
            self.interpreter.as_deref().unwrap_or("-"),
            self.entry,
            one_line(&self.submitted_by),
            one_line(self.review.as_deref().unwrap_or("-")),
            Digest::of(provenance.as_bytes()),
            Digest::of(claims.as_bytes()),
            lines(&findings),
            lines(&parts),
        )
    }

    /// A server as it was resolved, approved by nobody yet.
    pub fn submitted(name: ServerName, package: &Package, resolved: &Resolved, tree: Digest) -> Option<Self> {
        let digest = |hex: &str| format!("sha256:{hex}").parse::<Digest>().ok();
        let part = |part: &super::resolve::Part| {
            let artifact = digest(&part.sha256)?;
            Some(LockedPart {
                name: part.name.clone(),
                version: part.version.clone(),
                artifact,
                bundled: part.bundled,
                licence: part.licence.clone(),
            })
        };
        let exact = Package { version: Some(resolved.version.clone()), ..package.clone() };
        let file = package.path().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let kind = package.ecosystem.as_str();
        let package = file.map_or_else(|| exact.to_string(), |name| format!("{kind}:{name}"));
        Some(Self {
            name,
            package,
            version: resolved.version.clone(),
            artifact: digest(&resolved.artifact.sha256)?,
            tree,
            interpreter: resolved.start.interpreter.map(str::to_owned),
            entry: resolved.start.entry.clone(),
            owner: String::new(),
            purpose: None,
            review: None,
            submitted_by: String::new(),
            submitted_at: String::new(),
            provenance: None,
            claims: Some(resolved.claims.clone()).filter(|it| *it != Claims::default()),
            sbom: None,
            rolled_back: None,
            retired: None,
            findings: resolved.findings.clone(),
            approvals: Vec::new(),
            parts: resolved.parts.iter().map(part).collect::<Option<_>>()?,
        })
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ServerName, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

impl Provenance {
    /// What a genuine attestation vouches for.
    pub fn of(verified: &Verified) -> Self {
        let (signer, issuer) = match &verified.signer {
            Signer::Certificate { identity, issuer } => {
                (identity.clone().unwrap_or_default(), issuer.clone())
            }
            Signer::Registry { key } => (format!("registry key {key}"), None),
        };
        let origin = verified.origin.clone();
        Self {
            signer,
            issuer,
            source: origin.source,
            git_ref: origin.git_ref,
            commit: origin.commit,
            builder: origin.builder,
        }
    }
}
