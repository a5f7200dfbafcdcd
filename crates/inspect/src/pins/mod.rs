//! Pins: what a server's definitions were when they were trusted (control TI-01).
//!
//! A pin covers the whole definition in a canonical form ([`canonical`]): name, title, description, every schema,
//! annotations, icons and `_meta`. What differs from its pin is held back, alone, until an operator decides; the
//! [`Book`] of a server remembers what was trusted, what is held and what was trusted before. Everything here is
//! pure: who keeps books on a disk does so through [`portcullis_core::Pins`].

mod book;
mod canonical;
mod diff;
mod file;
mod judge;
mod manifest;
mod memory;
mod pin;
mod rename;

pub use book::{Book, DecisionFault};
pub use canonical::canonical;
pub use diff::{Difference, diff};
pub use file::BookFault;
pub use judge::{Judgement, Trust};
pub use manifest::{Manifest, ManifestFault};
pub use memory::InMemory;
pub use pin::{By, HeldVersion, Pin, Version};

#[cfg(test)]
mod tests;
