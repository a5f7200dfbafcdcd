//! The file operations a log is made of, and the real ones.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    OpenError, segment,
    tail::{self, Tail},
};

/// What the writer asks of the system. A port of its own, so that tests can fail each operation.
pub(super) trait Disk: Send + 'static {
    /// Appends to the active segment; like `write(2)` it may write less than asked.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes what was appended survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the active segment back to `len` bytes. Never extends it.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Finishes the active segment under another name, which it returns, and begins the next one. On
    /// failure the old segment goes on.
    fn rotate(&mut self, now_ms: u64) -> io::Result<String>;
    /// Whether the log's path still leads to the active segment.
    fn in_place(&self) -> bool;
    /// Begins a new segment at the log's path because the active one was moved or deleted. Returns its
    /// length: somebody may have put a file there.
    fn reopen(&mut self, now_ms: u64) -> io::Result<u64>;
    /// A handle for whoever follows the active segment.
    fn reader(&self) -> Option<File> {
        None
    }
}

/// A segment in a file: mode 0600, opened for appending, closed on exec, never through a symbolic link.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens the log at `path`, making it if need be, and repairs its end. Returns it with its length and
    /// what was repaired.
    pub(super) fn open(path: &Path, now_ms: u64) -> Result<(Self, u64, Tail), OpenError> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => return Err(OpenError::NotAFile { path: path.to_owned() }),
            _ => {}
        }
        let io = |action| move |source| OpenError::Io { action, path: path.to_owned(), source };
        let file = open_active(path, OpenOptions::new().create(true)).map_err(io("open"))?;
        let mode = file.metadata().map_err(io("inspect"))?.mode();
        if mode & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(io("restrict"))?;
        }
        sync_directory(path).map_err(io("sync the directory of"))?;
        let (len, tail) = tail::repair(&file, path, now_ms).map_err(io("repair the end of"))?;
        Ok((Self { path: path.to_owned(), file }, len, tail))
    }
}

impl Disk for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > len { self.file.set_len(len) } else { Ok(()) }
    }

    fn rotate(&mut self, now_ms: u64) -> io::Result<String> {
        self.file.sync_data()?;
        let finished = segment::finished(&self.path, segment::next_number(&self.path)?, now_ms);
        fs::rename(&self.path, &finished)?;
        let next = open_active(&self.path, OpenOptions::new().create_new(true));
        match next.and_then(|file| sync_directory(&self.path).map(|()| file)) {
            Ok(file) => self.file = file,
            Err(error) => {
                // Back to where it was, so that the next attempt starts from the same state. Should this
                // fail as well, `in_place` says so.
                if error.kind() != io::ErrorKind::AlreadyExists {
                    let _ = fs::rename(&finished, &self.path);
                }
                return Err(error);
            }
        }
        Ok(finished.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    fn in_place(&self) -> bool {
        let identity = |found: fs::Metadata| (found.dev(), found.ino());
        let ours = self.file.metadata().map(identity).ok();
        ours.is_some() && ours == fs::symlink_metadata(&self.path).map(identity).ok()
    }

    fn reopen(&mut self, now_ms: u64) -> io::Result<u64> {
        let (opened, len, _) = Self::open(&self.path, now_ms).map_err(io::Error::other)?;
        *self = opened;
        Ok(len)
    }

    fn reader(&self) -> Option<File> {
        self.file.try_clone().ok()
    }
}

/// Makes the directory of a log, readable by its owner alone.
pub(crate) fn make_directory(path: &Path) -> Result<(), OpenError> {
    let directory = segment::directory(path);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| OpenError::Io { action: "make the directory", path: directory.to_owned(), source })
}

fn open_active(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    options.read(true).append(true).mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)
}

/// A name survives a loss of power once its directory is synced.
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(segment::directory(path))?.sync_all()
}
