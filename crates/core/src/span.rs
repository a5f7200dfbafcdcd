//! A call's place in a distributed trace (W3C Trace Context).

use std::{fmt, sync::Arc, time::Instant};

/// A trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// A span of a trace: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// The spans a call is told by: what the gateway does for its client, and what it asks of a server for that.
#[derive(Clone, Debug)]
pub struct Spans {
    /// The client's trace, or a new one.
    pub trace: TraceId,
    /// The client's own span, when it named one.
    pub parent: Option<SpanId>,
    /// From the request's arrival to its end.
    pub server: SpanId,
    /// From the moment it was sent on to its end.
    pub client: SpanId,
    /// The request's id, as text.
    pub request_id: Arc<str>,
    /// When the request arrived, in milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// The same moment, for durations.
    pub received: Instant,
}

/// In lower-case hexadecimal digits, as `traceparent` writes it.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// In lower-case hexadecimal digits, as `traceparent` writes it.
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
