//! What each running gateway says about the stops it has in force, so that whoever stops something is told what it met.
//!
//! A gateway keeps a file in the directory and holds a lock on it for as long as it runs; a file that nobody holds was left
//! by one that was killed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use portcullis_core::{Stop, StopSource, StopSubject};
use portcullis_gateway::Met;
use serde::{Deserialize, Serialize};

use super::Known;

/// How the names of the files begin. A dot, so that they stop nothing.
const PREFIX: &str = ".gateway-";
/// How long every gateway has to say that a stop is in force: what is promised is a second.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often their words are read again.
const AGAIN: Duration = Duration::from_millis(20);

/// What a gateway says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Word {
    /// The process.
    pub(crate) process: u32,
    /// What it was started with.
    pub(crate) config: String,
    /// What it can meet.
    pub(crate) knows: Known,
    /// What it has in force.
    pub(crate) stops: Vec<InForce>,
}

/// A stop in force, and what it met.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InForce {
    #[serde(flatten)]
    pub(crate) stop: Stop,
    pub(crate) met: Met,
}

impl Word {
    /// What it says about a stop of one of these sources.
    pub(crate) fn about(&self, subject: &StopSubject, sources: &[StopSource]) -> Option<&InForce> {
        self.stops.iter().find(|it| it.stop.subject == *subject && sources.contains(&it.stop.source))
    }
}

/// The file of this gateway, which goes away with it.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    file: File,
}

impl Keeper {
    pub(crate) fn begin(directory: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{PREFIX}{:016x}", u64::from_ne_bytes(random));
        let (path, unlocked) = (directory.join(&name), directory.join(format!(".new{name}")));
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&unlocked)?;
        // Whoever finds it under its name finds it locked.
        file.lock()?;
        fs::rename(&unlocked, &path)?;
        Ok(Self { path, file })
    }

    pub(crate) fn say(&mut self, word: &Word) -> io::Result<()> {
        let text = serde_json::to_vec(word).map_err(io::Error::other)?;
        // A disk that is full leaves what was there, which whoever reads it cannot read.
        self.file.rewind()?;
        self.file.write_all(&text)?;
        self.file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // What is left is removed by whoever finds it without a lock.
        let _left = fs::remove_file(&self.path);
    }
}

/// What gateways say.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) words: Vec<Word>,
    /// Gateways that run and whose words cannot be read.
    pub(crate) mute: usize,
}

/// What every running gateway says, once all of them say `wanted`, or when they had time enough to.
#[expect(clippy::disallowed_methods, reason = "what another process writes has no condition to wait for")]
pub(crate) fn heard(directory: &Path, wanted: impl Fn(&Word) -> bool) -> io::Result<Heard> {
    let end = Instant::now() + PATIENCE;
    loop {
        let heard = at_once(directory)?;
        if (heard.mute == 0 && heard.words.iter().all(&wanted)) || Instant::now() >= end {
            return Ok(heard);
        }
        std::thread::sleep(AGAIN);
    }
}

/// What they say just now. One that is writing is mute.
pub(crate) fn at_once(directory: &Path) -> io::Result<Heard> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Heard::default()),
        entries => entries?,
    };
    let mut heard = Heard::default();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let mut file = match File::open(entry.path()) {
            Ok(file) => file,
            // Its gateway has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => {
                heard.mute += 1;
                continue;
            }
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                match read.ok().and_then(|_| serde_json::from_str(&text).ok()) {
                    Some(word) => heard.words.push(word),
                    None => heard.mute += 1,
                }
            }
            // Its gateway was killed. Another command may be removing it as well.
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::Error(_)) => heard.mute += 1,
        }
    }
    Ok(heard)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn gateways_are_heard_while_they_run_and_forgotten_after() {
        let home = tempfile::tempdir().unwrap();
        let subject: StopSubject = "principal:oauth:corp:alice".parse().unwrap();
        let stop = Stop {
            subject: subject.clone(),
            source: StopSource::Command,
            reason: "".into(),
            requested_ms: 1,
        };
        let met = Met { calls: 2, ..Met::default() };
        let word = |stops| Word { process: 7, config: String::new(), knows: Known::default(), stops };
        let mut keeper = Keeper::begin(home.path()).unwrap();
        keeper.say(&word(vec![InForce { stop, met }])).unwrap();
        let says = |it: &Word| it.about(&subject, &[StopSource::Command]).is_some();
        let Heard { words, mute } = heard(home.path(), says).unwrap();
        assert_eq!(mute, 0);
        let about = words.first().and_then(|it| it.about(&subject, &[StopSource::Command])).unwrap();
        assert_eq!((words.len(), about.met), (1, met));
        keeper.say(&word(Vec::new())).unwrap();
        assert!(heard(home.path(), |it| !says(it)).unwrap().words.iter().all(|it| it.stops.is_empty()));
        // One that was killed.
        fs::write(home.path().join(".gateway-00"), "{}").unwrap();
        assert_eq!(heard(home.path(), |_| true).unwrap().words.len(), 1);
        assert!(!home.path().join(".gateway-00").exists());
        // One that runs and could not write its word.
        keeper.file.set_len(1).unwrap();
        assert_eq!(at_once(home.path()).unwrap().mute, 1);
        drop(keeper);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
