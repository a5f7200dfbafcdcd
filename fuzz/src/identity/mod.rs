//! Fuzz targets for what callers prove who they are with.

pub mod details;
pub mod signature;

/// A name, and what looks at the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// By name.
pub const ALL: &[Target] = &[("details", details::check), ("signature", signature::check)];
