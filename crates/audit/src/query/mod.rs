//! Questions to the records: which ones, and what happened around one of them.
//!
//! Records are read where they are, line by line: a line that cannot match is put aside by a search for the texts it
//! would have to hold, and only what is left is parsed. So there is no index to keep, to trust or to rebuild.

mod filter;
mod source;
mod tail;
mod trace;

#[cfg(test)]
mod tests;

pub use filter::{Filter, FilterFault, Instant, Matcher};
pub use source::{ScanFault, Scanned, Source};
pub use tail::Tail;
pub use trace::{Link, Observation, Part, Trace, trace};
