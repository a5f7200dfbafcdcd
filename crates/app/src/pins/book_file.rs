//! One book and the lock beside it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use portcullis_core::PinsUnavailable;
use portcullis_inspect::pins::Book;

/// Largest file read.
const MOST_BYTES: u64 = 256 << 20;

/// Tells one content of a file from another: a file that is replaced is another inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// A file with a book in it.
pub(super) struct BookFile {
    path: PathBuf,
}

impl BookFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The book and its stamp, or nothing when the file is still the one of `known`. A file that is not there is
    /// an empty book without a stamp.
    pub(super) fn read_unless(
        &self,
        known: Option<&Stamp>,
    ) -> Result<Option<(Option<Stamp>, Book)>, PinsUnavailable> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some((None, Book::default()))),
            Err(e) => return Err(self.unavailable(&e)),
        };
        let stamp = stamp(&file).map_err(|e| self.unavailable(&e))?;
        if known == Some(&stamp) {
            return Ok(None);
        }
        if stamp.bytes > MOST_BYTES {
            return Err(self.unavailable(&format!("it has more than {MOST_BYTES} bytes")));
        }
        let mut text = Vec::new();
        io::Read::read_to_end(&mut file, &mut text).map_err(|e| self.unavailable(&e))?;
        let book = Book::read(&text).map_err(|e| self.unavailable(&e))?;
        Ok(Some((Some(stamp), book)))
    }

    /// Reads the book, lets `act` change it, and puts it in place of the old one, all under the lock.
    pub(super) fn update<R>(
        &self,
        act: impl FnOnce(&mut Book) -> R,
    ) -> Result<(R, Option<Stamp>, Book), PinsUnavailable> {
        self.make_directory().map_err(|e| self.unavailable(&e))?;
        let lock = private().write(true).create(true).truncate(false).open(self.beside("lock"));
        let lock = lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(|e| self.unavailable(&e))?;
        let (_, mut book) = self.read_unless(None)?.unwrap_or_default();
        let result = act(&mut book);
        let stamp = self.replace(&book.write()).map_err(|e| self.unavailable(&e))?;
        drop(lock);
        Ok((result, Some(stamp), book))
    }

    /// Only under the lock. The new content is on the disk before its name is, and its name before this returns.
    fn replace(&self, text: &[u8]) -> io::Result<Stamp> {
        let new = self.beside("new");
        // What a crash left behind.
        let _ = fs::remove_file(&new);
        let mut file = private().write(true).create_new(true).open(&new)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(self.directory())?.sync_all()?;
        stamp(&file)
    }

    fn make_directory(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.directory())
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.path.with_extension(ending)
    }

    fn unavailable(&self, reason: &dyn std::fmt::Display) -> PinsUnavailable {
        PinsUnavailable { place: self.path.display().to_string(), reason: reason.to_string() }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn stamp(file: &File) -> io::Result<Stamp> {
    let about = file.metadata()?;
    Ok(Stamp { inode: about.ino(), bytes: about.len(), modified: (about.mtime(), about.mtime_nsec()) })
}

/// The files of books in a directory; none when it is not there.
pub(super) fn in_directory(directory: &Path) -> Result<Vec<PathBuf>, PinsUnavailable> {
    let failed =
        |e: io::Error| PinsUnavailable { place: directory.display().to_string(), reason: e.to_string() };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|it| it == "json"));
    Ok(paths)
}
