//! Text hygiene: what a reader does not see, and what the words of a text are.

pub(crate) mod blocks;
mod clean;
mod fold;
mod hidden;
mod scan;
pub(crate) mod words;

pub use clean::{clean, smuggled};
pub use hidden::Hidden;
pub(crate) use scan::surrogates;
pub use scan::{Sighting, scan};

/// Bytes that should be UTF-8 as text; what is not is the replacement character.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    // Nearly all are, and this finds out many times faster than what has to tell where they are not.
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}
