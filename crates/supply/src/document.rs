//! JSON that others wrote, read strictly.

use bytes::Bytes;
use portcullis_core::wire::json::{Limits, walk};
use serde_json::Value;

/// A document that passes the strict walk: no name twice, no depth or size beyond the bounds.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn strict(bytes: &[u8], limits: &Limits) -> Result<Value, String> {
    walk(&Bytes::copy_from_slice(bytes), limits, &mut ()).map_err(|fault| fault.to_string())?;
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// A text of a document, in one line and not longer than `most` characters.
pub(crate) fn line(text: &str, most: usize) -> String {
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    text.trim().chars().take(most).map(plain).collect()
}

/// A file of no more than `most` bytes.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn bounded(file: &std::path::Path, most: usize) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let limit = most as u64 + 1;
    let read = std::fs::File::open(file).and_then(|open| open.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() > most {
        return Err(format!("it is larger than {most} bytes"));
    }
    Ok(bytes)
}
