//! Archives taken apart without leaving their directory and without end.

mod place;
mod tarball;
mod wheel;

use std::{io, path::Path};

pub use place::Fill;
pub use tarball::tarball;
pub use wheel::{Scheme, zip};

/// Upper bounds of one server's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most files and directories. Default 100,000.
    pub files: usize,
    /// Most bytes of all files together. Default 1 GiB.
    pub bytes: u64,
    /// Longest path, in bytes. Default 1,024.
    pub path: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { files: 100_000, bytes: 1 << 30, path: 1_024 }
    }
}

/// Why an archive was not unpacked. What was written until then is of no use.
#[derive(Debug, thiserror::Error)]
pub enum UnpackFault {
    /// A path that leads out of the directory, or would on some system.
    #[error("`{0}` is no path inside the package")]
    Path(String),
    /// A link, a device, or something else that is no file.
    #[error("`{path}` is {what}")]
    Kind {
        /// Which one.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The same path twice, or differing in case only.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// More than the bounds allow.
    #[error("it holds more than {0}")]
    Bound(String),
    /// It is damaged, or no archive.
    #[error("it cannot be read: {0}")]
    Broken(String),
    /// The disk.
    #[error("{path}: {error}")]
    Write {
        /// Where.
        path: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl UnpackFault {
    fn write(path: &Path, error: io::Error) -> Self {
        Self::Write { path: path.display().to_string(), error }
    }

    fn broken(error: impl std::fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }
}
