//! What parts one version of a server from another: what somebody who approves an update has to look at.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::Digest;
use serde::Serialize;

use super::{Admitted, Finding, LockedPart};

/// What changes from one version to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Both packages.
    pub package: Changed,
    /// Who vouches for it and what it says about itself, as far as that changes.
    pub identity: Vec<Changed>,
    /// How it is started, as far as that changes.
    pub start: Vec<Changed>,
    /// Packages that come, go or change.
    pub packages: Vec<PartChange>,
    /// Licences of packages that are in both.
    pub licences: Vec<Changed>,
    /// Findings of the new version that the present one does not have: scripts, advisories and the rest.
    pub new_findings: Vec<Finding>,
    /// Findings that are gone.
    pub gone_findings: Vec<Finding>,
}

/// A value before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What has it.
    pub what: String,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// After.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A package that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartChange {
    /// Its name.
    pub name: String,
    /// Versions before, with the digests of their archives; empty when it is new.
    pub before: Vec<(String, Digest)>,
    /// The same after; empty when it is gone.
    pub after: Vec<(String, Digest)>,
}

impl Difference {
    /// What changes when `after` takes the place of `before`.
    pub fn between(before: &Admitted, after: &Admitted) -> Self {
        let findings = |of: &Admitted| of.findings.iter().cloned().collect::<BTreeSet<_>>();
        let (earlier, later) = (findings(before), findings(after));
        let changed = |rows: Vec<(&str, Option<String>, Option<String>)>| {
            let rows = rows.into_iter().filter(|(_, before, after)| before != after);
            rows.map(|(what, before, after)| Changed { what: what.to_owned(), before, after }).collect()
        };
        Self {
            package: Changed {
                what: "package".to_owned(),
                before: Some(before.package.clone()),
                after: Some(after.package.clone()),
            },
            identity: changed(identity(before, after)),
            start: changed(vec![
                ("interpreter", before.interpreter.clone(), after.interpreter.clone()),
                ("entry", Some(before.entry.clone()), Some(after.entry.clone())),
            ]),
            packages: packages(before, after),
            licences: licences(before, after),
            new_findings: later.difference(&earlier).cloned().collect(),
            gone_findings: earlier.difference(&later).cloned().collect(),
        }
    }

    /// What changes about who is behind it, in one line each.
    pub fn identity_in_words(&self) -> Vec<String> {
        self.identity.iter().map(ToString::to_string).collect()
    }
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, before, after } = self;
        let none = "none";
        write!(f, "{what}: {} -> {}", before.as_deref().unwrap_or(none), after.as_deref().unwrap_or(none))
    }
}

type Row = (&'static str, Option<String>, Option<String>);

fn identity(before: &Admitted, after: &Admitted) -> Vec<Row> {
    let vouched = |of: &Admitted| of.provenance.clone().unwrap_or_default();
    let claimed = |of: &Admitted| of.claims.clone().unwrap_or_default();
    let (one, other) = (vouched(before), vouched(after));
    let (said, says) = (claimed(before), claimed(after));
    let signer = |signer: &str| Some(without_ref(signer).to_owned()).filter(|it| !it.is_empty());
    vec![
        ("signer", signer(&one.signer), signer(&other.signer)),
        ("issuer", one.issuer, other.issuer),
        ("source", one.source, other.source),
        ("builder", one.builder, other.builder),
        ("publisher, as it says itself", said.publisher, says.publisher),
        ("repository, as it says itself", said.repository, says.repository),
    ]
}

/// A workflow without the branch or tag it ran for: that is another one each time.
fn without_ref(signer: &str) -> &str {
    signer.split_once("@refs/").map_or(signer, |(workflow, _)| workflow)
}

type Versions<'a> = BTreeMap<&'a str, BTreeSet<(&'a str, Digest)>>;

fn by_name(server: &Admitted) -> Versions<'_> {
    let mut versions = Versions::new();
    for LockedPart { name, version, artifact, .. } in &server.parts {
        versions.entry(name).or_default().insert((version, *artifact));
    }
    versions
}

fn packages(before: &Admitted, after: &Admitted) -> Vec<PartChange> {
    let (earlier, later) = (by_name(before), by_name(after));
    let names: BTreeSet<&str> = earlier.keys().chain(later.keys()).copied().collect();
    let of = |all: &Versions<'_>, name: &str| {
        let versions = all.get(name).into_iter().flatten();
        versions.map(|(version, digest)| ((*version).to_owned(), *digest)).collect::<Vec<_>>()
    };
    let change = |name: &str| PartChange {
        name: name.to_owned(),
        before: of(&earlier, name),
        after: of(&later, name),
    };
    names.into_iter().map(change).filter(|it| it.before != it.after).collect()
}

fn licences(before: &Admitted, after: &Admitted) -> Vec<Changed> {
    let of = |server: &Admitted| {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for part in &server.parts {
            found.entry(part.name.clone()).or_default().extend(part.licence.clone());
        }
        found
    };
    let (earlier, later) = (of(before), of(after));
    let text = |all: &BTreeSet<String>| {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    let both = earlier.iter().filter_map(|(name, before)| Some((name, before, later.get(name)?)));
    let changed = both.filter(|(_, before, after)| before != after);
    changed
        .map(|(name, before, after)| Changed { what: name.clone(), before: text(before), after: text(after) })
        .collect()
}
