//! Attempts of servers to reach the world, on record like calls: a decision before anything leaves, an outcome
//! with its bytes after.

use std::{net::SocketAddr, path::Path, sync::Arc};

use portcullis_audit::{Digests, JsonLines, JsonLinesOptions, Recorder, RecorderOptions, Ticket};
use portcullis_core::{
    BoxFuture, Channel, Clock, ControlId, ControlRun, Decision, DecisionRecord, Digest, Outcome, RunState,
};
use portcullis_sandbox::egress::{Attempt, Denial, End, Entry, Ledger, Traffic};

use crate::{
    exit::{Exit, Failure},
    runtime::node_name,
};

/// Opens a log for attempts alone.
pub(crate) fn open_records(
    file: &Path,
    policy: Option<Digest>,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<JsonLines>, Recorder), Failure> {
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let log = JsonLines::open(JsonLinesOptions::new(file), clock.clone());
    let log = Arc::new(log.map_err(|e| usage(e.to_string()).remedy("name another file with `--record`"))?);
    let digests = Digests { policy, ..Digests::default() };
    let recorder = Recorder::new(log.clone(), clock.clone(), RecorderOptions::new(node_name()), digests);
    Ok((log, recorder.map_err(|e| usage(e.to_string()))?))
}

/// The kind of item a destination is on record.
const DESTINATION: &str = "Destination";

/// Writes attempts down with a recorder.
#[derive(Debug)]
pub(crate) struct RecordedEgress(Recorder);

impl RecordedEgress {
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self(recorder)
    }
}

impl Ledger for RecordedEgress {
    fn allow<'a>(
        &'a self,
        attempt: &'a Attempt,
        rule: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Entry>, String>> {
        Box::pin(async move {
            let decision = Decision::Allow { policies: [rule.into()].into() };
            let record = record(attempt, decision, &[ControlId::Net02, ControlId::Ti06]);
            let opened = self.0.open(record).await;
            let ticket = opened.map_err(|refusal| refusal.detail().to_owned())?;
            let entry: Box<dyn Entry> = Box::new(Opened(ticket));
            Ok(entry)
        })
    }

    fn refuse(&self, attempt: &Attempt, denial: &Denial) {
        let control = denial.control();
        let decision =
            Decision::Refuse { kind: denial.kind(), control: Some(control), detail: denial.to_string() };
        // It is refused whether or not that can be written; the log itself reports what it loses.
        let _unwritten = self.0.refuse(record(attempt, decision, &[control]));
    }
}

struct Opened(Ticket);

impl Entry for Opened {
    fn close(self: Box<Self>, via: Option<SocketAddr>, end: &End, traffic: Traffic) {
        let outcome = match end {
            End::Closed => Outcome::Completed,
            End::Cut(Denial::Unreachable(_)) => Outcome::Unknown,
            End::Cut(_) => Outcome::Withheld,
        };
        let mut detail = format!("{} bytes sent, {} received", traffic.sent, traffic.received);
        if let Some(via) = via {
            detail.push_str(&format!(", {via}"));
        }
        if let End::Cut(denial) = end {
            detail.push_str(&format!(", cut off: {denial}"));
        }
        let _receipt = self.0.close(outcome, traffic.received, Some(detail));
    }
}

/// Members that have no meaning for a connection are `None`.
fn record(attempt: &Attempt, decision: Decision, ran: &[ControlId]) -> DecisionRecord {
    let ran = ran.iter().map(|control| ControlRun { control: *control, state: RunState::Ran, reason: None });
    DecisionRecord {
        channel: Channel::Egress,
        caller: None,
        endpoint: None,
        version: None,
        method: Some(attempt.way.as_str().into()),
        server: Some(attempt.server.clone()),
        item_kind: Some(DESTINATION),
        item: Some(attempt.destination.as_str().into()),
        definition: None,
        request: None,
        request_bytes: 0,
        trace_id: None,
        policy: None,
        config: None,
        controls_digest: None,
        controls: ran.collect(),
        findings: Vec::new(),
        context: portcullis_core::CallContext::default(),
        decision,
        spans: None,
    }
}
