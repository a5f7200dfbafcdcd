//! Fuzz targets for what looks at texts: hygiene, decoders, detection, secrets, what arguments
//! name, pins and their differences, and the compiler of schemas.

pub mod content;
pub mod named;
pub mod pins;
pub mod schema;

/// A name, and what looks at the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// By name.
pub const ALL: &[Target] =
    &[("content", content::check), ("named", named::check), ("pins", pins::check), ("schema", schema::check)];
