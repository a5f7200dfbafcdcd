//! A call from its decision to its end, as two spans.

use std::{sync::Arc, time::Instant};

use portcullis_core::{DecisionRecord, Outcome, OutcomeRecord, RecordId, SpanId, Spans};

use super::{
    facts::{Facts, Series, measured},
    logs,
    proto::{KeyValue, Span, Status, attribute},
    told::{Item, Telemetry},
};

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

/// A call that was allowed and has not ended.
#[derive(Debug)]
pub(crate) struct CallSpans {
    telemetry: Telemetry,
    spans: Option<Arc<Spans>>,
    facts: Facts,
    since: Instant,
    /// When it went to its server, and in which version.
    sent: Option<(Instant, &'static str)>,
    /// The error its server answered with, in the words of the conventions.
    fault: Option<String>,
}

impl CallSpans {
    pub(super) fn new(telemetry: Telemetry, id: &RecordId, record: &DecisionRecord) -> Self {
        let since = record.spans.as_ref().map_or_else(Instant::now, |spans| spans.received);
        let facts = Facts::of(id, record);
        Self { telemetry, spans: record.spans.clone(), facts, since, sent: None, fault: None }
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn sent(&mut self, version: &'static str) {
        self.sent.get_or_insert_with(|| (Instant::now(), version));
    }

    pub(crate) fn fault(&mut self, fault: String) {
        self.fault = Some(fault);
    }

    pub(crate) fn end(self, outcome: &OutcomeRecord) {
        let now = Instant::now();
        let error = error_type(outcome.outcome, self.fault.as_deref());
        if !self.facts.is_egress {
            self.measure(now, error.as_deref());
        }
        let log = logs::outcome(&self.facts, self.spans.as_deref(), outcome);
        self.telemetry.tell_of(&self.facts, Item::Log(Box::new(log)));
        let Some(spans) = &self.spans else { return };
        let ending = Ending { now, error: error.as_deref(), detail: outcome.detail.as_deref() };
        let outcome = attribute("portcullis.outcome", Some(logs::word(outcome.outcome)));
        let code = self.fault.as_deref().filter(|fault| fault.parse::<i64>().is_ok());
        let status = attribute("rpc.response.status_code", code);
        if let Some((sent, version)) = self.sent {
            let version = attribute("mcp.protocol.version", Some(version));
            let known = self.facts.common.iter().cloned().chain(version).chain(status.clone());
            let place = (spans.client, Some(spans.server), CLIENT);
            self.telemetry.tell(Item::Span(Box::new(ending.span(
                spans,
                place,
                &self.facts.name,
                sent,
                known,
            ))));
        }
        let known = self.facts.common.iter().chain(&self.facts.own).cloned().chain(outcome).chain(status);
        let place = (spans.server, spans.parent, SERVER);
        let span = ending.span(spans, place, &self.facts.name, spans.received, known);
        self.telemetry.tell(Item::Span(Box::new(span)));
    }
}

impl CallSpans {
    fn measure(&self, now: Instant, error: Option<&str>) {
        let error = error.map(|error| measured(error).to_owned());
        let series = Series { error, ..self.facts.series.clone() };
        let instruments = self.telemetry.instruments();
        instruments.server.record(&series, now.saturating_duration_since(self.since));
        if let Some((sent, version)) = self.sent {
            let series = Series { version: Some(version), ..series };
            instruments.client.record(&series, now.saturating_duration_since(sent));
        }
    }
}

/// A call that was refused is the gateway's own span alone.
pub(super) fn refused(
    telemetry: &Telemetry,
    facts: &Facts,
    record: &DecisionRecord,
    kind: &str,
    detail: &str,
) {
    let now = Instant::now();
    let since = record.spans.as_ref().map_or(now, |spans| spans.received);
    let series = Series { error: Some(kind.to_owned()), ..facts.series.clone() };
    if !facts.is_egress {
        telemetry.instruments().server.record(&series, now.saturating_duration_since(since));
    }
    let Some(spans) = &record.spans else { return };
    let ending = Ending { now, error: Some(kind), detail: Some(detail) };
    let known = facts.common.iter().chain(&facts.own).cloned();
    let span = ending.span(spans, (spans.server, spans.parent, SERVER), &facts.name, since, known);
    telemetry.tell(Item::Span(Box::new(span)));
}

/// How and when it ended.
struct Ending<'a> {
    now: Instant,
    error: Option<&'a str>,
    detail: Option<&'a str>,
}

impl Ending<'_> {
    fn span(
        &self,
        spans: &Spans,
        (id, parent, kind): (SpanId, Option<SpanId>, i32),
        name: &str,
        since: Instant,
        known: impl Iterator<Item = KeyValue>,
    ) -> Span {
        let message = self.detail.unwrap_or_default().chars().take(256).collect();
        Span {
            trace_id: spans.trace.0.to_vec(),
            span_id: id.0.to_vec(),
            parent_span_id: parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
            name: name.chars().take(128).collect(),
            kind,
            start_time_unix_nano: moment(spans, since),
            end_time_unix_nano: moment(spans, self.now),
            attributes: known.chain(attribute("error.type", self.error)).collect(),
            status: self.error.map(|_| Status { message, code: ERROR }),
        }
    }
}

/// Nanoseconds since the Unix epoch. The clock that counts durations does not tell the time of day; the request's
/// arrival is known in both.
fn moment(spans: &Spans, instant: Instant) -> u64 {
    let since =
        u64::try_from(instant.saturating_duration_since(spans.received).as_nanos()).unwrap_or(u64::MAX);
    spans.received_ms.saturating_mul(1_000_000).saturating_add(since)
}

/// `error.type` of a call that did not succeed.
fn error_type(outcome: Outcome, fault: Option<&str>) -> Option<String> {
    match (outcome, fault) {
        (_, Some(fault)) => Some(fault.to_owned()),
        (Outcome::Completed | Outcome::InputRequired, None) => None,
        (other, None) => Some(logs::word(other)),
    }
}
