//! `portcullis.lock`: which servers were admitted, as what, on whose word.
//!
//! The file is written whole, in one order, so that a change of one server is a change of its lines alone.

use std::collections::BTreeSet;

use portcullis_core::{Digest, ServerName};
use serde::{Deserialize, Serialize};

use super::{Admitted, LockedPart, Retirement, State};

/// The form of the file. Another number is another form.
const VERSION: u32 = 1;

/// What the file begins with.
const HEAD: &str = "# Servers that were admitted. `portcullis add`, `update`, `approve`, `rollback` and `retire` write this file; review its changes.\n\n";

/// Versions of a server that were replaced and are kept, the newest first.
const KEPT: usize = 3;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// Servers by name, retired ones too.
    #[serde(rename = "server", default)]
    servers: Vec<Admitted>,
    /// Versions that wait for approval beside one that is approved, by the same names; one a server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    next: Vec<Admitted>,
    /// Versions that were replaced, the last one of a name first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous: Vec<Admitted>,
    /// Retired ones whose names others have now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<Gone>,
}

/// Where a server was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// It is what its name means, once it is approved.
    Present,
    /// It waits beside the one that is approved and goes on.
    Next,
}

/// A retired server whose name another one has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gone {
    package: String,
    tree: Digest,
    retired: Retirement,
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
    /// A version waits beside one that is not there, or not approved.
    #[error("a version of `{0}` waits beside none that is approved")]
    Alone(ServerName),
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
        let none = Vec::new;
        Self { version: VERSION, servers: none(), next: none(), previous: none(), gone: Vec::new() }
    }
}

impl Lock {
    /// Reads a file.
    pub fn read(text: &str) -> Result<Self, LockFault> {
        let lock: Self = toml::from_str(text).map_err(|error| LockFault::Form(error.to_string()))?;
        if lock.version != VERSION {
            return Err(LockFault::Version(lock.version));
        }
        for list in [&lock.servers, &lock.next] {
            let mut names = BTreeSet::new();
            if let Some(server) = list.iter().find(|server| !names.insert(&server.name)) {
                return Err(LockFault::Twice(server.name.clone()));
            }
        }
        let alone =
            |it: &&Admitted| lock.find(&it.name).is_none_or(|present| present.state() != State::Approved);
        match lock.next.iter().find(alone) {
            Some(server) => Err(LockFault::Alone(server.name.clone())),
            None => Ok(lock),
        }
    }

    /// The file's text: the same for the same servers.
    pub fn write(&self) -> Result<String, LockFault> {
        let mut sorted = self.clone();
        for list in [&mut sorted.servers, &mut sorted.next, &mut sorted.previous] {
            list.sort_by(|a, b| a.name.cmp(&b.name));
        }
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

    /// The version of that name that waits for approval beside the one that is approved.
    pub fn next(&self, name: &ServerName) -> Option<&Admitted> {
        self.next.iter().find(|server| server.name == *name)
    }

    /// The versions of that name that were replaced, the last one first.
    pub fn previous(&self, name: &ServerName) -> impl Iterator<Item = &Admitted> {
        self.previous.iter().filter(move |server| server.name == *name)
    }

    /// Everything whose files are kept.
    pub fn all(&self) -> impl Iterator<Item = &Admitted> {
        self.servers.iter().chain(&self.next).chain(&self.previous)
    }

    /// Whether the files with this digest are those of something that is not retired.
    pub fn needs(&self, tree: Digest) -> bool {
        self.all().any(|it| it.tree == tree && it.retired.is_none())
    }

    /// Takes a server in: beside the version of its name that is approved, otherwise in the place of what has its name.
    pub fn admit(&mut self, server: Admitted) -> Result<Seat, LockFault> {
        if let Some(package) = self.retired(server.tree) {
            return Err(LockFault::Retired(server.tree, package.to_owned()));
        }
        // The version of a file is its digest, and that of a bundle stands in it.
        let same = |it: &&Admitted| it.package == server.package && it.version == server.version;
        if let Some(before) = self.all().filter(same).find(|it| it.artifact != server.artifact) {
            let (package, before, now) = (server.package, before.artifact, server.artifact);
            return Err(LockFault::Republished { package, before, now });
        }
        self.same_parts(&server)?;
        match self.find_mut(&server.name) {
            Some(place) if place.state() == State::Approved => {
                self.next.retain(|it| it.name != server.name);
                self.next.push(server);
                return Ok(Seat::Next);
            }
            Some(place) => {
                let before = std::mem::replace(place, server);
                let (package, tree) = (before.package, before.tree);
                self.gone.extend(before.retired.map(|retired| Gone { package, tree, retired }));
            }
            None => self.servers.push(server),
        }
        Ok(Seat::Present)
    }

    /// Puts a server with a new approval where it belongs: one that waited takes the place of the present one, which is
    /// kept as previous unless its files are the same. What is kept no longer is given back.
    pub fn approve(&mut self, approved: Admitted) -> Vec<Admitted> {
        let name = approved.name.clone();
        let waited = self.next(&name).is_some();
        self.next.retain(|it| it.name != name);
        let Some(place) = self.find_mut(&name) else { return Vec::new() };
        let before = std::mem::replace(place, approved);
        if !waited || self.find(&name).is_some_and(|now| now.tree == before.tree) {
            return Vec::new();
        }
        self.keep(before)
    }

    /// Puts the previous version with these files in the place of the present one, which is kept and marked. What is kept
    /// no longer is given back; none when there is no such version.
    pub fn roll_back(&mut self, name: &ServerName, tree: Digest, why: Retirement) -> Option<Vec<Admitted>> {
        let at = self.previous.iter().position(|it| it.name == *name && it.tree == tree)?;
        let restored = self.previous.remove(at);
        let before = std::mem::replace(self.find_mut(name)?, restored);
        Some(self.keep(Admitted { rolled_back: Some(why), ..before }))
    }

    fn keep(&mut self, before: Admitted) -> Vec<Admitted> {
        let name = before.name.clone();
        self.previous.retain(|it| it.name != name || it.tree != before.tree);
        self.previous.insert(0, before);
        let (mut seen, mut dropped) = (0, Vec::new());
        let (kept, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.previous).into_iter().partition(|it| {
                seen += usize::from(it.name == name);
                it.name != name || seen <= KEPT
            });
        self.previous = kept;
        dropped.extend(others);
        dropped
    }

    /// Ends a server with everything that is kept under its name; the digests of all their files.
    pub fn retire(&mut self, name: &ServerName, retired: &Retirement) -> Vec<Digest> {
        let Some(place) = self.find_mut(name) else { return Vec::new() };
        place.retired = Some(retired.clone());
        let mut trees = vec![place.tree];
        for list in [&mut self.next, &mut self.previous] {
            let (ended, kept): (Vec<_>, Vec<_>) =
                std::mem::take(list).into_iter().partition(|it| it.name == *name);
            *list = kept;
            trees.extend(ended.iter().map(|it| it.tree));
            let gone = |it: Admitted| Gone { package: it.package, tree: it.tree, retired: retired.clone() };
            for one in ended.into_iter().map(gone) {
                if !self.gone.iter().any(|it| it.tree == one.tree) {
                    self.gone.push(one);
                }
            }
        }
        trees
    }

    /// An archive of npm is the same for everybody and for good: one that is known as something else was published
    /// again. An index of Python packages has several archives of a version, for different machines.
    fn same_parts(&self, server: &Admitted) -> Result<(), LockFault> {
        let is_npm = |it: &Admitted| it.package.starts_with("npm:");
        if !is_npm(server) {
            return Ok(());
        }
        let own = |it: &&LockedPart| !it.bundled;
        let known = self.all().filter(|it| is_npm(it)).flat_map(|it| it.parts.iter().filter(own));
        let parts = || server.parts.iter().filter(own);
        let mut pairs = known.flat_map(|known| parts().map(move |part| (known, part)));
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
