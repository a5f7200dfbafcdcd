//! Wheels (PEP 427) and other zip archives.

use std::io::{Read, Seek};

use zip::ZipArchive;

use super::{Fill, UnpackFault, place::shown};

/// Where the files of an archive go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Where their paths say.
    Plain,
    /// As an installer of wheels puts them: the libraries of `NAME.data` beside the others, its scripts, headers and
    /// data nowhere, because nothing here starts them.
    Wheel,
}

/// Unpacks a zip archive under `into`.
///
/// # Errors
/// As [`tarball`](super::tarball).
pub fn zip(
    archive: impl Read + Seek,
    into: &str,
    scheme: Scheme,
    fill: &mut Fill,
) -> Result<(), UnpackFault> {
    let mut archive = ZipArchive::new(archive).map_err(UnpackFault::broken)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(UnpackFault::broken)?;
        fill.count()?;
        let path = entry.name().map_err(UnpackFault::broken)?.into_owned();
        let mode = entry.unix_mode().unwrap_or(0o644);
        if entry.is_symlink() || !matches!(mode & 0o170_000, 0 | 0o040_000 | 0o100_000) {
            return Err(UnpackFault::Kind { path: shown(&path), what: "a link or a device" });
        }
        let parts = fill.parts(&path)?;
        if entry.is_dir() {
            continue;
        }
        let Some(place) = placed(&parts, scheme) else {
            continue;
        };
        let whole = if into.is_empty() { place } else { format!("{into}/{place}") };
        let (size, mut counted) = (entry.size(), Counted { inner: entry, bytes: 0 });
        fill.file(&whole, mode & 0o111 != 0, &mut counted)?;
        if counted.bytes != size {
            return Err(UnpackFault::Broken(format!(
                "`{}` is longer or shorter than announced",
                shown(&path)
            )));
        }
    }
    Ok(())
}

/// Where a file goes, if anywhere.
fn placed(parts: &[&str], scheme: Scheme) -> Option<String> {
    let in_data = |part: &&str| scheme == Scheme::Wheel && part.ends_with(".data");
    match parts {
        [data, "purelib" | "platlib", rest @ ..] if in_data(data) && !rest.is_empty() => Some(rest.join("/")),
        [data, ..] if in_data(data) => None,
        parts => Some(parts.join("/")),
    }
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
