//! One writer per log.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use super::OpenError;

/// The lock file beside the log, held as long as this lives, and removed with it. The lock itself goes away with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    /// Held for its lock.
    file: File,
}

impl Lock {
    /// Takes the lock of the log at `log` and writes our process id into it.
    pub(crate) fn take(log: &Path) -> Result<Self, OpenError> {
        let path = path(log);
        loop {
            let lock = Self::take_there(log, &path)?;
            // Whoever held it may have removed it meanwhile: what is locked has to be what others would lock.
            if is_there(&lock.file, &path) {
                return Ok(lock);
            }
        }
    }

    fn take_there(log: &Path, path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { action: "lock", path: path.to_owned(), source };
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: log.to_owned(), holder: Holder(holder(&mut file)) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { path: path.to_owned(), file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock is given up, so that nobody has locked it yet; and only if it is what is locked, and not what
        // another has put in its place.
        if is_there(&self.file, &self.path) {
            let _stays = fs::remove_file(&self.path);
        }
    }
}

fn is_there(file: &File, path: &Path) -> bool {
    let identity = |about: Metadata| (about.dev(), about.ino());
    let (held, there) = (file.metadata().map(identity), fs::symlink_metadata(path).map(identity));
    matches!((held, there), (Ok(held), Ok(there)) if held == there)
}

/// How old a lock file has to be for [`remove_stale_locks`]: whoever makes one locks it within moments.
const STALE: Duration = Duration::from_secs(60);

/// Removes the lock files in a directory whose holders were killed.
pub fn remove_stale_locks(directory: &Path) {
    // What cannot be removed is in nobody's way.
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for path in
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "lock"))
    {
        let Ok(file) = File::open(&path) else { continue };
        let made = file.metadata().and_then(|about| about.modified());
        let old = made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > STALE));
        if old && file.try_lock().is_ok() {
            drop(Lock { path, file });
        }
    }
}

/// Who holds the lock, if they said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(pub Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn path(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
