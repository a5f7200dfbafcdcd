//! Values that a server is started or called with, and where the secret ones come from.

use std::{
    fmt, fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use portcullis_core::Secret;

/// A value of an environment variable, argument or header.
#[derive(Clone, Debug)]
pub enum Parameter {
    /// Written in the configuration, and not secret.
    Plain(String),
    /// Fetched when it is needed.
    Fetched {
        /// From where.
        source: Source,
        /// What is put in front of it, for example `Bearer `.
        prefix: String,
    },
}

/// Where a secret comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file only its owner can read.
    File(PathBuf),
    /// A variable of the gateway's own environment.
    Env(String),
    /// The configuration itself (`danger_inline`, or a client's file read as it is).
    Inline(Secret),
}

/// Why a secret could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("`{path}` could not be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others can read the file.
    #[error("`{path}` can be read by others (mode {mode:04o})")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a plain file, is empty, or is larger than any secret.
    #[error("`{path}` {what}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// In what way.
        what: &'static str,
    },
    /// The variable is not set.
    #[error("the environment variable `{name}` is not set")]
    NoVariable {
        /// The variable.
        name: String,
    },
}

impl SecretError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions".to_owned(),
            Self::TooOpen { path, .. } => format!("run `chmod 600 {}`", path.display()),
            Self::Unfit { .. } => "put the secret, and nothing else, into it".to_owned(),
            Self::NoVariable { .. } => {
                "set it where the gateway is started, or take the value from a file".to_owned()
            }
        }
    }
}

/// Largest file of a secret, in bytes: more than any key or token needs.
pub(crate) const MAX_SECRET: u64 = 64 * 1024;

impl Parameter {
    /// The file it is read from, if it is.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Fetched { source: Source::File(path), .. } => Some(path),
            _ => None,
        }
    }

    /// The value, fetched now.
    ///
    /// # Errors
    /// [`SecretError`] when it cannot be had, or not safely.
    pub fn fetch(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Plain(text) => Ok(Secret::new(text.clone().into_bytes())),
            Self::Fetched { source, prefix } => {
                let secret = source.fetch()?;
                let mut whole = Vec::with_capacity(prefix.len() + secret.expose().len());
                whole.extend_from_slice(prefix.as_bytes());
                whole.extend_from_slice(secret.expose());
                Ok(Secret::new(whole))
            }
        }
    }
}

impl Source {
    fn fetch(&self) -> Result<Secret, SecretError> {
        match self {
            Self::File(path) => read_private(path),
            Self::Env(name) => {
                let value =
                    std::env::var_os(name).ok_or_else(|| SecretError::NoVariable { name: name.clone() })?;
                Ok(Secret::new(value.into_encoded_bytes()))
            }
            Self::Inline(secret) => Ok(secret.clone()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::Inline(_) => f.write_str("the configuration"),
        }
    }
}

/// Reads a file that only its owner can read, without the newline an editor leaves at its end.
///
/// # Errors
/// [`SecretError`] when it cannot be read, is open to others, or is no plain file of a sensible size.
pub fn read_private(path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |error| SecretError::Unreadable { path: path.to_owned(), error };
    let unfit = |what| SecretError::Unfit { path: path.to_owned(), what };
    // Opened once and then asked about, so that the file checked is the file read.
    let file = fs::File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(unfit("is not a plain file"));
    }
    refuse_open_modes(path, &about)?;
    let mut bytes = Vec::new();
    file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(unfit("is larger than 64 KiB"));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(unfit("is empty"));
    }
    Ok(Secret::new(bytes))
}

#[cfg(unix)]
fn refuse_open_modes(path: &Path, about: &fs::Metadata) -> Result<(), SecretError> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = about.mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretError::TooOpen { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn refuse_open_modes(_: &Path, _: &fs::Metadata) -> Result<(), SecretError> {
    Ok(())
}
