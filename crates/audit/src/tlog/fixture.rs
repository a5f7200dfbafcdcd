//! Logs for tests.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use portcullis_core::{Clock, FakeClock, Sink as _};

use super::{LogDir, TransparencyLog, TransparencyLogError, TransparencyLogOptions};
use crate::{
    Fsync, JsonLines, JsonLinesOptions,
    note::{Algorithm, KeyRing, SigningKey, VerifierKey},
    verify::{Trust, Verification, verify},
};

pub(crate) const NAME: &str = "example.com/log";
const NOW_MS: u64 = 1_795_342_500_042;

/// A directory with lines, a key and a log.
pub(crate) struct Ground {
    pub(crate) home: tempfile::TempDir,
    /// Records written so far.
    pub(crate) records: u64,
    pub(crate) rotate_bytes: Option<u64>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let ground = Self { home, records: 0, rotate_bytes: None };
        ground.new_key(&[Algorithm::Ed25519]);
        ground
    }

    /// Replaces the key file by new keys.
    pub(crate) fn new_key(&self, algorithms: &[Algorithm]) -> Vec<VerifierKey> {
        let keys: Vec<_> =
            algorithms.iter().map(|algorithm| SigningKey::generate(NAME, *algorithm).unwrap()).collect();
        let text: Vec<u8> = keys.iter().flat_map(|key| key.line().expose().to_vec()).collect();
        let new = self.home.path().join("key.new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, self.key_file()).unwrap();
        keys.iter().map(|key| key.public().clone()).collect()
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.home.path().join("key")
    }

    pub(crate) fn lines(&self) -> PathBuf {
        self.home.path().join("audit.jsonl")
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.home.path().join("log")
    }

    pub(crate) fn ring(&self) -> KeyRing {
        super::read_key_file(&self.key_file()).unwrap()
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust { keys: self.ring().public().cloned().collect(), ..Trust::default() }
    }

    pub(crate) fn log(&self) -> LogDir {
        LogDir::at(self.directory())
    }

    fn open_lines(&self, clock: Arc<dyn Clock>) -> Arc<JsonLines> {
        let options = JsonLinesOptions {
            fsync: Fsync::DangerNever,
            followed: true,
            rotate_bytes: self.rotate_bytes,
            queue_records: 1 << 20,
            queue_bytes: 1 << 28,
            ..JsonLinesOptions::new(self.lines())
        };
        Arc::new(JsonLines::open(options, clock).unwrap())
    }

    pub(crate) fn try_open(&self) -> Result<(TransparencyLog, Arc<JsonLines>), TransparencyLogError> {
        let clock: Arc<dyn Clock> = Arc::new(FakeClock::at(NOW_MS));
        let lines = self.open_lines(clock.clone());
        let options = TransparencyLogOptions {
            interval: Duration::from_millis(5),
            ..TransparencyLogOptions::new(self.directory(), self.key_file())
        };
        Ok((TransparencyLog::open(options, lines.clone(), clock)?, lines))
    }

    pub(crate) fn open(&self) -> (TransparencyLog, Arc<JsonLines>) {
        self.try_open().unwrap()
    }

    /// Hands `count` records to the lines.
    pub(crate) fn write(&mut self, lines: &JsonLines, count: u64) {
        for _ in 0..count {
            self.records += 1;
            lines.append(record(self.records)).unwrap();
        }
    }

    /// One run that writes `count` records.
    pub(crate) fn run(&mut self, count: u64) {
        let (log, lines) = self.open();
        self.write(&lines, count);
        log.shutdown().unwrap();
    }

    /// Writes `count` records that nobody follows, and lets a run find them: it signs once, however slow it is.
    pub(crate) fn run_at_once(&mut self, count: u64) {
        let lines = self.open_lines(Arc::new(FakeClock::at(NOW_MS)));
        self.write(&lines, count);
        lines.shutdown().unwrap();
        self.open().0.shutdown().unwrap();
    }

    pub(crate) fn verify(&self) -> Verification {
        self.verify_with(&self.trust())
    }

    pub(crate) fn verify_with(&self, trust: &Trust) -> Verification {
        verify(&self.log(), trust, &mut |_| {})
    }

    /// Puts a copy of the log elsewhere.
    pub(crate) fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir_in(self.home.path()).unwrap();
        copy_into(&self.directory(), copy.path());
        copy
    }

    /// Puts a copy back in place of the log.
    pub(crate) fn put_back(&self, copy: &tempfile::TempDir) {
        fs::remove_dir_all(self.directory()).unwrap();
        copy_into(copy.path(), &self.directory());
    }
}

pub(crate) fn record(number: u64) -> Vec<u8> {
    format!(r#"{{"v":1,"id":"node-0-{number:x}","seq":{number},"type":"event","detail":"{number}"}}"#)
        .into_bytes()
}

pub(crate) fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
