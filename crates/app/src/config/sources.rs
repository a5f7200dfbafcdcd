//! Reading the files a configuration consists of.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::problem::{Problem, Severity};

/// Larger than any configuration, small enough to hold.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The text of a file that nobody but its owner and group can change.
pub(crate) fn read(path: &Path) -> Result<String, Problem> {
    let problem = |what: String, remedy: &str| Problem {
        severity: Severity::Error,
        file: label(path),
        line: 1,
        column: 1,
        field: String::new(),
        what,
        remedy: remedy.to_owned(),
    };
    let unreadable = |error| {
        problem(format!("this file could not be read: {error}"), "check the path and its permissions")
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(problem("this is not a file".to_owned(), "name a file"));
    }
    if writable_by_all(&about) {
        return Err(problem(
            "every user of this machine can change this file".to_owned(),
            "run `chmod o-w` on it",
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(problem("this file is larger than 16 MiB".to_owned(), "split it"));
    }
    String::from_utf8(bytes).map_err(|_| problem("this file is not UTF-8".to_owned(), "save it as UTF-8"))
}

#[cfg(unix)]
fn writable_by_all(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    about.mode() & 0o002 != 0
}

#[cfg(not(unix))]
fn writable_by_all(_: &fs::Metadata) -> bool {
    false
}

/// A path as it is shown: relative to the working directory when it is inside.
pub(crate) fn label(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}
