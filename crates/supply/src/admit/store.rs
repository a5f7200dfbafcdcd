//! The store: each server's files under the digest of all of them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use portcullis_core::Digest;

use super::{Tree, TreeFault};

/// A directory of directories, each named after what is in it.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Why something is not in the store, or cannot be put there.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// It was never put there, or was removed.
    #[error("the store `{store}` does not hold {digest}")]
    Absent {
        /// Which store.
        store: PathBuf,
        /// What is missing.
        digest: Digest,
    },
    /// It is not what it was when it was put there.
    #[error("what the store holds as {expected} is {found} now: somebody changed it")]
    Changed {
        /// What it was.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// It cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeFault),
    /// The disk.
    #[error("{path}: {error}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl Store {
    /// The store in this directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A new directory, on the same disk, in which something can be made ready. It is removed with the value.
    pub fn quarantine(&self) -> Result<Quarantine, StoreFault> {
        let parent = self.root.join("quarantine");
        private(&parent)?;
        for attempt in 0..1_000 {
            let path = parent.join(format!("{}-{attempt}", std::process::id()));
            match make(&path) {
                Ok(()) => return Ok(Quarantine { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreFault::Disk { path, error }),
            }
        }
        Err(StoreFault::Disk { path: parent, error: io::ErrorKind::AlreadyExists.into() })
    }

    /// Where the files with this digest are, or would be.
    pub fn place(&self, digest: Digest) -> PathBuf {
        self.root.join(digest.to_string().replacen(':', "-", 1))
    }

    /// Takes a directory over. What has the same digest and is as it was stays.
    pub fn put(&self, made: &Path) -> Result<Tree, StoreFault> {
        seal(made).map_err(|error| StoreFault::Disk { path: made.to_owned(), error })?;
        let tree = Tree::of(made)?;
        let place = self.place(tree.digest);
        if self.check(tree.digest).is_ok() {
            return Ok(tree);
        }
        let disk = |error| StoreFault::Disk { path: place.clone(), error };
        if place.exists() {
            remove(&place).map_err(disk)?;
        }
        // A directory that cannot be written cannot be renamed by everybody.
        writable(made).and_then(|()| fs::rename(made, &place)).map_err(disk)?;
        Ok(tree)
    }

    /// The files with this digest, all of them read again.
    pub fn check(&self, digest: Digest) -> Result<PathBuf, StoreFault> {
        let place = self.place(digest);
        if !place.is_dir() {
            return Err(StoreFault::Absent { store: self.root.clone(), digest });
        }
        let found = Tree::of(&place)?.digest;
        if found == digest { Ok(place) } else { Err(StoreFault::Changed { expected: digest, found }) }
    }

    /// Removes the files with this digest; whether there were any.
    pub fn remove(&self, digest: Digest) -> Result<bool, StoreFault> {
        let place = self.place(digest);
        if !place.exists() {
            return Ok(false);
        }
        remove(&place).map_err(|error| StoreFault::Disk { path: place, error })?;
        Ok(true)
    }
}

/// A directory that is removed with the value.
#[derive(Debug)]
pub struct Quarantine {
    path: PathBuf,
}

impl Quarantine {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // What cannot be removed is in nobody's way: the name is not used again while it is there.
        let _ = remove(&self.path);
    }
}

fn private(path: &Path) -> Result<(), StoreFault> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| StoreFault::Disk { path: path.to_owned(), error })
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn each(path: &Path, act: &mut dyn FnMut(&Path, bool) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let directory = entry.file_type()?.is_dir();
        if directory {
            each(&entry.path(), act)?;
        }
        act(&entry.path(), directory)?;
    }
    Ok(())
}

/// Takes the permission to write from everything in a directory.
fn seal(root: &Path) -> io::Result<()> {
    each(root, &mut |path, _| {
        let mut permissions = fs::symlink_metadata(path)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions)
    })
}

#[cfg(unix)]
fn writable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn writable(_: &Path) -> io::Result<()> {
    Ok(())
}

fn remove(root: &Path) -> io::Result<()> {
    writable(root)?;
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                writable(&entry.path())?;
                directories.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(root)
}
