//! Fuzz targets for what looks at texts: hygiene, decoders, detection, secrets, and the compiler of schemas.

pub mod content;
pub mod schema;

/// A name, and what looks at the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// By name.
pub const ALL: &[Target] = &[("content", content::check), ("schema", schema::check)];
