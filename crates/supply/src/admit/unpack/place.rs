//! The directory that is filled, and what may be put into it.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use super::{Bounds, UnpackFault};

/// A directory that is being filled from archives, and how much of its bounds is used.
///
/// INVARIANT: everything under `root` was made by this value, so no part of a path can be a link.
#[derive(Debug)]
pub struct Fill {
    root: PathBuf,
    bounds: Bounds,
    /// Paths of files in lower case: some file systems know no other.
    seen: HashSet<String>,
    entries: usize,
    bytes: u64,
}

impl Fill {
    /// Fills a directory, which is made and must not be there.
    pub fn new(root: &Path, bounds: Bounds) -> Result<Self, UnpackFault> {
        fs::create_dir(root).map_err(|error| UnpackFault::write(root, error))?;
        Ok(Self { root: root.to_owned(), bounds, seen: HashSet::new(), entries: 0, bytes: 0 })
    }

    /// Bytes that may still be written.
    pub(super) fn left(&self) -> u64 {
        self.bounds.bytes.saturating_sub(self.bytes)
    }

    /// Counts an entry of an archive, whatever becomes of it.
    pub(super) fn count(&mut self) -> Result<(), UnpackFault> {
        self.entries += 1;
        if self.entries > self.bounds.files {
            return Err(UnpackFault::Bound(format!("{} files", self.bounds.files)));
        }
        Ok(())
    }

    /// Makes a file of what `content` gives.
    pub fn file(&mut self, path: &str, executable: bool, content: impl Read) -> Result<(), UnpackFault> {
        let parts = self.parts(path)?;
        let relative = parts.join("/");
        if !self.seen.insert(relative.to_lowercase()) {
            return Err(UnpackFault::Twice(shown(&relative)));
        }
        let place = self.root.join(&relative);
        if let Some(directory) = place.parent() {
            fs::create_dir_all(directory).map_err(|error| UnpackFault::write(directory, error))?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if executable { 0o755 } else { 0o644 });
        let mut file = options.open(&place).map_err(|error| UnpackFault::write(&place, error))?;
        self.copy(content, &mut file, &place)
    }

    fn copy(&mut self, content: impl Read, file: &mut fs::File, place: &Path) -> Result<(), UnpackFault> {
        let (mut content, mut buffer) = (content.take(self.left() + 1), vec![0; 64 * 1024]);
        loop {
            let read = match content.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(UnpackFault::broken(error)),
            };
            self.bytes += read as u64;
            if self.bytes > self.bounds.bytes {
                return Err(UnpackFault::Bound(format!("{} bytes", self.bounds.bytes)));
            }
            let chunk = buffer.get(..read).unwrap_or_default();
            file.write_all(chunk).map_err(|error| UnpackFault::write(place, error))?;
        }
    }

    /// The parts of a path inside the directory.
    pub(super) fn parts<'p>(&self, path: &'p str) -> Result<Vec<&'p str>, UnpackFault> {
        let bad = || UnpackFault::Path(shown(path));
        if path.len() > self.bounds.path || path.starts_with('/') || path.contains(['\0', '\\', ':']) {
            return Err(bad());
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let odd = |part: &&str| *part == ".." || part.chars().any(char::is_control);
        if parts.is_empty() || parts.iter().any(odd) {
            return Err(bad());
        }
        Ok(parts)
    }
}

/// A path as it is told to people.
pub(super) fn shown(path: &str) -> String {
    path.chars().take(120).collect()
}
