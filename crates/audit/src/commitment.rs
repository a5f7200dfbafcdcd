//! The key under which a log commits to requests it does not show.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::hmac;
use portcullis_core::Commitment;
use zeroize::Zeroizing;

const BYTES: usize = 32;

/// An HMAC-SHA-256 key. Without it nobody can try out what a commitment in the log might stand for.
pub struct CommitmentKey {
    key: hmac::Key,
    id: String,
}

/// Why a commitment key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CommitmentKeyError {
    /// It could not be read or made.
    #[error("the commitment key `{path}` could not be used: {error}", path = .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others can read it.
    #[error("the commitment key `{path}` can be read by others (mode {mode:04o}): run `chmod 600` on it", path = .path.display())]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no key.
    #[error("the commitment key `{path}` does not hold {BYTES} bytes", path = .path.display())]
    Length {
        /// Which file.
        path: PathBuf,
    },
}

impl CommitmentKey {
    /// The key in `path`.
    ///
    /// # Errors
    /// [`CommitmentKeyError`] when there is none, or it is open to others.
    pub fn read(path: &Path) -> Result<Self, CommitmentKeyError> {
        let io = |error| CommitmentKeyError::Io { path: path.to_owned(), error };
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(CommitmentKeyError::TooOpen { path: path.to_owned(), mode });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES + 1));
        file.take(BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() != BYTES {
            return Err(CommitmentKeyError::Length { path: path.to_owned() });
        }
        Ok(Self::of(&bytes))
    }

    /// The key in `path`, which is made when there is none.
    ///
    /// # Errors
    /// [`CommitmentKeyError`].
    pub fn open(path: &Path) -> Result<Self, CommitmentKeyError> {
        match Self::read(path) {
            Err(CommitmentKeyError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let io = |error| CommitmentKeyError::Io { path: path.to_owned(), error };
        make(path).map_err(io)?;
        Self::read(path)
    }

    fn of(bytes: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let tag = hmac::sign(&key, b"portcullis commitment key");
        let id = tag.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { key, id }
    }

    /// A number by which the key can be told from others.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Commits to these bytes.
    pub fn commit(&self, bytes: &[u8]) -> Commitment {
        let tag = hmac::sign(&self.key, bytes);
        let mut code = [0; 32];
        code.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Commitment::Keyed(code)
    }
}

/// Makes a key unless another process has just done so.
fn make(path: &Path) -> io::Result<()> {
    let mut random = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *random).map_err(|error| io::Error::other(error.to_string()))?;
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&*random)?;
    file.sync_all()?;
    // A link fails where a rename would replace the key that others use already.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl fmt::Debug for CommitmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitmentKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_its_owners() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/commitment.key");
        let first = CommitmentKey::open(&path).unwrap();
        let again = CommitmentKey::open(&path).unwrap();
        assert_eq!((first.id(), first.commit(b"x")), (again.id(), again.commit(b"x")));
        assert_ne!(first.commit(b"x"), first.commit(b"y"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{first:?}").contains("key: "), "{first:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(CommitmentKey::open(&path), Err(CommitmentKeyError::TooOpen { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(CommitmentKey::open(&path), Err(CommitmentKeyError::Length { .. })));
    }

    #[test]
    fn the_code_is_hmac_sha_256() {
        // RFC 4231, test case 2, with the key as it stands there: its padding to 32 bytes changes nothing.
        let mut key = [0; BYTES];
        key.iter_mut().zip(b"Jefe").for_each(|(to, from)| *to = *from);
        assert_eq!(
            CommitmentKey::of(&key).commit(b"what do ya want for nothing?").to_string(),
            "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
