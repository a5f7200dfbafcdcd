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
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(directory) = path.parent().filter(|directory| !directory.is_dir()) {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        self.directories.extend(path.ancestors().skip(1).take(5).map(Path::to_owned));
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
