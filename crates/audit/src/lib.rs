//! What happened: a record of each decision before anything takes effect, a record of its outcome after, and
//! the log both are kept in (control LOG-01).
//!
//! | type | what it is |
//! |---|---|
//! | [`Recorder`] | makes records and gives them their order; the sole maker of the two proofs |
//! | [`Ticket`] | proof that a decision to allow is on record; the only key to forwarding a call |
//! | [`Receipt`] | proof that an outcome or a refusal is accounted for; the only key to a reply |
//! | [`JsonLines`] | the log: a file of JSON lines behind the `Sink` port |
//! | [`MemorySink`] | a log for tests, which can be made to fail and to stall |
//! | [`read_records`], [`unfinished`] | read a log back, and find the calls whose outcome is unknown |
//! | [`left_behind()`] | finds them in the log of a gateway that was killed, so that the next run can mark them |
//! | [`behaviour`] | what in the records is out of the ordinary |
//! | [`export`] | records as OCSF and CEF |
//! | [`query`] | which records there are, and the chain around one of them |
//! | [`TransparencyLog`] | the lines as a Merkle tree with signed checkpoints, which follows them |
//! | [`witness`] | cosigns the checkpoints of such a log |
//! | [`verify::verify`] | whether such a log is what its keys say it is |
//!
//! # The line
//!
//! Each line is one JSON object: `v` (1), `id` (`<run>-<sequence in hex>`), `time` (RFC 3339, UTC,
//! milliseconds), `seq` (from 1, one sequence per run), `type` (`decision`, `outcome`, `event`), then the members
//! of `DecisionRecord`, `OutcomeRecord` or `Record::Event`. Markers the log writes about itself are
//! events whose `id` and `seq` are `null`.
//!
//! # Proofs cannot be made elsewhere
//!
//! ```compile_fail,E0451
//! fn forge(recorder: portcullis_audit::Recorder, id: portcullis_core::RecordId) -> portcullis_audit::Ticket {
//!     portcullis_audit::Ticket { recorder, id, since: std::time::Instant::now(), state: todo!() }
//! }
//! ```
//!
//! ```compile_fail,E0624
//! fn forge(recorder: portcullis_audit::Recorder, id: portcullis_core::RecordId) -> portcullis_audit::Ticket {
//!     portcullis_audit::Ticket::waiting(recorder, id, 0, None).opened(portcullis_core::TakenBy::Log, None)
//! }
//! ```
//!
//! ```compile_fail,E0451
//! fn forge(record: portcullis_core::RecordId) -> portcullis_audit::Receipt {
//!     portcullis_audit::Receipt { record }
//! }
//! ```
//!
//! ```compile_fail,E0624
//! fn forge(record: portcullis_core::RecordId) -> portcullis_audit::Receipt {
//!     portcullis_audit::Receipt::of(record)
//! }
//! ```
//!
//! One ticket ends one call, and one receipt answers one request:
//!
//! ```compile_fail,E0382
//! use portcullis_core::Outcome::Completed;
//! fn twice(ticket: portcullis_audit::Ticket) {
//!     let _ = ticket.close(Completed, 0, None);
//!     let _ = ticket.close(Completed, 0, None);
//! }
//! ```
//!
//! ```compile_fail,E0599
//! fn copy(receipt: portcullis_audit::Receipt) -> (portcullis_audit::Receipt, portcullis_audit::Receipt) {
//!     (receipt.clone(), receipt)
//! }
//! ```

pub mod behaviour;
mod bound;
mod commitment;
mod event;
pub mod export;
mod flood;
pub mod jcs;
mod jsonl;
mod left_behind;
mod line;
mod memory;
mod metrics;
pub mod note;
pub mod otel;
pub mod query;
mod read;
mod receipt;
mod recorder;
mod spare;
pub mod stream;
mod ticket;
mod time;
pub mod tlog;
pub mod tree;
pub mod verify;
pub mod witness;

pub use bound::MAX_STATEMENT;
pub use commitment::{CommitmentKey, CommitmentKeyError};
pub use event::EventKind;
pub use jsonl::{
    Fsync, Health, Holder, JsonLines, JsonLinesOptions, Notice, OpenError, remove_stale_locks, segments,
};
pub use left_behind::{LeftBehind, left_behind};
pub use line::FORMAT_VERSION;
pub use memory::MemorySink;
pub use metrics::{Counter, RecorderMetrics, SinkMetrics};
pub use read::{LoggedRecord, ReadFault, ReadProblem, Records, read_records, unfinished};
pub use receipt::{LogReceipt, ReceiptFault};
pub use recorder::{Digests, Recorder, RecorderError, RecorderOptions};
pub use spare::WithSpare;
pub use ticket::{Receipt, Ticket};
pub use time::rfc3339;
pub use tlog::{TransparencyLog, TransparencyLogError, TransparencyLogOptions, TransparencyMetrics};
