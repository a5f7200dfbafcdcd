//! What callers and servers do that they should not do, or never did before, as their records show it (control LOG-05).
//!
//! Each rule is a row of [`Rule`]. Some count what was refused within a time, others compare with what the same caller
//! or server did before. What is seen is records and nothing else, so that a gateway that watches and an auditor who
//! reads the log later find the same.

mod habits;
mod line;
mod rule;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use portcullis_core::StopSubject;

pub use rule::{QuietHours, Rule, Thresholds};

use habits::{Caller, Server};
use line::{Decided, Denied, Ended, Line};
use window::Windows;

/// Callers and servers remembered at a time. The one that was quiet longest is forgotten first.
const MOST: usize = 10_000;
/// Calls under way remembered at a time.
const MOST_OPEN: usize = 65_536;
/// How long the same alert about the same subject is not repeated, in milliseconds.
const QUIET_MS: u64 = 600_000;

/// Refusals on a server's way out that say nothing about the server: that a host is not found, or a log is full.
const NOT_ITS_DOING: [&str; 3] = ["upstream-unavailable", "upstream-timeout", "record-unavailable"];

/// Where clouds give out credentials to whoever asks from inside.
const METADATA: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "100.100.100.200", "[fd00:ec2::254]", "metadata.google.internal"];

/// Of states and handles that clients keep (ST-01, ST-03).
const SEALS: [&str; 2] = ["ST-01", "ST-03"];

/// Something that a rule objects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The rule.
    pub rule: Rule,
    /// Whom or what it is about, as a kill switch would name it; for a caller nobody knows, its address.
    pub subject: Subject,
    /// The record that made the rule speak.
    pub record: String,
    /// Time of that record, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What was seen.
    pub detail: String,
}

/// Whom an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A principal, as `<kind>:<id>`.
    Principal(String),
    /// A server.
    Server(String),
    /// The address of a caller that could not be told.
    Peer(String),
}

impl Subject {
    /// What a kill switch has to stop, if it can: written as this is.
    pub fn stop(&self) -> Option<StopSubject> {
        self.to_string().parse().ok()
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Principal(whole) => write!(f, "principal:{whole}"),
            Self::Server(name) => write!(f, "server:{name}"),
            Self::Peer(address) => write!(f, "peer:{address}"),
        }
    }
}

/// Watches records.
#[derive(Debug)]
pub struct Behaviour {
    thresholds: Thresholds,
    callers: HashMap<String, Caller>,
    servers: HashMap<String, Server>,
    windows: Windows,
    open: HashMap<String, Open>,
    /// In the order in which they were opened.
    opened: VecDeque<String>,
    silent: HashMap<(Rule, Subject), u64>,
}

/// A call whose outcome has not been seen.
#[derive(Debug)]
struct Open {
    subject: Subject,
    server: String,
    tool: String,
}

impl Behaviour {
    /// Knows nobody yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            callers: HashMap::new(),
            servers: HashMap::new(),
            windows: Windows::default(),
            open: HashMap::new(),
            opened: VecDeque::new(),
            silent: HashMap::new(),
        }
    }

    /// Takes a record for granted: what it shows is habit from now on.
    pub fn learn(&mut self, line: &[u8]) {
        self.see(line);
        self.windows = Windows::default();
        self.silent.clear();
    }

    /// Looks at a record, a line of the log; what it makes rules object to. Anything else is passed over.
    pub fn see(&mut self, line: &[u8]) -> Vec<Alert> {
        let mut alerts = match line::read(line) {
            Some(Line::Decided(decided)) => self.decided(&decided),
            Some(Line::Ended(ended)) => self.ended(&ended),
            Some(Line::Denied(denied)) => self.denied(denied).into_iter().collect(),
            None => Vec::new(),
        };
        alerts.retain(|alert| self.is_news(alert));
        alerts
    }

    fn is_news(&mut self, alert: &Alert) -> bool {
        if self.silent.len() >= MOST {
            self.silent.retain(|_, until| *until > alert.at_ms);
        }
        let until = self.silent.entry((alert.rule, alert.subject.clone())).or_default();
        let news = alert.at_ms >= *until;
        if news {
            *until = alert.at_ms.saturating_add(QUIET_MS);
        }
        news
    }

    fn decided(&mut self, decided: &Decided) -> Vec<Alert> {
        let found = match (&decided.refused, decided.egress) {
            (Some(kind), true) if NOT_ITS_DOING.contains(&kind.as_str()) => Vec::new(),
            (Some(_), true) => {
                let is_metadata = METADATA.iter().any(|host| names(&decided.item, host));
                let rules: &[Rule] = match is_metadata {
                    true => &[Rule::MetadataService, Rule::EgressRefusals],
                    false => &[Rule::EgressRefusals],
                };
                self.counted(rules, &Subject::Server(decided.server.clone()), decided)
            }
            (None, true) => self.went_out(decided),
            (Some(kind), false) => self.refused(kind, decided),
            (None, false) => self.called(decided),
        };
        let alert = |(rule, subject, detail)| Alert {
            rule,
            subject,
            record: decided.id.clone(),
            at_ms: decided.at_ms,
            detail,
        };
        found.into_iter().map(alert).collect()
    }

    fn refused(&mut self, kind: &str, decided: &Decided) -> Vec<Found> {
        let subject = decided.subject();
        let rules: &[Rule] = match (kind, &subject) {
            ("stopped" | "draining", _) => &[],
            ("header-mismatch", _) => &[Rule::HeaderMismatches, Rule::Refusals],
            ("unauthenticated", _) | (_, Subject::Peer(_)) => &[Rule::Unauthenticated],
            _ if SEALS.contains(&decided.control.as_str()) => &[Rule::SealFailures, Rule::Refusals],
            _ => &[Rule::Refusals],
        };
        self.counted(rules, &subject, decided)
    }

    fn counted(&mut self, rules: &[Rule], subject: &Subject, decided: &Decided) -> Vec<Found> {
        let mut found = Vec::new();
        for rule in rules {
            let limit = self.thresholds.of(*rule);
            if let Some(detail) = self.windows.count(*rule, subject, limit, decided.at_ms) {
                found.push((*rule, subject.clone(), detail));
            }
        }
        found
    }

    fn denied(&mut self, denied: Denied) -> Option<Alert> {
        let (rule, subject) = (Rule::DeniedCalls, Subject::Server(denied.server));
        let limit = self.thresholds.of(rule);
        let detail = self.windows.count_many(rule, &subject, limit, denied.at_ms, denied.count)?;
        Some(Alert { rule, subject, record: denied.id, at_ms: denied.at_ms, detail })
    }

    fn went_out(&mut self, decided: &Decided) -> Vec<Found> {
        let server = remembered(&mut self.servers, &decided.server, decided.at_ms);
        let new = server.destinations.is_new(&decided.item, self.thresholds.of(Rule::NewDestination));
        let subject = Subject::Server(decided.server.clone());
        let detail = || format!("first connection to `{}`", decided.item);
        new.then(|| (Rule::NewDestination, subject, detail())).into_iter().collect()
    }

    fn called(&mut self, decided: &Decided) -> Vec<Found> {
        let subject = decided.subject();
        let (thresholds, mut found) = (&self.thresholds, Vec::new());
        if thresholds.quiet_hours.is_some_and(|hours| hours.contains(decided.at_ms)) {
            found.push((
                Rule::QuietHours,
                subject.clone(),
                "a call in the hours in which there should be none".to_owned(),
            ));
        }
        let caller = remembered(&mut self.callers, &subject.to_string(), decided.at_ms);
        if let Some(detail) = caller.pace.call(decided.at_ms, thresholds.of(Rule::CallRate)) {
            found.push((Rule::CallRate, subject.clone(), detail));
        }
        if let Some(detail) = caller.hours.call(decided.at_ms, thresholds.of(Rule::OffHours)) {
            found.push((Rule::OffHours, subject.clone(), detail));
        }
        if let Some(tool) = decided.tool() {
            if caller.tools.is_new(&tool, thresholds.of(Rule::NewTool)) {
                found.push((Rule::NewTool, subject.clone(), format!("first call of `{tool}`")));
            }
            self.opens(decided.id.clone(), Open { subject, server: decided.server.clone(), tool });
        }
        found
    }

    fn opens(&mut self, id: String, open: Open) {
        if self.opened.len() >= MOST_OPEN
            && let Some(oldest) = self.opened.pop_front()
        {
            self.open.remove(&oldest);
        }
        self.opened.push_back(id.clone());
        self.open.insert(id, open);
    }

    fn ended(&mut self, ended: &Ended) -> Vec<Alert> {
        let Some(open) = self.open.remove(&ended.decision) else { return Vec::new() };
        let mut alerts = Vec::new();
        let mut alert = |rule, subject, detail| {
            let record = ended.id.clone();
            alerts.push(Alert { rule, subject, record, at_ms: ended.at_ms, detail });
        };
        let server = Subject::Server(open.server.clone());
        if ended.withheld {
            let limit = self.thresholds.of(Rule::Withheld);
            if let Some(detail) = self.windows.count(Rule::Withheld, &server, limit, ended.at_ms) {
                alert(Rule::Withheld, server, detail);
            }
            return alerts;
        }
        let known = remembered(&mut self.servers, &open.server, ended.at_ms);
        if let Some(detail) =
            known.sizes.result(&open.tool, ended.bytes, self.thresholds.of(Rule::ResultSize))
        {
            alert(Rule::ResultSize, open.subject, detail);
        }
        alerts
    }
}

/// Whether a destination, as `host:port` or a URL, is at this host.
fn names(destination: &str, host: &str) -> bool {
    let authority = destination.split_once("://").map_or(destination, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or(authority);
    authority.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

type Found = (Rule, Subject, String);

/// What is known of `name`; when there are too many, the one that was quiet longest is forgotten.
fn remembered<'m, T: Default + habits::Seen>(
    all: &'m mut HashMap<String, T>,
    name: &str,
    at_ms: u64,
) -> &'m mut T {
    if all.len() >= MOST && !all.contains_key(name) {
        let quiet = all.iter().min_by_key(|(_, known)| known.last_ms()).map(|(name, _)| name.clone());
        quiet.and_then(|quiet| all.remove(&quiet));
    }
    let known = all.entry(name.to_owned()).or_default();
    known.seen(at_ms);
    known
}
