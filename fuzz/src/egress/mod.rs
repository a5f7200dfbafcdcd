//! Targets for what the way out reads from servers. The sandbox crate's tests include this module and replay the
//! corpus.

pub mod authority;
pub mod hello;

/// A target takes any bytes and panics when a property does not hold.
pub type Target = fn(&[u8]);

/// Each target with the name of its folder in `fuzz/corpus`.
pub const ALL: &[(&str, Target)] = &[("authority", authority::check), ("hello", hello::check)];
