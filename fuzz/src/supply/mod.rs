//! Targets for what publishers and registries write about packages. The supply crate's tests include this module and
//! replay the corpus.

pub mod attestation;
pub mod bill;
pub mod lock;
pub mod mcpb;
pub mod vex;

/// A target takes any bytes and panics when a property does not hold.
pub type Target = fn(&[u8]);

/// Each target with the name of its folder in `fuzz/corpus`.
pub const ALL: &[(&str, Target)] = &[
    ("attestation", attestation::check),
    ("bill", bill::check),
    ("lock", lock::check),
    ("mcpb", mcpb::check),
    ("vex", vex::check),
];
