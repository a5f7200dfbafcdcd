//! Records, in order, into a sink.

use std::{fmt, sync::Arc};

use parking_lot::{Mutex, RwLock};
use portcullis_core::{
    BoxFuture, Channel, Clock, Commitment, ControlId, ControlRuns, Decision, DecisionRecord, Digest, Outcome,
    OutcomeRecord, Record, RecordId, Refusal, RefusalKind, Sink, SinkError, TakenBy,
};

use crate::{
    CommitmentKey, EventKind, LeftBehind, Receipt, RecorderMetrics, Ticket,
    flood::{Admission, Floods, Tally},
    line::{Body, LineError},
    otel::Telemetry,
    tree::TreeHash,
};

/// How records are made.
#[derive(Clone, Debug)]
pub struct RecorderOptions {
    /// Names this gateway among others: 1 to 64 of `a-z`, `0-9`, `.`, `-` and `_`.
    pub node: String,
    /// Whether a reply is withheld when its outcome cannot be recorded. Off: the loss is counted, and the
    /// log shows the outcome as unknown.
    pub withhold_on_failed_outcome: bool,
    /// Refusals written in full in one second; further ones in that second are counted by reason.
    pub full_refusals_per_second: u32,
    /// Refusals of what one server attempts on its way out that are written in full in ten seconds; further ones
    /// are counted by reason. They are no part of the above: a server cannot push out the refusals of callers.
    pub full_egress_refusals: u32,
    /// Key of the commitments to requests and sessions; without one, whoever guesses them can tell.
    pub commitment_key: Option<Arc<CommitmentKey>>,
    /// Is told what is recorded.
    pub telemetry: Option<Telemetry>,
    /// Name of the transparency log that follows the sink, for receipts.
    pub log_origin: Option<Arc<str>>,
}

impl RecorderOptions {
    /// Withholds nothing and writes up to 256 refusals a second in full, and up to 64 of each server's on its way
    /// out in ten seconds.
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            withhold_on_failed_outcome: false,
            full_refusals_per_second: 256,
            full_egress_refusals: 64,
            commitment_key: None,
            telemetry: None,
            log_origin: None,
        }
    }
}

/// What is in force. Filled into each record that does not name its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// Digest of the policy set.
    pub policy: Option<Digest>,
    /// Digest of the configuration.
    pub config: Option<Digest>,
    /// Digest of the table of controls.
    pub controls: Option<Digest>,
}

/// Why a recorder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The node name would make record identifiers ambiguous.
    #[error("node name `{0}` is not allowed: use 1 to 64 of a-z, 0-9, `.`, `-` and `_`")]
    Node(String),
    /// No randomness to tell this run from others.
    #[error("no random bytes for the run identifier: {0}")]
    Random(getrandom::Error),
}

/// Writes what happened: decisions before any effect, outcomes after, events of the gateway itself
/// (control LOG-01). The sole maker of [`Ticket`] and [`Receipt`]. Clones share one sequence.
///
/// Records reach the sink in the order of their sequence numbers. A number missing between two others
/// belongs to a record that could not be written, which its caller was told.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    run: Arc<str>,
    withhold: bool,
    digests: RwLock<Digests>,
    /// The next sequence number. Held while a record is handed to the sink, so that order there is order
    /// here.
    next: Mutex<u64>,
    floods: Floods,
    commitment_key: Option<Arc<CommitmentKey>>,
    telemetry: Option<Telemetry>,
    log_origin: Option<Arc<str>>,
    metrics: RecorderMetrics,
}

/// Why a record was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Recorder {
    /// A recorder whose run is named after the node, the time and four random digits.
    ///
    /// # Errors
    /// [`RecorderError`] when the node name is not allowed or the system has no randomness.
    pub fn new(
        sink: Arc<dyn Sink>,
        clock: Arc<dyn Clock>,
        options: RecorderOptions,
        digests: Digests,
    ) -> Result<Self, RecorderError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        if options.node.is_empty() || options.node.len() > 64 || !options.node.bytes().all(allowed) {
            return Err(RecorderError::Node(options.node.chars().take(80).collect()));
        }
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(RecorderError::Random)?;
        let run = format!("{}-{:x}-{:04x}", options.node, clock.now_ms(), u16::from_be_bytes(random));
        Ok(Self(Arc::new(Inner {
            sink,
            clock,
            run: run.into(),
            withhold: options.withhold_on_failed_outcome,
            digests: RwLock::new(digests),
            next: Mutex::new(1),
            floods: Floods::new(options.full_refusals_per_second, options.full_egress_refusals),
            commitment_key: options.commitment_key,
            telemetry: options.telemetry,
            log_origin: options.log_origin,
            metrics: RecorderMetrics::default(),
        })))
    }

    /// Commits to bytes that a record is about and does not show.
    pub fn commit(&self, bytes: &[u8]) -> Commitment {
        match &self.0.commitment_key {
            Some(key) => key.commit(bytes),
            None => Digest::of(bytes).into(),
        }
    }

    /// Which key commits, so that a record can say it; none when nothing but digests does.
    pub fn commitment_key_id(&self) -> Option<&str> {
        self.0.commitment_key.as_deref().map(CommitmentKey::id)
    }

    /// The name of the transparency log that records go to, when there is one.
    pub fn log_origin(&self) -> Option<&Arc<str>> {
        self.0.log_origin.as_ref()
    }

    /// Who is told, when somebody is.
    pub fn telemetry(&self) -> Option<&Telemetry> {
        self.0.telemetry.as_ref()
    }

    /// Whether calls are told as spans, so that decisions should name theirs.
    pub fn tells_spans(&self) -> bool {
        self.0.telemetry.as_ref().is_some_and(Telemetry::tells_spans)
    }

    /// Records the decision to allow a call and resolves once that is durable: nothing may be dispatched
    /// before. Dropping the future while it waits leaves the outcome `abandoned` behind.
    ///
    /// # Errors
    /// A refusal of kind `RecordUnavailable` by LOG-01 when the record could not be written; of kind
    /// `Internal` when the record's decision is not to allow.
    pub async fn open(&self, record: DecisionRecord) -> Result<Ticket, Refusal> {
        self.open_as(record, false).await
    }

    /// The same, and the ticket has a receipt for the caller.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub async fn open_with_receipt(&self, record: DecisionRecord) -> Result<Ticket, Refusal> {
        self.open_as(record, true).await
    }

    async fn open_as(&self, mut record: DecisionRecord, receipt: bool) -> Result<Ticket, Refusal> {
        if !matches!(record.decision, Decision::Allow { .. }) {
            return Err(misuse("a ticket was asked for with a decision that does not allow the call"));
        }
        self.settle_summary();
        self.fill_digests(&mut record);
        let told = self.0.telemetry.as_ref().map(|telemetry| (telemetry, record.clone()));
        let request_bytes = record.request_bytes;
        let mut leaf = None;
        let body = Body::of(Record::Decision(Box::new(record))).map_err(|e| self.unrecorded(&e))?;
        let (id, durable) = self.in_order(body, |sink, line| {
            leaf = receipt.then(|| TreeHash::leaf(&line));
            sink.append_durable(line)
        });
        let ticket = Ticket::waiting(self.clone(), id, request_bytes, leaf);
        match durable.await {
            Ok(kept) => {
                self.0.metrics.opened.add(1);
                let told = told.map(|(telemetry, record)| telemetry.opened(ticket.record_id(), &record));
                Ok(ticket.opened(kept, told))
            }
            Err(e) => {
                ticket.void();
                Err(self.unrecorded(&e))
            }
        }
    }

    /// Records a refusal without waiting for durability: it has no effect that could run ahead of it.
    ///
    /// # Errors
    /// A refusal of kind `RecordUnavailable` by LOG-01 when the record could not be queued (the request is
    /// refused all the same); of kind `Internal` when the record's decision is to allow.
    pub fn refuse(&self, mut record: DecisionRecord) -> Result<Receipt, Refusal> {
        let Decision::Refuse { kind, control, .. } = record.decision else {
            return Err(misuse("a refusal was recorded with a decision that allows the call"));
        };
        self.settle_summary();
        let flood = self.0.floods.of(&record);
        let whose = record.server.as_ref().filter(|_| record.channel == Channel::Egress);
        let announce = || {
            let whose = whose.map(ToString::to_string);
            self.event(EventKind::SummaryBegins, whose, flood.begins.to_owned()).ok()
        };
        if let Admission::Counted(opening) = flood.admit(self.0.clock.now_ms(), kind, control, announce) {
            self.0.metrics.summarised.add(1);
            return Ok(Receipt::of(opening));
        }
        self.fill_digests(&mut record);
        let told = self.0.telemetry.as_ref().map(|telemetry| (telemetry, record.clone()));
        let id = self.submit(Record::Decision(Box::new(record))).map_err(|e| self.unrecorded(&e))?;
        self.0.metrics.refusals.add(1);
        if let Some((telemetry, record)) = told {
            telemetry.refused(&id, &record);
        }
        Ok(Receipt::of(id))
    }

    /// Queues the record of an event.
    ///
    /// # Errors
    /// A refusal of kind `RecordUnavailable` by LOG-01 when it was not accepted.
    pub fn event(
        &self,
        kind: EventKind,
        subject: Option<String>,
        detail: String,
    ) -> Result<RecordId, Refusal> {
        let told = self.0.telemetry.as_ref().map(|telemetry| (telemetry, subject.clone(), detail.clone()));
        let submitted = self.submit(Record::Event { event: kind.as_str(), subject, detail });
        let id = submitted.map_err(|e| refusal(e.to_string()))?;
        if let Some((telemetry, subject, detail)) = told {
            telemetry.event(&id, kind, subject.as_deref(), &detail);
        }
        Ok(id)
    }

    /// Records an event and resolves once it is durable, as the first and last record of a run should be.
    ///
    /// # Errors
    /// A refusal of kind `RecordUnavailable` by LOG-01 when it could not be written.
    pub async fn event_durable(
        &self,
        kind: EventKind,
        subject: Option<String>,
        detail: String,
    ) -> Result<RecordId, Refusal> {
        self.close_summary();
        let submitted = self.submit_durable(Record::Event { event: kind.as_str(), subject, detail });
        let (id, durable) = submitted.map_err(|e| refusal(e.to_string()))?;
        durable.await.map_err(|e| refusal(e.to_string()))?;
        Ok(id)
    }

    /// Marks a call of an earlier run as abandoned: whether it took effect is not known, and nobody will learn it. Its
    /// duration is the time until now.
    ///
    /// # Errors
    /// A refusal of kind `RecordUnavailable` by LOG-01 when it could not be written.
    pub async fn abandon(&self, left: &LeftBehind) -> Result<(), Refusal> {
        let record = OutcomeRecord {
            decision: left.decision.clone(),
            outcome: Outcome::Abandoned,
            response_bytes: 0,
            cost: None,
            duration_us: self.0.clock.now_ms().saturating_sub(left.at_ms).saturating_mul(1_000),
            detail: Some("its gateway ended without recording how the call did".to_owned()),
            controls: ControlRuns::default(),
            findings: Vec::new(),
        };
        let (_, durable) = self.submit_durable(Record::Outcome(record)).map_err(|e| self.unrecorded(&e))?;
        durable.await.map_err(|e| self.unrecorded(&e))?;
        self.0.metrics.abandoned.add(1);
        Ok(())
    }

    /// Changes what is in force from the next record on.
    pub fn set_digests(&self, digests: Digests) {
        *self.0.digests.write() = digests;
    }

    /// Whether a reply is to be withheld when its outcome cannot be recorded.
    pub fn withholds(&self) -> bool {
        self.0.withhold
    }

    /// The part all record identifiers of this run begin with.
    pub fn run(&self) -> &str {
        &self.0.run
    }

    /// Counters.
    pub fn metrics(&self) -> &RecorderMetrics {
        &self.0.metrics
    }

    /// Hands a record to the sink and does not wait.
    pub(crate) fn submit(&self, record: Record) -> Result<RecordId, SubmitError> {
        let body = Body::of(record)?;
        let (id, queued) = self.in_order(body, |sink, line| sink.append(line));
        queued?;
        Ok(id)
    }

    /// Hands a record to the sink; the future resolves once it is durable.
    pub(crate) fn submit_durable(
        &self,
        record: Record,
    ) -> Result<(RecordId, BoxFuture<'_, Result<TakenBy, SinkError>>), SubmitError> {
        let body = Body::of(record)?;
        Ok(self.in_order(body, |sink, line| sink.append_durable(line)))
    }

    fn in_order<'a, T>(
        &'a self,
        body: Body,
        hand_over: impl FnOnce(&'a dyn Sink, Vec<u8>) -> T,
    ) -> (RecordId, T) {
        let mut next = self.0.next.lock();
        let sequence = *next;
        *next += 1;
        let id = RecordId::new(self.0.run.clone(), sequence);
        let line = body.into_line(&id, sequence, self.0.clock.now_ms());
        (id, hand_over(&*self.0.sink, line))
    }

    fn fill_digests(&self, record: &mut DecisionRecord) {
        let in_force = *self.0.digests.read();
        record.policy = record.policy.or(in_force.policy);
        record.config = record.config.or(in_force.config);
        record.controls_digest = record.controls_digest.or(in_force.controls);
    }

    /// Writes the counts of summaries whose time is over.
    fn settle_summary(&self) {
        self.0.floods.due(self.0.clock.now_ms()).iter().for_each(|tally| self.write_tally(tally));
    }

    /// Writes the counts of every summary now, for the last record of a run.
    fn close_summary(&self) {
        self.0.floods.take().iter().for_each(|tally| self.write_tally(tally));
    }

    fn write_tally(&self, tally: &Tally) {
        let subject = Some(tally.opening.to_string());
        if self.event(EventKind::Summary, subject, tally.describe()).is_err() {
            self.0.metrics.unrecorded.add(tally.total());
        }
    }

    fn unrecorded(&self, reason: &dyn fmt::Display) -> Refusal {
        self.0.metrics.unrecorded.add(1);
        refusal(reason.to_string())
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("run", &self.0.run).finish_non_exhaustive()
    }
}

fn refusal(reason: String) -> Refusal {
    unavailable("the request could not be recorded, so it was not carried out", reason)
}

/// A refusal because of what the log could not take.
pub(crate) fn unavailable(public: &'static str, reason: String) -> Refusal {
    Refusal::new(RefusalKind::RecordUnavailable, public).by(ControlId::Log01).operator(reason)
}

fn misuse(what: &'static str) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").by(ControlId::Log01).operator(what)
}
