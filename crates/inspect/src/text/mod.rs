//! Text hygiene: what a reader does not see, and what the words of a text are.

mod clean;
mod fold;
mod hidden;
mod scan;
pub(crate) mod words;

pub use clean::{clean, smuggled};
pub use hidden::Hidden;
pub(crate) use scan::surrogates;
pub use scan::{Sighting, scan};
