//! Connections of people to servers, and registrations of the gateway, as files that only their owner can read.

use std::{
    any::Any,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use portcullis_core::{BoxFuture, Digest, Secret};
use portcullis_identity::{ConnectionStore, StoreFault};

use crate::{
    config::{Beside, Config, MAX_SECRET, SecretError, read_private},
    files::{self, Access, Existing},
};

/// How long somebody else may have a lock: longer than a token endpoint may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// A directory with a file for each.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionFiles {
    directory: PathBuf,
}

impl ConnectionFiles {
    /// Those of this configuration, beside its pins.
    pub(crate) fn of(config: &Config) -> Self {
        Self { directory: Beside::Connections.of(config) }
    }

    fn path(&self, key: &Digest, ending: &str) -> PathBuf {
        let text = key.to_string();
        let name = text.split_once(':').map_or(text.as_str(), |(_, hex)| hex);
        self.directory.join(format!("{name}.{ending}"))
    }

    fn open_lock(&self, key: &Digest) -> Result<File, StoreFault> {
        files::private_directory(&self.directory).map_err(|failure| StoreFault::new(failure.to_line()))?;
        let path = self.path(key, "lock");
        OpenOptions::new().create(true).append(true).open(path).map_err(|error| self.fault(error))
    }

    fn fault(&self, error: impl std::fmt::Display) -> StoreFault {
        StoreFault::new(format!("`{}`: {error}", self.directory.display()))
    }
}

impl ConnectionStore for ConnectionFiles {
    fn load(&self, key: &Digest) -> Result<Option<Secret>, StoreFault> {
        match read_private(&self.path(key, "json")) {
            Ok(content) => Ok(Some(content)),
            Err(SecretError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreFault::new(format!("{error}; {}", error.remedy()))),
        }
    }

    fn save(&self, key: &Digest, content: &Secret) -> Result<(), StoreFault> {
        if content.expose().len() as u64 > MAX_SECRET {
            return Err(self.fault(format_args!("what is to be kept is larger than {MAX_SECRET} bytes")));
        }
        files::private_directory(&self.directory)
            .and_then(|()| {
                let path = self.path(key, "json");
                files::write(&path, content.expose(), Access::Private, Existing::Replace)
            })
            .map_err(|failure| StoreFault::new(failure.to_line()))
    }

    fn remove(&self, key: &Digest) -> Result<bool, StoreFault> {
        match fs::remove_file(self.path(key, "json")) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn lock<'s>(&'s self, key: &'s Digest) -> BoxFuture<'s, Result<Box<dyn Any + Send>, StoreFault>> {
        Box::pin(async move {
            let (this, key) = (self.clone(), *key);
            let opened = tokio::task::spawn_blocking(move || this.open_lock(&key)).await;
            let file = opened.map_err(|error| self.fault(error))??;
            let start = Instant::now();
            while !is_locked(&file).map_err(|error| self.fault(error))? {
                if start.elapsed() > PATIENCE {
                    return Err(self.fault("another process has not finished with it"));
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(Box::new(file) as Box<dyn Any + Send>)
        })
    }
}

/// Takes the lock, which ends with the file.
fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn what_is_saved_is_its_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let store = ConnectionFiles { directory: place.path().join("connections") };
        let (key, other) = (Digest::of(b"a"), Digest::of(b"b"));
        assert!(store.load(&key).unwrap().is_none() && !store.remove(&key).unwrap());
        store.save(&key, &secret("one")).unwrap();
        store.save(&key, &secret("two")).unwrap();
        assert_eq!(store.load(&key).unwrap().unwrap().expose(), b"two");
        assert!(store.load(&other).unwrap().is_none());
        let file = store.path(&key, "json");
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&store.directory)), (0o600, 0o700));
        // No more than can be loaded again, and what was there before stays.
        let long = "x".repeat(usize::try_from(MAX_SECRET).unwrap());
        assert!(store.save(&key, &secret(&format!("{long}x"))).is_err());
        assert_eq!(store.load(&key).unwrap().unwrap().expose(), b"two");
        store.save(&other, &secret(&long)).unwrap();
        assert_eq!(store.load(&other).unwrap().unwrap().expose(), long.as_bytes());
        assert!(store.remove(&other).unwrap());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(store.load(&key).is_err(), "others could read it");
        assert!(store.remove(&key).unwrap() && store.load(&key).unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_has_it() {
        let place = tempfile::tempdir().unwrap();
        let store = ConnectionFiles { directory: place.path().join("connections") };
        let key = Digest::of(b"a");
        let first = store.lock(&key).await.unwrap();
        assert!(store.lock(&Digest::of(b"b")).await.is_ok(), "another's");
        let waiting = tokio::time::timeout(Duration::from_secs(1), store.lock(&key));
        assert!(waiting.await.is_err(), "it was had twice");
        drop(first);
        assert!(store.lock(&key).await.is_ok());
    }
}
