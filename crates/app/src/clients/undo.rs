//! What `portcullis install` did to each file, so that `uninstall` can take it back byte for byte.
//!
//! Only the changes are kept, each with the few bytes it replaced: a client's secrets are in no copy of its file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use portcullis_core::Digest;
use serde::{Deserialize, Serialize};

use super::rewrite::Remembered;
use crate::{
    exit::{Exit, Failure},
    files::{self, Access, Existing},
};

/// The changes to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    /// The `id` of the client.
    pub(crate) client: String,
    /// The file, where it really is.
    pub(crate) file: PathBuf,
    pub(crate) entries: Vec<Remembered>,
}

/// The directory the changes are kept in, one file for each file changed.
pub(crate) struct Undo {
    directory: PathBuf,
}

impl Undo {
    /// The directory of whoever runs this program.
    pub(crate) fn of_this_user() -> Result<Self, Failure> {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let home = home.ok_or_else(|| {
            Failure::new(Exit::Usage, "the home directory is not known").remedy("set `HOME`")
        })?;
        Ok(Self { directory: home.join(".local/state/portcullis/install") })
    }

    fn path(&self, client: &str, file: &Path) -> PathBuf {
        let digest = Digest::of(file.as_os_str().as_encoded_bytes()).to_string();
        let short = digest.strip_prefix("sha256:").and_then(|hex| hex.get(..16)).unwrap_or_default();
        self.directory.join(format!("{client}-{short}.json"))
    }

    /// The changes to a file, if there are any.
    pub(crate) fn of(&self, client: &str, file: &Path) -> Result<Option<Changes>, Failure> {
        let path = self.path(client, file);
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// The changes to all files of a client.
    pub(crate) fn all(&self, client: &str) -> Result<Vec<Changes>, Failure> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        paths.sort();
        let mut all = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        all.retain(|changes| changes.client == client);
        Ok(all)
    }

    /// Keeps what was, or is about to be, changed; forgets the file when that is nothing.
    pub(crate) fn keep(&self, changes: &Changes) -> Result<(), Failure> {
        let path = self.path(&changes.client, &changes.file);
        if changes.entries.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&path, &error)),
                _ => Ok(()),
            };
        }
        files::private_directory(&self.directory)?;
        let text = serde_json::to_string_pretty(changes).map_err(|error| unusable(&path, &error))?;
        files::write(&path, text.as_bytes(), Access::Private, Existing::Replace)
    }
}

fn read(path: &Path) -> Result<Changes, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
    serde_json::from_str(&text).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("`{}`, which says what was changed, cannot be used: {error}", path.display()),
    )
    .remedy("restore that file, or take `portcullis run … --` out of the client's settings by hand")
}
