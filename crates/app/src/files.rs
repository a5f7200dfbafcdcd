//! Writing files so that a reader sees the old content or the new, never a part.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::exit::{Exit, Failure};

/// Permissions of a file we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Readable by everybody the umask lets.
    Usual,
    /// Readable by its owner only, from its first byte on.
    Private,
}

/// Whether an existing file may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, content: &[u8], access: Access, existing: Existing) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let what = format!("`{}` could not be written: {error}", path.display());
        let remedy = if error.kind() == io::ErrorKind::AlreadyExists {
            "`--force` replaces it"
        } else {
            "check the directory"
        };
        Failure::new(Exit::Usage, what).remedy(remedy)
    };
    match existing {
        Existing::Keep => create(path, content, access).map_err(failed),
        Existing::Replace => replace(path, content, access).map_err(failed),
    }
}

fn create(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    restrict(&mut options, access);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Writes beside the file and renames, keeping the permissions of what was there.
fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let beside = beside(path);
    let written = create(&beside, content, access)
        .and_then(|()| match fs::metadata(path) {
            Ok(old) if access == Access::Usual => fs::set_permissions(&beside, old.permissions()),
            _ => Ok(()),
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Writes a file somebody else writes too: only when it still is what was read, and where it really is when the
/// path is a link.
pub(crate) fn write_unchanged(path: &Path, read: &str, content: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::new(Exit::Usage, format!("`{}` could not be written: {error}", path.display()))
            .remedy("check the file and its directory")
    };
    let real = fs::canonicalize(path).map_err(failed)?;
    let beside = beside(&real);
    create(&beside, content.as_bytes(), Access::Private).map_err(failed)?;
    let as_it_was = fs::metadata(&real)
        .and_then(|about| fs::set_permissions(&beside, about.permissions()))
        .and_then(|()| fs::read(&real))
        .map(|now| now == read.as_bytes());
    let written = match as_it_was {
        Ok(true) => fs::rename(&beside, &real).map_err(failed),
        Ok(false) => {
            let what = format!("`{}` was changed by another program meanwhile", path.display());
            Err(Failure::new(Exit::Findings, what).remedy("run the command again"))
        }
        Err(error) => Err(failed(error)),
    };
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    PathBuf::from(beside)
}

#[cfg(unix)]
fn restrict(options: &mut OpenOptions, access: Access) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(if access == Access::Private { 0o600 } else { 0o666 });
}

#[cfg(not(unix))]
fn restrict(_: &mut OpenOptions, _: Access) {}

/// Makes a directory that only its owner can enter, unless it is there.
pub(crate) fn private_directory(path: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("the directory `{}` could not be made: {error}", path.display()))
    })
}
