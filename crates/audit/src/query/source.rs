//! Where records are read from.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::Tail;
use crate::{
    tlog::{LogDir, LogFault},
    tree::{Kind, TilePath},
};

/// Records in one of the two forms they are kept in.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of JSON lines and its finished segments.
    Lines(PathBuf),
    /// A transparency log; not verified, for that is what `verify` is for.
    Log(LogDir),
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Whole lines.
    pub lines: u64,
    /// Lines too long or cut off, which no record is.
    pub unreadable: u64,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScanFault {
    /// The lines could not be read.
    #[error("`{path}` could not be read: {error}", path = .path.display())]
    Lines {
        /// The active file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There are none at all.
    #[error("there are no records at `{0}`")]
    None(String),
    /// A part of the transparency log could not be read.
    #[error(transparent)]
    Log(#[from] LogFault),
}

impl Source {
    /// A transparency log when `path` is a directory, else a file of lines.
    pub fn at(path: &Path) -> Self {
        if path.is_dir() { Self::Log(LogDir::at(path)) } else { Self::Lines(path.to_owned()) }
    }

    /// Hands every record, as a line of JSON, to `visit`, oldest first.
    ///
    /// # Errors
    /// [`ScanFault`] when a part cannot be read.
    pub fn scan(&self, visit: &mut dyn FnMut(&[u8])) -> Result<Scanned, ScanFault> {
        match self {
            Self::Lines(path) => {
                let lines = |error| ScanFault::Lines { path: path.clone(), error };
                if crate::segments(path).map_err(lines)?.is_empty() {
                    return Err(ScanFault::None(path.display().to_string()));
                }
                Tail::new(path).read(visit).map_err(lines)
            }
            Self::Log(log) => entries(log, visit),
        }
    }
}

fn entries(log: &LogDir, visit: &mut dyn FnMut(&[u8])) -> Result<Scanned, ScanFault> {
    let (_, checkpoint) = log.checkpoint()?;
    for path in TilePath::all(Kind::Entries, checkpoint.size) {
        log.entries(path)?.iter().for_each(|entry| visit(entry));
    }
    Ok(Scanned { lines: checkpoint.size, unreadable: 0 })
}
