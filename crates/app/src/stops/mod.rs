//! The directory that says what is stopped: one file for each source, and whatever an operator puts there.
//!
//! `command.json`, `api.json`, `signal.json` and `behaviour.json` are written by those who are called so. Any other file stops what its
//! name says, `all` or `server:NAME` for instance, so that a stop takes no more than `touch`. What cannot be read stops
//! everything: a gateway that cannot tell what was stopped has to assume the worst.

mod known;
mod word;

use std::{
    fs::{self, DirEntry, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use portcullis_core::{Stop, StopSource, StopSubject};
use serde::{Deserialize, Serialize};

use crate::{
    exit::{Exit, Failure},
    files::{self, Access, Existing},
};

pub(crate) use known::{Known, subject};
pub(crate) use word::{Heard, InForce, Keeper, Word, at_once, heard};

/// The files that are not named after what they stop.
const SOURCES: [(&str, StopSource); 4] = [
    ("command.json", StopSource::Command),
    ("api.json", StopSource::Api),
    ("signal.json", StopSource::Signal),
    ("behaviour.json", StopSource::Behaviour),
];

/// Holds the credential of the operator's endpoint.
pub(crate) const TOKEN: &str = "api.token";

/// A file longer than this is none of ours.
const MAX_BYTES: u64 = 1 << 20;
/// Characters of a file that become the reason.
const MAX_REASON: usize = 200;

/// What the directory says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Sorted.
    pub(crate) stops: Vec<Stop>,
    /// Files that name nothing that can be stopped.
    pub(crate) strange: Vec<String>,
}

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct StopDirectory(PathBuf);

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    stops: Vec<WrittenStop>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStop {
    subject: StopSubject,
    reason: String,
    requested_ms: u64,
}

impl StopDirectory {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Everything that is stopped by any source.
    pub(crate) fn read(&self) -> Reading {
        let mut reading = Reading::default();
        match fs::read_dir(&self.0) {
            Ok(entries) => {
                for entry in entries {
                    match entry.and_then(|entry| self.entry(&entry, &mut reading)) {
                        Ok(()) => {}
                        Err(error) => reading.stops.push(self.unreadable(&error)),
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => reading.stops.push(self.unreadable(&error)),
        }
        reading.stops.sort();
        reading.stops.dedup();
        reading.strange.sort();
        reading
    }

    fn entry(&self, entry: &DirEntry, reading: &mut Reading) -> io::Result<()> {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with(".new") || name == TOKEN {
            return Ok(());
        }
        if let Some((_, source)) = SOURCES.iter().find(|(file, _)| *file == name) {
            // Another command may have removed it since the directory was listed.
            let written = self.written(*source)?;
            reading.stops.extend(written.stops.into_iter().map(|stop| stop.by(*source)));
            return Ok(());
        }
        match name.parse() {
            Ok(subject) => reading.stops.push(by_name(entry, subject)),
            Err(_) => reading.strange.push(name),
        }
        Ok(())
    }

    fn unreadable(&self, error: &io::Error) -> Stop {
        let reason = format!("what is stopped could not be read in `{}`: {error}", self.0.display());
        Stop {
            subject: StopSubject::All,
            source: StopSource::FailSafe,
            reason: reason.into(),
            requested_ms: 0,
        }
    }

    fn written(&self, source: StopSource) -> io::Result<Written> {
        let path = self.file(source);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Written::default()),
            Err(error) => return Err(error),
            Ok(about) if about.len() > MAX_BYTES => return Err(io::Error::other("a file is too long")),
            Ok(_) => {}
        }
        serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
    }

    fn file(&self, source: StopSource) -> PathBuf {
        let name = SOURCES.iter().find(|(_, of)| *of == source).map_or("command.json", |(name, _)| *name);
        self.0.join(name)
    }

    /// Adds a stop of `source`; one that is there keeps its time and gets the new reason.
    pub(crate) fn stop(
        &self,
        source: StopSource,
        subject: &StopSubject,
        reason: &str,
        now_ms: u64,
    ) -> Result<(), Failure> {
        self.change(source, |stops| match stops.iter_mut().find(|stop| stop.subject == *subject) {
            Some(there) => reason.clone_into(&mut there.reason),
            None => stops.push(WrittenStop {
                subject: subject.clone(),
                reason: reason.chars().take(MAX_REASON).collect(),
                requested_ms: now_ms,
            }),
        })
    }

    /// Takes a stop of `source` back; says whether there was one.
    pub(crate) fn resume(&self, source: StopSource, subject: &StopSubject) -> Result<bool, Failure> {
        self.change(source, |stops| {
            let before = stops.len();
            stops.retain(|stop| stop.subject != *subject);
            stops.len() < before
        })
    }

    fn change<T>(
        &self,
        source: StopSource,
        change: impl FnOnce(&mut Vec<WrittenStop>) -> T,
    ) -> Result<T, Failure> {
        files::private_directory(&self.0)?;
        let failed = |error: io::Error| {
            Failure::new(Exit::Usage, format!("`{}`: {error}", self.file(source).display()))
                .remedy("correct or remove the file; until then everything is stopped")
        };
        let lock = self.lock().map_err(failed)?;
        let mut written = self.written(source).map_err(failed)?;
        let changed = change(&mut written.stops);
        let content = serde_json::to_vec_pretty(&written).map_err(|error| failed(error.into()))?;
        let done = files::write(&self.file(source), &content, Access::Private, Existing::Replace);
        drop(lock);
        done.map(|()| changed)
    }

    /// Keeps two commands from losing each other's change.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.0.join(".lock"))?;
        file.lock()?;
        Ok(file)
    }
}

impl WrittenStop {
    fn by(self, source: StopSource) -> Stop {
        Stop { subject: self.subject, source, reason: self.reason.into(), requested_ms: self.requested_ms }
    }
}

/// A file that is named after what it stops: written when it was last changed, and why is what it says.
fn by_name(entry: &DirEntry, subject: StopSubject) -> Stop {
    let about = entry.metadata().ok();
    let changed = about.as_ref().and_then(|about| about.modified().ok());
    let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let requested_ms = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let short = about.is_some_and(|about| about.is_file() && about.len() <= MAX_BYTES);
    let text = if short { fs::read_to_string(entry.path()).unwrap_or_default() } else { String::new() };
    let reason: String = text.lines().next().unwrap_or_default().chars().take(MAX_REASON).collect();
    Stop { subject, source: StopSource::File, reason: Arc::from(reason.trim()), requested_ms }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    fn told(directory: &StopDirectory) -> Vec<String> {
        directory.read().stops.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sources_are_kept_apart_and_hold_together() {
        let home = tempfile::tempdir().unwrap();
        let directory = StopDirectory::at(&home.path().join("stop"));
        assert_eq!(directory.read(), Reading::default(), "there is no directory yet");
        let subject: StopSubject = "server:files".parse().unwrap();
        directory.stop(StopSource::Command, &subject, "leak", 5).unwrap();
        directory.stop(StopSource::Command, &subject, "worse", 9).unwrap();
        directory.stop(StopSource::Signal, &StopSubject::All, "", 7).unwrap();
        fs::write(directory.path().join("principal:dev:alice"), "left the company\nyesterday").unwrap();
        fs::write(directory.path().join("servr:files"), "").unwrap();
        fs::write(directory.path().join(".hidden"), "").unwrap();
        assert_eq!(
            told(&directory),
            [
                "`all` is stopped (signal)",
                "`server:files` is stopped (command): worse",
                "`principal:dev:alice` is stopped (file): left the company"
            ]
        );
        assert_eq!(directory.read().strange, ["servr:files"]);
        assert!(directory.read().stops.iter().any(|stop| stop.requested_ms == 5), "the first request counts");
        directory.resume(StopSource::Api, &subject).unwrap();
        assert_eq!(told(&directory).len(), 3, "another source's stop stays");
        directory.resume(StopSource::Command, &subject).unwrap();
        directory.resume(StopSource::Signal, &StopSubject::All).unwrap();
        assert_eq!(told(&directory).len(), 1);
    }

    #[test]
    fn what_cannot_be_read_stops_everything() {
        for broken in
            ["", "{}", "{\"stops\":[{\"subject\":\"everything\",\"reason\":\"\",\"requested_ms\":1}]}"]
        {
            let home = tempfile::tempdir().unwrap();
            fs::write(home.path().join("command.json"), broken).unwrap();
            let directory = StopDirectory::at(home.path());
            let reading = directory.read();
            let all = reading.stops.first().unwrap();
            assert_eq!((&all.subject, all.source), (&StopSubject::All, StopSource::FailSafe), "{broken}");
            assert!(directory.stop(StopSource::Command, &StopSubject::All, "", 1).is_err(), "{broken}");
        }
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("stop"), "a file where the directory should be").unwrap();
        assert_eq!(StopDirectory::at(&home.path().join("stop")).read().stops.len(), 1);
    }
}
