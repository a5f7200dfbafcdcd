//! The journal: what an upstream really received, message by message.
//!
//! The fixture writes one JSON line per message *before* handling it, so a test (or the attack range) can
//! tell a call that was refused on the way from one that was merely answered with an error.

mod reader;
mod received;
mod writer;

pub use reader::{Journal, JournalError};
pub use received::{Kind, Received, Wire};
pub use writer::Writer;
