//! Proof that a decision is on record, and proof that an outcome is.

use std::time::Instant;

use portcullis_core::{ControlRuns, Finding, Outcome, OutcomeRecord, Record, RecordId, Refusal, TakenBy};

use crate::{
    LogReceipt,
    otel::CallSpans,
    recorder::{Recorder, unavailable},
    tree::TreeHash,
};

/// A decision to allow that is on record, as durable as the log's policy says. Without one there is
/// nothing to forward a call with.
///
/// Only [`Recorder::open`] makes one. End it with [`settle`](Self::settle); dropped without that, it
/// writes the outcome `abandoned`.
#[derive(Debug)]
#[must_use = "dropping a ticket records the call as abandoned"]
pub struct Ticket {
    recorder: Recorder,
    id: RecordId,
    since: Instant,
    state: State,
    controls: ControlRuns,
    findings: Vec<Finding>,
    told: Option<Box<CallSpans>>,
    request_bytes: u64,
    /// The hash of the decision's line, when somebody wants to know.
    leaf: Option<TreeHash>,
    kept: TakenBy,
}

/// Findings of one call that are written down; a server that provokes more of them does not fill the log.
const MAX_FINDINGS: usize = 32;

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The decision is queued and not yet durable: nothing may be dispatched.
    Waiting,
    /// The decision is on record.
    Open,
    /// Nothing is left to write.
    Done,
}

impl Ticket {
    pub(crate) fn waiting(
        recorder: Recorder,
        id: RecordId,
        request_bytes: u64,
        leaf: Option<TreeHash>,
    ) -> Self {
        let (since, controls, findings) = (Instant::now(), ControlRuns::default(), Vec::new());
        let state = State::Waiting;
        Self {
            recorder,
            id,
            since,
            state,
            controls,
            findings,
            told: None,
            request_bytes,
            leaf,
            kept: TakenBy::Log,
        }
    }

    /// What the caller may be given to check later that the decision is on record; none unless the ticket was opened
    /// for that. It names no log when the record is in the spare one.
    pub fn receipt(&self) -> Option<LogReceipt> {
        let log = self.recorder.log_origin().filter(|_| self.kept == TakenBy::Log).map(ToString::to_string);
        self.leaf.map(|leaf| LogReceipt { record: self.id.to_string(), log, leaf: leaf.to_string() })
    }

    pub(crate) fn opened(mut self, kept: TakenBy, told: Option<CallSpans>) -> Self {
        self.state = State::Open;
        self.kept = kept;
        self.told = told.map(Box::new);
        self
    }

    /// The decision did not become durable, so there is nothing an outcome could belong to.
    pub(crate) fn void(mut self) {
        self.state = State::Done;
    }

    /// The record of the decision.
    pub fn record_id(&self) -> &RecordId {
        &self.id
    }

    /// What inspecting the answer, or a message before it, came to. Goes into the record of the outcome: the
    /// controls of the last message, and the findings of all, the first 32 of them.
    pub fn inspected(&mut self, controls: ControlRuns, findings: &[Finding]) {
        self.controls = controls;
        let room = MAX_FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(findings.iter().take(room).cloned());
    }

    /// It is being sent to its server, in this version of the protocol.
    pub fn sent(&mut self, version: &'static str) {
        if let Some(told) = &mut self.told {
            told.sent(version);
        }
    }

    /// Its server answered with an error: the code of one (JSON-RPC), or that its tool failed.
    pub fn answered_with(&mut self, code: Option<i64>) {
        if let Some(told) = &mut self.told {
            told.fault(code.map_or_else(|| "tool_error".to_owned(), |code| code.to_string()));
        }
    }

    /// Records how it ended, as the recorder's
    /// [`withhold_on_failed_outcome`](crate::RecorderOptions::withhold_on_failed_outcome) demands: waiting
    /// for durability and failing without it, or queueing the record and going on.
    ///
    /// # Errors
    /// A refusal of kind `RecordUnavailable` when the outcome could not be recorded and the reply is
    /// therefore to be withheld.
    pub async fn settle(
        self,
        outcome: Outcome,
        response_bytes: u64,
        detail: Option<String>,
    ) -> Result<Receipt, Refusal> {
        if self.recorder.withholds() {
            self.close_durable(outcome, response_bytes, detail).await
        } else {
            Ok(self.close(outcome, response_bytes, detail))
        }
    }

    /// Queues the outcome without waiting. When the log does not accept it, the loss is counted and the
    /// log shows the call's outcome as unknown.
    pub fn close(mut self, outcome: Outcome, response_bytes: u64, detail: Option<String>) -> Receipt {
        let record = self.outcome(outcome, response_bytes, detail);
        if self.recorder.submit(record).is_err() {
            self.recorder.metrics().outcomes_lost.add(1);
        }
        Receipt { record: self.id.clone() }
    }

    /// Records the outcome and resolves once it is durable.
    ///
    /// # Errors
    /// A refusal of kind `RecordUnavailable` when it could not be recorded.
    pub async fn close_durable(
        mut self,
        outcome: Outcome,
        response_bytes: u64,
        detail: Option<String>,
    ) -> Result<Receipt, Refusal> {
        let record = self.outcome(outcome, response_bytes, detail);
        let (recorder, id) = (self.recorder.clone(), self.id.clone());
        let written = match recorder.submit_durable(record) {
            Ok((_, durable)) => durable.await.map(|_| ()).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        match written {
            Ok(()) => Ok(Receipt { record: id }),
            Err(reason) => {
                recorder.metrics().outcomes_lost.add(1);
                Err(unavailable("the outcome could not be recorded, so the answer is withheld", reason)
                    .recorded(id))
            }
        }
    }

    /// The outcome record; from here on the ticket has nothing left to say.
    fn outcome(&mut self, outcome: Outcome, response_bytes: u64, detail: Option<String>) -> Record {
        self.state = State::Done;
        let duration_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let decision = self.id.clone();
        let controls = std::mem::take(&mut self.controls);
        let findings = std::mem::take(&mut self.findings);
        let cost = Some(self.request_bytes.saturating_add(response_bytes));
        let record = OutcomeRecord {
            decision,
            outcome,
            response_bytes,
            cost,
            duration_us,
            detail,
            controls,
            findings,
        };
        if let Some(told) = self.told.take() {
            told.end(&record);
        }
        Record::Outcome(record)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let detail = match self.state {
            State::Done => return,
            State::Waiting => "the request ended before it was dispatched",
            State::Open => "the call was let go without an outcome",
        };
        let record = self.outcome(Outcome::Abandoned, 0, Some(detail.to_owned()));
        self.recorder.metrics().abandoned.add(1);
        if self.recorder.submit(record).is_err() {
            self.recorder.metrics().outcomes_lost.add(1);
        }
    }
}

/// Proof that a reply is accounted for: the record of the decision whose outcome was handed to the log, or
/// the record of the refusal. Without one there is nothing to reply with.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reply needs its receipt"]
pub struct Receipt {
    record: RecordId,
}

impl Receipt {
    pub(crate) fn of(record: RecordId) -> Self {
        Self { record }
    }

    /// The record to quote to whoever asks about this reply.
    pub fn record_id(&self) -> &RecordId {
        &self.record
    }
}
