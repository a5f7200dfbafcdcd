//! Key files: private ones that only their owner can read, and public ones.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use portcullis_core::Secret;

use crate::note::{KeyFault, KeyRing, VerifierKey};

const MAX_BYTES: u64 = 64 * 1_024;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFault {
    /// It could not be read.
    #[error("the key file `{path}` could not be read: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others could sign in the log's name.
    #[error("the key file `{path}` can be read by others (mode {mode:04o}): run `chmod 600` on it")]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is no key.
    #[error("line {line} of the key file `{path}` {fault}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: KeyFault,
    },
}

/// Reads a file of private keys.
///
/// # Errors
/// [`KeyFileFault`] when it cannot be read, is open to others or holds anything but keys.
pub fn read_key_file(path: &Path) -> Result<KeyRing, KeyFileFault> {
    let io = |error| KeyFileFault::Io { path: path.to_owned(), error };
    // Opened once and then asked about, so that the file checked is the file read.
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileFault::TooOpen { path: path.to_owned(), mode });
    }
    let text = Secret::new(read(file).map_err(io)?);
    let text = std::str::from_utf8(text.expose()).map_err(|e| io(io::Error::other(e)))?;
    KeyRing::parse(text).map_err(|(line, fault)| KeyFileFault::Line { path: path.to_owned(), line, fault })
}

/// Reads a file of public keys, one a line.
///
/// # Errors
/// [`KeyFileFault`] when it cannot be read or holds anything but keys.
pub fn read_public_keys(path: &Path) -> Result<Vec<VerifierKey>, KeyFileFault> {
    let io = |error| KeyFileFault::Io { path: path.to_owned(), error };
    let bytes = File::open(path).and_then(read).map_err(io)?;
    let text = String::from_utf8(bytes).map_err(|e| io(io::Error::other(e)))?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let keys = lines.map(|(line, number)| {
        line.parse().map_err(|fault| KeyFileFault::Line { path: path.to_owned(), line: number, fault })
    });
    let keys: Vec<VerifierKey> = keys.collect::<Result<_, _>>()?;
    let none = || KeyFileFault::Line { path: path.to_owned(), line: 1, fault: KeyFault::Form };
    if keys.is_empty() { Err(none()) } else { Ok(keys) }
}

fn read(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file of private keys that may be replaced while it is in use.
pub(super) struct KeyFile {
    path: PathBuf,
    seen: Option<Seen>,
    ring: KeyRing,
}

type Seen = (u64, u64, i64, i64);

impl KeyFile {
    pub(super) fn open(path: &Path) -> Result<Self, KeyFileFault> {
        let seen = look(path);
        Ok(Self { path: path.to_owned(), seen, ring: read_key_file(path)? })
    }

    pub(super) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Reads the file again if it was replaced. The keys used so far, when there are others now. A file that
    /// cannot be used leaves the keys as they are and is looked at again next time.
    pub(super) fn refresh(&mut self) -> Result<Option<KeyRing>, KeyFileFault> {
        let seen = look(&self.path);
        if seen == self.seen {
            return Ok(None);
        }
        let ring = read_key_file(&self.path)?;
        if ring.name() != self.ring.name() {
            return Err(KeyFileFault::Line { path: self.path.clone(), line: 1, fault: KeyFault::Name });
        }
        self.seen = seen;
        let changed = !ring.public().eq(self.ring.public());
        let before = std::mem::replace(&mut self.ring, ring);
        Ok(changed.then_some(before))
    }
}

fn look(path: &Path) -> Option<Seen> {
    let identity = |about: Metadata| (about.ino(), about.len(), about.mtime(), about.mtime_nsec());
    fs::metadata(path).ok().map(identity)
}
