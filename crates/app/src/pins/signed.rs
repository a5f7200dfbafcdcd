//! The signed list beside a book.

use std::{fs, io, path::Path};

use portcullis_audit::note::{Note, VerifierKey};
use portcullis_core::PinsUnavailable;
use portcullis_inspect::pins::Manifest;

/// The list in `file`, if there is one and one of the `keys` signed it.
///
/// A list that is there and cannot be believed is worse than none: somebody changed it.
pub(super) fn read(
    file: &Path,
    server: &str,
    keys: &[VerifierKey],
) -> Result<Option<Manifest>, PinsUnavailable> {
    let unusable = |reason: String| PinsUnavailable { place: file.display().to_string(), reason };
    if keys.is_empty() {
        return Ok(None);
    }
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unusable(e.to_string())),
    };
    let note = Note::parse(&bytes).map_err(|fault| unusable(format!("it {fault}")))?;
    if !keys.iter().any(|key| note.verify(key).is_ok()) {
        return Err(unusable("none of `pins.keys` signed it".to_owned()));
    }
    let manifest = Manifest::read(note.text()).map_err(|fault| unusable(fault.to_string()))?;
    if manifest.server == server {
        Ok(Some(manifest))
    } else {
        Err(unusable(format!("it is about `{}`", manifest.server)))
    }
}
