//! Known vulnerabilities and malicious packages: parts of servers compared with advisories in the OSV format
//! (<https://ossf.github.io/osv-schema/>) that lie in a folder or a zip file. Nobody is asked.
//!
//! | file | question |
//! |---|---|
//! | `data` | which advisories are there about these packages, and how old is all of it? |
//! | `record` | one advisory, as far as it is read |
//! | `version` | which of two versions of npm or PyPI is the earlier one? |
//! | `range` | is a version among those an advisory is about? |
//! | `severity` | how bad is it? |
//! | `vex` | does its publisher, or somebody else who counts, say that it does not concern the package? |
//! | `policy` | what is refused, what is noted, and what somebody accepted for a time |
//!
//! Whatever cannot be read as a version, a range or a severity counts against the package, never for it.

mod data;
mod policy;
mod range;
mod record;
mod severity;
mod version;
mod vex;

pub use data::{Advisories, DataFault};
pub use policy::{Exception, Exceptions, ExceptionsFault, Judged, Policy, Verdict};
pub use range::Match;
pub use severity::Severity;
pub use vex::{Vex, VexFault};

use crate::admit::{Admitted, Ecosystem, Package};

/// The order of two versions; none when one of them cannot be read.
pub fn order(ecosystem: Ecosystem, one: &str, other: &str) -> Option<std::cmp::Ordering> {
    version::Version::read(ecosystem, one)?.order(&version::Version::read(ecosystem, other)?)
}

/// One exact version of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Where it is from.
    pub ecosystem: Ecosystem,
    /// Its name, in the form in which its registry compares names.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it is the server's own package, not one that it needs.
    pub own: bool,
}

impl Part {
    /// Every package of a server. Those of a file are in no registry, and no advisory is about them.
    pub fn of(server: &Admitted) -> Vec<Self> {
        let Ok(Package { ecosystem, name, .. }) = server.package.parse() else { return Vec::new() };
        let part = |part: &crate::admit::LockedPart| Self {
            ecosystem: ecosystem.of_part(part.bundled),
            name: part.name.clone(),
            version: part.version.clone(),
            own: part.name == name && part.version == server.version,
        };
        server.parts.iter().map(part).filter(|it| !it.ecosystem.is_local()).collect()
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
