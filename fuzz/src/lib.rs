//! The bodies of the fuzz targets. The tests of the crates they are about include the same modules and replay the
//! corpus.

pub mod egress;
pub mod identity;
pub mod inspect;
pub mod supply;
pub mod targets;
