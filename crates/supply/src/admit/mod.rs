//! Admission: what has to be known and decided about a server's code before it is stored (control SC-01).
//!
//! Nothing of a package is executed here. Resolution and download are npm's and pip's own, with scripts and source
//! builds switched off; unpacking is ours, bounded, and refuses whatever could leave its directory.

mod admitted;
mod difference;
mod finding;
mod internal;
mod lock;
mod names;
mod package;

pub mod resolve;
mod store;
mod tree;
pub mod unpack;

pub use admitted::{Admitted, Approval, Claims, LockedPart, Provenance, Retirement, State};
pub use difference::{Changed, Difference, PartChange};
pub use finding::{Finding, FindingKind};
pub use internal::{Internal, InternalFault, InternalName};
pub use lock::{Lock, LockFault, Seat};
pub use names::{Likeness, resembles};
pub(crate) use package::normal;
pub use package::{Ecosystem, Package, PackageFault};
pub use store::{Quarantine, Store, StoreFault};
pub use tree::{Tree, TreeFault};

/// A time as it is written into the lock (RFC 3339), from milliseconds since 1970.
pub fn rfc3339(now_ms: u64) -> String {
    let seconds = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// Whether a text is a day (RFC 3339 full-date).
pub fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}
