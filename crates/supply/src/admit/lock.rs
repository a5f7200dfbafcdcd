//! `portcullis.lock`: which servers were admitted, as what, on whose word.
//!
//! The file is written whole, in one order, so that a change of one server is a change of its lines alone.

use std::collections::BTreeSet;

use portcullis_core::{Digest, ServerName};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Finding, Package, resolve::Resolved};
use crate::verify::{Signer, Verified};

/// The form of the file. Another number is another form.
const VERSION: u32 = 1;

/// What the file begins with.
const HEAD: &str = "# Servers that were admitted. `portcullis add`, `approve` and `retire` write this file; review its changes.\n\n";

/// First line of what an approver signs, so that a signature under it is never taken for one under something else.
const STATEMENT: &str = "portcullis approval v1";

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// Servers by name, retired ones too.
    #[serde(rename = "server", default)]
    servers: Vec<Admitted>,
    /// Retired ones whose names others have now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<Gone>,
}

/// A retired server whose name another one has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gone {
    package: String,
    tree: Digest,
    retired: Retirement,
}

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

/// One package of a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPart {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of its archive.
    pub artifact: Digest,
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

/// Why a lock cannot be used, or not be changed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockFault {
    /// It is not what this program writes.
    #[error("it cannot be read: {0}")]
    Form(String),
    /// It is of another version.
    #[error("it is of version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// A name twice.
    #[error("`{0}` is in it twice")]
    Twice(ServerName),
    /// The same version is something else now.
    #[error(
        "`{package}` was {before} when it was admitted and is {now} now: the same version was published again"
    )]
    Republished {
        /// Which package.
        package: String,
        /// What it was.
        before: Digest,
        /// What it is.
        now: Digest,
    },
    /// It was retired.
    #[error("{0} was retired as `{1}` and is not admitted again")]
    Retired(Digest, String),
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, servers: Vec::new(), gone: Vec::new() }
    }
}

impl Lock {
    /// Reads a file.
    pub fn read(text: &str) -> Result<Self, LockFault> {
        let lock: Self = toml::from_str(text).map_err(|error| LockFault::Form(error.to_string()))?;
        if lock.version != VERSION {
            return Err(LockFault::Version(lock.version));
        }
        let mut names = BTreeSet::new();
        match lock.servers.iter().find(|server| !names.insert(&server.name)) {
            Some(server) => Err(LockFault::Twice(server.name.clone())),
            None => Ok(lock),
        }
    }

    /// The file's text: the same for the same servers.
    pub fn write(&self) -> Result<String, LockFault> {
        let mut sorted = self.clone();
        sorted.servers.sort_by(|a, b| a.name.cmp(&b.name));
        toml::to_string_pretty(&sorted)
            .map(|text| format!("{HEAD}{text}"))
            .map_err(|error| LockFault::Form(error.to_string()))
    }

    /// Every server.
    pub fn servers(&self) -> &[Admitted] {
        &self.servers
    }

    /// The server of that name.
    pub fn find(&self, name: &ServerName) -> Option<&Admitted> {
        self.servers.iter().find(|server| server.name == *name)
    }

    /// The same, to change it.
    pub fn find_mut(&mut self, name: &ServerName) -> Option<&mut Admitted> {
        self.servers.iter_mut().find(|server| server.name == *name)
    }

    /// Takes a server in, in the place of an earlier version of the same name.
    pub fn admit(&mut self, server: Admitted) -> Result<(), LockFault> {
        if let Some(package) = self.retired(server.tree) {
            return Err(LockFault::Retired(server.tree, package.to_owned()));
        }
        let same = |it: &&Admitted| it.package == server.package && !server.package.starts_with("file:");
        if let Some(before) = self.servers.iter().find(same).filter(|it| it.artifact != server.artifact) {
            let (package, before, now) = (server.package, before.artifact, server.artifact);
            return Err(LockFault::Republished { package, before, now });
        }
        self.same_parts(&server)?;
        match self.find_mut(&server.name) {
            Some(place) => {
                let before = std::mem::replace(place, server);
                let (package, tree) = (before.package, before.tree);
                self.gone.extend(before.retired.map(|retired| Gone { package, tree, retired }));
            }
            None => self.servers.push(server),
        }
        Ok(())
    }

    /// An archive of npm is the same for everybody and for good: one that is known as something else was published
    /// again. An index of Python packages has several archives of a version, for different machines.
    fn same_parts(&self, server: &Admitted) -> Result<(), LockFault> {
        let is_npm = |it: &Admitted| it.package.starts_with("npm:");
        if !is_npm(server) {
            return Ok(());
        }
        let known = self.servers.iter().filter(|it| is_npm(it)).flat_map(|it| &it.parts);
        let mut pairs = known.flat_map(|known| server.parts.iter().map(move |part| (known, part)));
        let other = |(known, part): &(&LockedPart, &LockedPart)| {
            (&known.name, &known.version) == (&part.name, &part.version) && known.artifact != part.artifact
        };
        pairs.find(other).map_or(Ok(()), |(known, part)| {
            let package = format!("npm:{}@{}", part.name, part.version);
            Err(LockFault::Republished { package, before: known.artifact, now: part.artifact })
        })
    }

    /// The package of the retired server that was made of these very files.
    pub fn retired(&self, tree: Digest) -> Option<&str> {
        let servers = self.servers.iter().filter(|it| it.retired.is_some()).map(|it| (it.tree, &it.package));
        let mut all = servers.chain(self.gone.iter().map(|it| (it.tree, &it.package)));
        all.find(|(retired, _)| *retired == tree).map(|(_, package)| package.as_str())
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
        let parts: Vec<String> =
            self.parts.iter().map(|it| format!("{} {} {}", it.name, it.version, it.artifact)).collect();
        let lines = |lines: &[String]| Digest::of_parts(lines.iter().map(|line| line.as_bytes()));
        let provenance = serde_json::to_string(&self.provenance).unwrap_or_default();
        format!(
            "{STATEMENT}\nserver {}\npackage {}\nversion {}\nartifact {}\ntree {}\nstart {} {}\nsubmitted-by {}\nreview {}\n\
             provenance {}\nfindings {}\nparts {}\nat {at}\n",
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
            lines(&findings),
            lines(&parts),
        )
    }

    /// A server as it was resolved, approved by nobody yet.
    pub fn submitted(name: ServerName, package: &Package, resolved: &Resolved, tree: Digest) -> Option<Self> {
        let digest = |hex: &str| format!("sha256:{hex}").parse::<Digest>().ok();
        let part = |part: &super::resolve::Part| {
            let artifact = digest(&part.sha256)?;
            Some(LockedPart { name: part.name.clone(), version: part.version.clone(), artifact })
        };
        let exact = Package { version: Some(resolved.version.clone()), ..package.clone() };
        let file = package.path().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let package = file.map_or_else(|| exact.to_string(), |name| format!("file:{name}"));
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
