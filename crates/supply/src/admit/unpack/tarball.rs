//! Packages of npm and source archives: tar, compressed with gzip.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::{Fill, UnpackFault, place::shown};

/// Room for headers and padding beside the files' own bytes: each entry has 512 bytes of header, and long names come
/// in entries of their own.
const OVERHEAD: u64 = 64 << 20;

/// Unpacks a tarball under `into`, leaving out the first part of each path as npm does.
///
/// # Errors
/// [`UnpackFault`] when something in it is no plain file or directory, leads out of its place, is there twice, or is too
/// much. What was written until then has to be thrown away.
pub fn tarball(bytes: impl Read, into: &str, fill: &mut Fill) -> Result<(), UnpackFault> {
    // A bomb ends here, whatever its headers say.
    let most = fill.left().saturating_add(OVERHEAD);
    let mut archive = Archive::new(MultiGzDecoder::new(bytes).take(most));
    for entry in archive.entries().map_err(UnpackFault::broken)? {
        let entry = entry.map_err(UnpackFault::broken)?;
        fill.count()?;
        let path = String::from_utf8(entry.path_bytes().into_owned());
        let path = path.map_err(|error| UnpackFault::Path(shown(&error.to_string())))?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Regular | EntryType::Continuous => {
                let parts = fill.parts(&path)?;
                let rest = parts.get(1..).filter(|rest| !rest.is_empty());
                let rest = rest.ok_or_else(|| UnpackFault::Path(shown(&path)))?.join("/");
                let mode = entry.header().mode().map_err(UnpackFault::broken)?;
                let whole = if into.is_empty() { rest } else { format!("{into}/{rest}") };
                let size = entry.size();
                let mut content = Exactly { inner: entry, left: size };
                fill.file(&whole, mode & 0o111 != 0, &mut content)?;
                if content.left > 0 {
                    return Err(UnpackFault::Broken(format!("`{}` ends too early", shown(&path))));
                }
            }
            // Directories are made for the files in them; a path that is none is refused all the same.
            EntryType::Directory => drop(fill.parts(&path)?),
            EntryType::XGlobalHeader => {}
            _ => return Err(UnpackFault::Kind { path: shown(&path), what: name_of(kind) }),
        }
    }
    Ok(())
}

/// Knows whether all that was announced was there.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

fn name_of(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink | EntryType::Link => "a link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        _ => "neither a file nor a directory",
    }
}
