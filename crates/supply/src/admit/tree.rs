//! A directory of files and its digest.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_core::Digest;

use super::unpack::Bounds;

/// What a directory holds: the same digest means the same paths, contents and permissions to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Digest over everything in it.
    pub digest: Digest,
    /// How many files there are.
    pub files: usize,
    /// Their bytes together.
    pub bytes: u64,
}

/// Why a directory has no digest.
#[derive(Debug, thiserror::Error)]
pub enum TreeFault {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A link or a device: what it holds could change with something else.
    #[error("{0} is neither a file nor a directory")]
    Kind(PathBuf),
    /// More than a package may hold.
    #[error("{0} holds too much")]
    Bound(PathBuf),
}

impl Tree {
    /// Reads every file of a directory, following no link.
    pub fn of(root: &Path) -> Result<Self, TreeFault> {
        let mut found = BTreeMap::new();
        collect(root, root, &mut found)?;
        let (mut context, mut bytes) = (Context::new(&SHA256), 0);
        for (relative, place) in &found {
            let (digest, length, executable) = file(place)?;
            // Neither a path nor a digest holds the bytes that part them.
            let mode = if executable { b"x" } else { b"-" };
            for part in [relative.as_bytes(), b"\0", mode, b"\0", &digest] {
                context.update(part);
            }
            bytes += length;
        }
        Ok(Self { digest: Digest::of(context.finish().as_ref()), files: found.len(), bytes })
    }
}

fn collect(root: &Path, directory: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<(), TreeFault> {
    let read = |error| TreeFault::Read { path: directory.to_owned(), error };
    for entry in fs::read_dir(directory).map_err(read)? {
        let entry = entry.map_err(read)?;
        let (place, kind) = (entry.path(), entry.file_type().map_err(read)?);
        if kind.is_dir() {
            collect(root, &place, found)?;
            continue;
        }
        let relative = place.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned);
        match relative {
            Some(relative) if kind.is_file() => found.insert(relative, place),
            _ => return Err(TreeFault::Kind(place)),
        };
        if found.len() > Bounds::default().files {
            return Err(TreeFault::Bound(root.to_owned()));
        }
    }
    Ok(())
}

fn file(place: &Path) -> Result<([u8; 32], u64, bool), TreeFault> {
    let read = |error| TreeFault::Read { path: place.to_owned(), error };
    let mut file = File::open(place).map_err(read)?;
    let executable = is_executable(&file.metadata().map_err(read)?);
    let (mut context, mut buffer, mut length) = (Context::new(&SHA256), vec![0; 64 * 1024], 0);
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read(error)),
        };
        context.update(buffer.get(..count).unwrap_or_default());
        length += count as u64;
    }
    let digest = context.finish().as_ref().try_into().unwrap_or_default();
    Ok((digest, length, executable))
}

#[cfg(unix)]
fn is_executable(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
