//! What is written down, and the port it is written through.

use std::{fmt, net::IpAddr, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{
    Caller, Channel, Commitment, ControlId, ControlRuns, Digest, Finding, RefusalKind, ServerName, Spans,
};

/// Identifies a record: `<node>-<start>-<sequence>`, unique without coordination and sortable in one run.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecordId {
    run: Arc<str>,
    sequence: u64,
}

impl RecordId {
    /// The `sequence`-th record of a run.
    pub fn new(run: Arc<str>, sequence: u64) -> Self {
        Self { run, sequence }
    }

    /// Reads an identifier as it is written; none when the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (run, sequence) = text.rsplit_once('-')?;
        let id = Self::new(run.into(), u64::from_str_radix(sequence, 16).ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.run, self.sequence)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What was decided before anything happened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Decision {
    /// The call may proceed.
    Allow {
        /// Identifiers of the policies that allowed it.
        policies: Arc<[Arc<str>]>,
    },
    /// The call ends here.
    Refuse {
        /// Why.
        kind: RefusalKind,
        /// The control that refused.
        control: Option<ControlId>,
        /// What the operator needs to know.
        detail: String,
    },
}

/// The record written before dispatch. `None` is written as `null`: absent is said, never left out.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionRecord {
    /// Through which door.
    pub channel: Channel,
    /// Who; absent when nobody could be established.
    pub caller: Option<Arc<Caller>>,
    /// The endpoint asked.
    pub endpoint: Option<ServerName>,
    /// Protocol version of the request.
    pub version: Option<&'static str>,
    /// MCP method, cut to 64 characters when unknown.
    pub method: Option<Arc<str>>,
    /// Upstream server.
    pub server: Option<ServerName>,
    /// Kind of item.
    pub item_kind: Option<&'static str>,
    /// Name of the item.
    pub item: Option<Arc<str>>,
    /// Digest of the item's definition as the caller was shown it.
    pub definition: Option<Digest>,
    /// Commitment to the request's bytes as received, before anything was made of them.
    pub request: Option<Commitment>,
    /// Size of the request in bytes.
    pub request_bytes: u64,
    /// W3C trace id: the one the request carried, else a new one where traces are exported.
    pub trace_id: Option<Arc<str>>,
    /// Digest of the policy set.
    pub policy: Option<Digest>,
    /// Digest of the configuration in force.
    pub config: Option<Digest>,
    /// Digest of the table of controls in force.
    pub controls_digest: Option<Digest>,
    /// Which controls ran, in order.
    pub controls: ControlRuns,
    /// What they noticed without objecting; left out when nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What surrounds the call.
    pub context: CallContext,
    /// The decision.
    pub decision: Decision,
    /// The spans it is told by where traces are exported. Not part of the record, which names their ids.
    #[serde(skip)]
    pub spans: Option<Arc<Spans>>,
}

/// What surrounds a call, as far as it was established when it was decided. What was not is `null`, or says why.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallContext {
    /// Address of the peer.
    pub peer: Option<IpAddr>,
    /// Commitment to the session's id, which is a handle that must not be read from a log.
    pub session: Option<Commitment>,
    /// Digest of the list the item was found in, as the gateway held it.
    pub catalogue: Option<Digest>,
    /// The caller's own span of `trace_id`.
    pub parent_span: Option<Arc<str>>,
    /// The gateway's span, where traces are exported.
    pub span: Option<Arc<str>>,
    /// What is known about what runs the server.
    pub attestation: Attestation,
    /// Digest of the boundaries the server runs in.
    pub sandbox: Option<Digest>,
    /// Labels of the conversation when it was decided, each as `<class>:<server>`.
    pub labels: Arc<[Arc<str>]>,
    /// What the item asked for does, as policies were told; absent when no policy was asked.
    pub conduct: Option<Vec<&'static str>>,
    /// Whether a person had approved this very call; absent when no policy was asked.
    pub approved: Option<bool>,
    /// Where the answer comes from: `none` of it from a cache, the `catalogue` of lists the gateway holds, or the
    /// `gateway` itself; absent where nothing answers.
    pub cache: Option<&'static str>,
    /// Digest of the statement of what is covered and what is not.
    pub boundary: Option<Digest>,
}

/// Whether something vouches for the runtime of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Attestation {
    /// `not-available`, or what was verified.
    pub state: &'static str,
    /// Why it is not available.
    pub reason: Option<&'static str>,
}

impl Default for Attestation {
    fn default() -> Self {
        Self { state: "not-available", reason: Some("runtimes are not attested") }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The answer was released to the caller.
    Completed,
    /// The server answered with an error, which was released to the caller.
    UpstreamError,
    /// The server asked for input; the call continues under another record.
    InputRequired,
    /// The answer was withheld.
    Withheld,
    /// The server could not be reached or broke off; whether the effect happened is not known.
    Unknown,
    /// The caller cancelled.
    Cancelled,
    /// An operator stopped it; whether the effect happened is not known.
    Stopped,
    /// The gateway let go of the call without learning its end.
    Abandoned,
}

/// The record appended when the outcome is known.
#[derive(Clone, Debug, Serialize)]
pub struct OutcomeRecord {
    /// The decision this belongs to.
    pub decision: RecordId,
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes released to the caller.
    pub response_bytes: u64,
    /// What the call cost: bytes of its request and of what was released to the caller; absent when nobody counted.
    pub cost: Option<u64>,
    /// Time from decision to outcome in microseconds.
    pub duration_us: u64,
    /// For the operator: why, when it did not complete.
    pub detail: Option<String>,
    /// Which controls ran on the answer, in order; left out when there was none.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub controls: ControlRuns,
    /// What they noticed in the answer and in all that came before it; left out when nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Any record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Record {
    /// Before dispatch.
    Decision(Box<DecisionRecord>),
    /// After.
    Outcome(OutcomeRecord),
    /// Something about the gateway itself: start, stop, configuration change, degraded mode, child exit.
    Event {
        /// What, in one word of lower-case and hyphens.
        event: &'static str,
        /// What it concerns.
        subject: Option<String>,
        /// For the operator.
        detail: String,
    },
}

/// Why a record could not be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("audit record could not be written to `{place}`: {reason}")]
pub struct SinkError {
    /// Where.
    pub place: String,
    /// What the system said.
    pub reason: String,
}

/// Which log took a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// The one that is meant.
    Log,
    /// A spare one, which no transparency log follows.
    Spare,
}

/// The port records leave through.
///
/// `append` hands over one record that is already a complete line of JSON without its newline;
/// `append_durable` resolves once that record, and everything appended before it, is as durable as the
/// configured policy says. Both queue the record before they return, so calls made in order are written in
/// order.
pub trait Sink: Send + Sync {
    /// Queues a record. Never blocks; fails when the sink is closed or its bounded queue is full.
    ///
    /// # Errors
    /// [`SinkError`] when the record was not accepted.
    fn append(&self, line: Vec<u8>) -> Result<(), SinkError>;

    /// Queues a record and resolves when it is durable. Says which log took it.
    fn append_durable(&self, line: Vec<u8>) -> crate::BoxFuture<'_, Result<TakenBy, SinkError>>;
}
