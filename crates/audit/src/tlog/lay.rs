//! Writing files of a log so that they survive a loss of power.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// From this many files on, the file system is asked once instead of each file.
const ONE_BY_ONE: usize = 24;

/// Files that are written but not yet known to be durable.
#[derive(Default)]
pub(super) struct Unsynced {
    files: Vec<File>,
    directories: BTreeSet<PathBuf>,
}

impl Unsynced {
    /// Writes a whole file; readable by its owner alone, like the records in it.
    ///
    /// One that holds `bytes` already is left as it is: the last checkpoint may rest on it, and if power failed before
    /// it was written again, it would be empty.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(directory) = path.parent().filter(|directory| !directory.is_dir()) {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        self.directories.extend(path.ancestors().skip(1).take(5).map(Path::to_owned));
        if holds(path, bytes) {
            self.files.push(File::open(path)?);
            return Ok(());
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        self.files.push(file);
        Ok(())
    }

    /// Makes everything written durable. `root` is above all of it.
    pub(super) fn sync(self, root: &Path) -> io::Result<()> {
        if self.files.len() > ONE_BY_ONE {
            return Ok(rustix::fs::syncfs(File::open(root)?)?);
        }
        self.files.iter().try_for_each(File::sync_all)?;
        let below = |directory: &&PathBuf| directory.starts_with(root);
        self.directories.iter().filter(below).try_for_each(|directory| File::open(directory)?.sync_all())
    }
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let length = |about: fs::Metadata| usize::try_from(about.len()).is_ok_and(|len| len == bytes.len());
    fs::metadata(path).is_ok_and(length) && fs::read(path).is_ok_and(|there| there == bytes)
}

/// Replaces a file as a whole, durably: a reader sees the old content or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Appends to a file, durably.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_a_checkpoint_may_rest_on_is_not_written_again() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tile/1/000.p/52");
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        for (bytes, written) in
            [("hashes", true), ("hashes", false), ("others", true), ("", true), ("", false)]
        {
            let mut unsynced = Unsynced::default();
            unsynced.write(&path, bytes.as_bytes()).unwrap();
            unsynced.sync(place.path()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes.as_bytes());
            assert_eq!(fs::metadata(&path).unwrap().modified().unwrap() != old, written, "{bytes}");
            File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        }
    }
}
