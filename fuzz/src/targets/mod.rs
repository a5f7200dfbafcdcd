//! One function per fuzz target: takes any bytes, panics if the wire crate breaks a promise.

pub mod decode;
pub mod document;
pub mod header;
pub mod lines;
pub mod patch;
pub mod reference;
pub mod sse;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target with the name of its corpus folder.
pub const ALL: &[(&str, Target)] = &[
    ("decode", decode::check),
    ("document", document::check),
    ("header", header::check),
    ("lines", lines::check),
    ("patch", patch::check),
    ("sse", sse::check),
];
