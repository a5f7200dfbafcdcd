//! Advisories in a folder or a zip file, as far as they are about packages that somebody asks for.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Part,
    record::{Named, Record},
};
use crate::admit::{Ecosystem, normal};

/// More than any advisory has.
const MAX_ADVISORY: u64 = 8 << 20;
/// More than all advisories of all ecosystems together.
const MAX_ADVISORIES: usize = 5_000_000;
/// Deepest nesting of folders.
const MAX_DEPTH: usize = 16;

const DAY_MS: u64 = 86_400_000;

/// What is known about some packages.
#[derive(Debug, Default)]
pub struct Advisories {
    about: HashMap<(Ecosystem, String), Vec<Arc<Record>>>,
    wanted: BTreeSet<(Ecosystem, String)>,
    read: usize,
    newest: BTreeMap<Ecosystem, Option<Timestamp>>,
}

/// Why advisories cannot be used. Nothing is known then, which is not the same as that nothing is wrong.
#[derive(Debug, thiserror::Error)]
pub enum DataFault {
    /// The disk.
    #[error("{path}: {error}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The archive.
    #[error("{path}: {reason}")]
    Archive {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that is no advisory in the OSV format.
    #[error("{place} is no OSV advisory: {reason}")]
    Record {
        /// Which file.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More of them, or a larger one, than there can be.
    #[error("{0} is larger than advisories are")]
    Bound(PathBuf),
    /// None at all about packages of an ecosystem.
    #[error("there is no advisory about packages of {ecosystem} in {path}")]
    Empty {
        /// Where they were looked for.
        path: PathBuf,
        /// Of which.
        ecosystem: &'static str,
    },
}

/// As much of an advisory as tells whether the rest matters.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    modified: String,
    #[serde(default)]
    affected: Vec<About>,
}

#[derive(Deserialize)]
struct About {
    package: Option<Named>,
}

impl Advisories {
    /// Reads every `.json` file of a folder, or of a zip file as OSV publishes them for an ecosystem, and keeps what is
    /// about `parts`.
    pub fn read(path: &Path, parts: &[Part]) -> Result<Self, DataFault> {
        let wanted = parts.iter().map(|part| (part.ecosystem, part.name.clone())).collect();
        let mut advisories = Self { wanted, ..Self::default() };
        if path.is_dir() {
            advisories.folder(path, 0)?
        } else {
            advisories.zip(path)?
        }
        if advisories.read == 0 {
            return Err(DataFault::Empty { path: path.to_owned(), ecosystem: "any ecosystem" });
        }
        let none_about = |ecosystem: &Ecosystem| !advisories.newest.contains_key(ecosystem);
        match advisories.ecosystems().into_iter().find(none_about) {
            Some(ecosystem) => Err(DataFault::Empty { path: path.to_owned(), ecosystem: ecosystem.as_str() }),
            None => Ok(advisories),
        }
    }

    /// How many advisories were read.
    pub fn count(&self) -> usize {
        self.read
    }

    /// Days since the newest of them was changed, of the ecosystem for which that is longest ago; none when not one of
    /// an ecosystem says when that was.
    pub fn age_days(&self, now_ms: u64) -> Option<u64> {
        let ecosystems = self.ecosystems();
        let newest = ecosystems.iter().map(|it| self.newest.get(it).copied().flatten());
        // Where nothing is looked for, whatever is newest says when they were fetched.
        let oldest = newest.min().unwrap_or_else(|| self.newest.values().copied().max().flatten())?;
        let oldest = u64::try_from(oldest.as_millisecond()).unwrap_or(0);
        Some(now_ms.saturating_sub(oldest) / DAY_MS)
    }

    /// Those of the parts; there are no advisories about files.
    fn ecosystems(&self) -> BTreeSet<Ecosystem> {
        let all = self.wanted.iter().map(|(ecosystem, _)| *ecosystem);
        all.filter(|it| !it.is_local()).collect()
    }

    pub(super) fn about(&self, part: &Part) -> &[Arc<Record>] {
        self.about.get(&(part.ecosystem, part.name.clone())).map_or(&[], Vec::as_slice)
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), DataFault> {
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |error| DataFault::Disk { path, error }
        };
        if depth > MAX_DEPTH {
            return Err(DataFault::Bound(folder.to_owned()));
        }
        for entry in fs::read_dir(folder).map_err(disk(folder))? {
            let path = entry.map_err(disk(folder))?.path();
            if path.is_dir() {
                self.folder(&path, depth + 1)?;
            } else if is_json(&path.to_string_lossy()) {
                let file = File::open(&path).map_err(disk(&path))?;
                let bytes = whole(file).map_err(disk(&path))?;
                self.take(&bytes.ok_or_else(|| DataFault::Bound(path.clone()))?, &path.to_string_lossy())?;
            }
        }
        Ok(())
    }

    fn zip(&mut self, path: &Path) -> Result<(), DataFault> {
        let archive = |reason: String| DataFault::Archive { path: path.to_owned(), reason };
        let file = File::open(path).map_err(|error| DataFault::Disk { path: path.to_owned(), error })?;
        let mut zip =
            zip::ZipArchive::new(io::BufReader::new(file)).map_err(|fault| archive(fault.to_string()))?;
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(|fault| archive(fault.to_string()))?;
            let name = entry.name().map_err(|fault| archive(fault.to_string()))?.into_owned();
            if !is_json(&name) {
                continue;
            }
            let name = name.chars().take(200).filter(|it| !it.is_control()).collect::<String>();
            let bytes = whole(entry).map_err(|fault| archive(format!("{name}: {fault}")))?;
            self.take(&bytes.ok_or_else(|| DataFault::Bound(path.to_owned()))?, &name)?;
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], place: &str) -> Result<(), DataFault> {
        let fault = |error: serde_json::Error| DataFault::Record {
            place: place.to_owned(),
            reason: error.to_string(),
        };
        self.read += 1;
        if self.read > MAX_ADVISORIES {
            return Err(DataFault::Bound(place.into()));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(fault)?;
        let changed = head.modified.parse().ok();
        let about: BTreeSet<(Ecosystem, String)> =
            head.affected.iter().filter_map(|it| package(it.package.as_ref()?)).collect();
        for (ecosystem, _) in &about {
            let newest = self.newest.entry(*ecosystem).or_default();
            *newest = changed.max(*newest);
        }
        let mut wanted = about.into_iter().filter(|it| self.wanted.contains(it)).peekable();
        if wanted.peek().is_none() {
            return Ok(());
        }
        let record: Arc<Record> = Arc::new(serde_json::from_slice(bytes).map_err(fault)?);
        if record.withdrawn.is_none() {
            wanted.for_each(|package| self.about.entry(package).or_default().push(record.clone()));
        }
        Ok(())
    }
}

/// The package an advisory names, if it is of an ecosystem that is known here.
pub(super) fn package(named: &Named) -> Option<(Ecosystem, String)> {
    match named.ecosystem.split(':').next() {
        Some("npm") => Some((Ecosystem::Npm, named.name.clone())),
        Some("PyPI") => Some((Ecosystem::PyPi, normal(&named.name))),
        _ => None,
    }
}

fn is_json(name: &str) -> bool {
    name.ends_with(".json")
}

/// All of it; none when it is more than an advisory can have.
fn whole(from: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(MAX_ADVISORY + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_ADVISORY).then_some(bytes))
}
