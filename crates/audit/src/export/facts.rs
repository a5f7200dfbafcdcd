//! What every format wants to know of a record.

use serde_json::Value;

use crate::{LoggedRecord, time};

/// A record, and the decision it belongs to when it is an outcome.
pub(super) struct Facts<'r> {
    pub(super) record: &'r LoggedRecord,
    pub(super) decision: Option<&'r LoggedRecord>,
}

/// How much a record should worry somebody, in OCSF's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
}

/// Events that are more than news.
const SEVERE: [(&str, Severity); 10] = [
    ("danger", Severity::Medium),
    ("degraded", Severity::Medium),
    ("denied", Severity::Medium),
    ("config-rejected", Severity::Medium),
    ("log-torn-tail", Severity::Medium),
    ("log-refused", Severity::High),
    ("log-gap", Severity::High),
    ("log-replaced", Severity::High),
    ("stop-in-force", Severity::High),
    ("not-contained", Severity::High),
];

impl<'r> Facts<'r> {
    /// A text of the decision: the record itself, or the one its outcome belongs to.
    pub(super) fn of_call(&self, path: &[&str]) -> Option<&'r str> {
        text(self.decision.unwrap_or(self.record), path)
    }

    /// A text of the record itself.
    pub(super) fn own(&self, path: &[&str]) -> Option<&'r str> {
        text(self.record, path)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.record.get(name).and_then(Value::as_u64)
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn time_ms(&self) -> u64 {
        self.own(&["time"]).and_then(time::read_rfc3339).unwrap_or(0)
    }

    /// What joins the records of one call: the id of its decision.
    pub(super) fn correlation(&self) -> Option<&'r str> {
        self.record.concerns().or(self.record.id())
    }

    /// Principal, then whoever acts for it, outermost first.
    pub(super) fn delegation_path(&self) -> Vec<&'r str> {
        [&["caller", "principal", "id"][..], &["caller", "actor", "id"]]
            .into_iter()
            .filter_map(|path| self.of_call(path))
            .collect()
    }

    /// `allow` or `refuse` for a decision, the outcome for an outcome, the kind for an event.
    pub(super) fn what(&self) -> &'r str {
        let found = match self.record.kind() {
            "decision" => self.own(&["decision", "verdict"]),
            "outcome" => self.own(&["outcome"]),
            _ => self.record.event(),
        };
        found.unwrap_or("unknown")
    }

    pub(super) fn severity(&self) -> Severity {
        match (self.record.kind(), self.what()) {
            ("decision", "refuse") => Severity::Medium,
            ("outcome", "withheld" | "stopped") => Severity::Medium,
            ("outcome", "unknown" | "abandoned" | "upstream-error") => Severity::Low,
            ("event", event) => SEVERE
                .iter()
                .find(|(name, _)| *name == event)
                .map_or(Severity::Informational, |(_, severity)| *severity),
            _ => Severity::Informational,
        }
    }

    /// Why, in the operator's words.
    pub(super) fn reason(&self) -> Option<&'r str> {
        self.own(&["decision", "detail"]).or_else(|| self.own(&["detail"]))
    }
}

fn text<'r>(record: &'r LoggedRecord, path: &[&str]) -> Option<&'r str> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(record.get(first)?, |value, name| value.get(name))?.as_str()
}
