//! Records as log records.

use portcullis_core::{Decision, DecisionRecord, Outcome, OutcomeRecord, RecordId, Spans};
use serde::Serialize;

use super::{
    facts::Facts,
    proto::{AnyValue, KeyValue, LogRecord, attribute},
};
use crate::EventKind;

/// `SEVERITY_NUMBER_INFO` and `SEVERITY_NUMBER_WARN`.
const INFO: (i32, &str) = (9, "INFO");
const WARN: (i32, &str) = (13, "WARN");

/// How a record writes a value that is one word.
pub(super) fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn decision(facts: &Facts, record: &DecisionRecord) -> LogRecord {
    let (severity, verdict, detail) = match &record.decision {
        Decision::Allow { policies } => (INFO, "allow", policies.join(", ")),
        Decision::Refuse { detail, .. } => (WARN, "refuse", detail.clone()),
    };
    let (kind, control) = match &record.decision {
        Decision::Refuse { kind, control, .. } => (Some(word(kind)), control.map(word)),
        Decision::Allow { .. } => (None, None),
    };
    let more = [
        attribute("portcullis.verdict", Some(verdict)),
        attribute("portcullis.refusal", kind),
        attribute("portcullis.control", control),
    ];
    let known = facts.common.iter().chain(&facts.own).cloned().chain(more.into_iter().flatten()).collect();
    let body = format!("{verdict} {}: {detail}", facts.name);
    log("portcullis.decision", severity, body, known, record.spans.as_deref())
}

pub(super) fn outcome(facts: &Facts, spans: Option<&Spans>, outcome: &OutcomeRecord) -> LogRecord {
    let ended = word(outcome.outcome);
    let severity = match outcome.outcome {
        Outcome::Completed | Outcome::InputRequired | Outcome::UpstreamError | Outcome::Cancelled => INFO,
        _ => WARN,
    };
    let more = [
        attribute("portcullis.record", Some(outcome.decision.to_string())),
        attribute("portcullis.outcome", Some(ended.as_str())),
        attribute("portcullis.response_bytes", Some(outcome.response_bytes)),
        attribute("portcullis.duration_us", Some(outcome.duration_us)),
    ];
    let known = facts.common.iter().cloned().chain(more.into_iter().flatten()).collect();
    let body = match &outcome.detail {
        Some(detail) => format!("{ended} {}: {detail}", facts.name),
        None => format!("{ended} {}", facts.name),
    };
    log("portcullis.outcome", severity, body, known, spans)
}

pub(super) fn event(id: &RecordId, kind: EventKind, subject: Option<&str>, detail: &str) -> LogRecord {
    let severity = match kind {
        EventKind::Degraded
        | EventKind::Danger
        | EventKind::ConfigRejected
        | EventKind::DefinitionHeld
        | EventKind::StopInForce
        | EventKind::NotContained => WARN,
        _ => INFO,
    };
    let known = [
        attribute("portcullis.record", Some(id.to_string())),
        attribute("portcullis.event", Some(kind.as_str())),
        attribute("portcullis.subject", subject),
    ];
    let known = known.into_iter().flatten().collect();
    log("portcullis.event", severity, format!("{}: {detail}", kind.as_str()), known, None)
}

fn log(
    name: &str,
    (severity_number, severity_text): (i32, &str),
    body: String,
    attributes: Vec<KeyValue>,
    spans: Option<&Spans>,
) -> LogRecord {
    let now = super::told::now_ns();
    LogRecord {
        time_unix_nano: now,
        observed_time_unix_nano: now,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(AnyValue { value: Some(body.into()) }),
        attributes,
        trace_id: spans.map(|spans| spans.trace.0.to_vec()).unwrap_or_default(),
        span_id: spans.map(|spans| spans.server.0.to_vec()).unwrap_or_default(),
        event_name: name.to_owned(),
    }
}
