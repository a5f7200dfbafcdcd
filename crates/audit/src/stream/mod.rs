//! Records on their way to whoever watches for security, as they are written (control LOG-05).
//!
//! The log itself is the queue: a stream reads its lines, hands them over in batches and keeps, in a file of its own,
//! how far it has come. So it holds nothing in memory but one batch, nothing is lost when either side goes away, and
//! what is sent a second time has the same record ids. Calls never wait for a stream; where the configuration bounds
//! how far one may fall behind, they are [refused](Limited) beyond that.

mod cursor;
mod limited;
mod run;
mod webhook;

pub use cursor::{Batch, Cursor, Position};
pub use limited::{Backlog, Limited};
pub use run::{Receiver, Stream, StreamMetrics, StreamOptions};
pub use webhook::{Signature, WebhookKey, WebhookKeyFault};

#[cfg(test)]
mod tests;
