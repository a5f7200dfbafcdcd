//! OpenTelemetry: what is recorded, told to a collector as it happens (control LOG-03).
//!
//! A call is two spans of its client's trace, one for what the gateway does and one below it for what it asks of a
//! server, by the conventions for MCP and generative AI (open-telemetry/semantic-conventions-genai 0.1). Each record is
//! a log record with the ids of its span. Durations and refusals are metrics.
//!
//! Nothing here is evidence and nothing waits for it: spans and logs go into a bounded queue, a task of its own sends
//! them, and what finds no room or no collector is counted and gone. The log of records is another matter.

mod call;
mod export;
mod facts;
mod instruments;
mod logs;
pub mod proto;
mod told;

pub(crate) use call::CallSpans;
pub use export::{Exporter, SendFault, Transport};
pub use told::{Signal, Signals, Telemetry, TelemetryMetrics, TelemetryOptions};

#[cfg(test)]
mod tests;
