//! One pass over the records that keeps what a decision depends on.

use std::collections::BTreeMap;

use memchr::memmem;
use serde_json::Value;

use super::{
    Link,
    Observation::{self, Absent, NotEstablished, Pending, Present},
    Part, Trace,
};
use crate::{EventKind, LoggedRecord, read};

/// Events of the same run before the decision, newest of each kind and subject, and what follows it.
pub(super) struct Around {
    decision: String,
    run: String,
    node: String,
    mentions: memmem::Finder<'static>,
    event: memmem::Finder<'static>,
    before: BTreeMap<(String, Option<String>), LoggedRecord>,
    /// Configurations put in force, oldest first.
    configurations: Vec<LoggedRecord>,
    decided: Option<LoggedRecord>,
    outcome: Option<LoggedRecord>,
    /// Shows that the run is over.
    ended: Option<LoggedRecord>,
}

impl Around {
    pub(super) fn of(decision: &str) -> Self {
        let run = run_of(decision).to_owned();
        let node = run.rsplitn(3, '-').nth(2).unwrap_or(&run).to_owned();
        Self {
            decision: decision.to_owned(),
            run,
            node,
            mentions: memmem::Finder::new(&Value::from(decision).to_string()).into_owned(),
            event: memmem::Finder::new(r#""type":"event""#).into_owned(),
            before: BTreeMap::new(),
            configurations: Vec::new(),
            decided: None,
            outcome: None,
            ended: None,
        }
    }

    pub(super) fn see(&mut self, line: &[u8]) {
        let mentioned = self.mentions.find(line).is_some();
        if !mentioned && self.event.find(line).is_none() {
            return;
        }
        let Ok(record) = read::parse(0, line) else { return };
        let Some(id) = record.id() else { return };
        if id == self.decision {
            // The start of a run is its own.
            if record.kind() == "event" {
                self.note(record.clone());
            }
            self.decided = Some(record);
        } else if record.concerns() == Some(&self.decision) {
            self.outcome.get_or_insert(record);
        } else if record.kind() == "event" {
            let own = run_of(id) == self.run;
            let starts = record.event() == Some(EventKind::Started.as_str());
            if self.decided.is_none() && own {
                self.note(record);
            } else if self.decided.is_some() && self.ended.is_none() && self.ends(&record, own, starts) {
                self.ended = Some(record);
            }
        }
    }

    fn note(&mut self, event: LoggedRecord) {
        let kind = event.event().unwrap_or_default().to_owned();
        if [EventKind::Started.as_str(), EventKind::ConfigChanged.as_str()].contains(&&*kind) {
            self.configurations.push(event.clone());
        }
        let subject = text(&event, "subject").map(str::to_owned);
        self.before.insert((kind, subject), event);
    }

    fn ends(&self, event: &LoggedRecord, own: bool, starts: bool) -> bool {
        let same_node = event.id().is_some_and(|id| run_of(id).rsplitn(3, '-').nth(2) == Some(&self.node));
        (own && event.event() == Some(EventKind::Stopped.as_str())) || (!own && starts && same_node)
    }

    pub(super) fn conclude(self, id: &str) -> Trace {
        let mut chain = vec![self.last(Part::Run, EventKind::Started, None, "the start of the gateway")];
        let is_call = self.decided.as_ref().is_some_and(|record| record.kind() == "decision");
        let decision = self.decided.as_ref().filter(|_| is_call);
        if let Some(decided) = decision {
            chain.push(self.configuration(decided));
            chain.extend(self.server(decided));
            chain.extend(asked(decided));
            chain.push(decision_link(decided));
            chain.push(self.outcome(decided));
        }
        let decision = decision.map(|_| self.decision.clone());
        let records = self.records(&chain);
        Trace { id: id.to_owned(), decision, chain, records }
    }

    fn last(&self, part: Part, kind: EventKind, subject: Option<&str>, what: &str) -> Link {
        let key = (kind.as_str().to_owned(), subject.map(str::to_owned));
        match self.before.get(&key) {
            Some(event) => shown(part, event, text(event, "detail").unwrap_or_default()),
            None => link(part, NotEstablished, format!("no record of {what} precedes this one in its run")),
        }
    }

    fn configuration(&self, decided: &LoggedRecord) -> Link {
        let Some(digest) = text(decided, "config") else {
            return link(Part::Configuration, Absent, "the decision was made without a configuration");
        };
        let names = |event: &&LoggedRecord| text(event, "detail").is_some_and(|it| it.contains(digest));
        match self.configurations.iter().rev().find(names) {
            Some(event) => shown(Part::Configuration, event, digest),
            None => link(
                Part::Configuration,
                NotEstablished,
                format!("no record before this one in its run puts configuration {digest} in force"),
            ),
        }
    }

    fn server(&self, decided: &LoggedRecord) -> Vec<Link> {
        const PARTS: [(Part, EventKind, &str); 3] = [
            (Part::Launch, EventKind::ChildStarted, "the start of a process"),
            (Part::Connection, EventKind::Connected, "a link"),
            (Part::Catalogue, EventKind::CatalogueChanged, "a list"),
        ];
        let server = text(decided, "server");
        let links = PARTS.into_iter().map(|(part, kind, what)| match server {
            Some(server) => self.last(part, kind, Some(server), &format!("{what} of server `{server}`")),
            None => link(part, Absent, "the decision concerns no server"),
        });
        links.collect()
    }

    fn outcome(&self, decided: &LoggedRecord) -> Link {
        if let Some(outcome) = &self.outcome {
            let by = outcome.id().unwrap_or_default();
            if run_of(by) != self.run {
                let detail =
                    format!("`{by}` marks it as left behind: whether the call took effect is not known");
                let link = link(Part::Outcome, NotEstablished, detail);
                return Link { record: Some(by.to_owned()), ..link };
            }
            return shown(Part::Outcome, outcome, text(outcome, "outcome").unwrap_or_default());
        }
        if !decided.allows() {
            return link(Part::Outcome, Absent, "a refused call has no outcome");
        }
        match &self.ended {
            Some(end) => {
                let by = end.id().unwrap_or_default();
                let detail = format!("the run was over by `{by}`: whether the call took effect is not known");
                link(Part::Outcome, NotEstablished, detail)
            }
            None => {
                link(Part::Outcome, Pending, "no outcome yet, and nothing shows that the gateway stopped")
            }
        }
    }

    /// What the chain names and what was asked for, in order.
    fn records(&self, chain: &[Link]) -> Vec<Value> {
        let named = |record: &&LoggedRecord| {
            let named =
                |id| id == self.decision || chain.iter().any(|link| link.record.as_deref() == Some(id));
            record.id().is_some_and(named)
        };
        let all = self.before.values().chain(&self.configurations).chain(&self.decided).chain(&self.outcome);
        let mut named: Vec<_> = all.filter(named).collect();
        named.sort_by_key(|record| record.sequence());
        named.dedup_by_key(|record| record.id());
        named.into_iter().map(LoggedRecord::to_json).collect()
    }
}

/// What the decision says about whoever asked.
fn asked(decided: &LoggedRecord) -> [Link; 3] {
    const PARTS: [(Part, &[&str], &str); 3] = [
        (Part::Caller, &["caller", "principal", "id"], "nobody could be established"),
        (Part::Actor, &["caller", "actor", "id"], "no agent acted for the caller"),
        (Part::TraceContext, &["trace_id"], "the request was part of no trace"),
    ];
    PARTS.map(|(part, path, without)| match member(decided, path) {
        Some(Value::String(found)) => shown(part, decided, found),
        Some(_) => Link { record: decided.id().map(str::to_owned), ..link(part, Absent, without) },
        None => link(part, NotEstablished, format!("the decision does not say `{}`", path.join("."))),
    })
}

/// The member at `path`, or the null on the way to it.
fn member<'r>(record: &'r LoggedRecord, path: &[&str]) -> Option<&'r Value> {
    let (first, rest) = path.split_first()?;
    let start = record.get(first)?;
    rest.iter().try_fold(start, |value, name| if value.is_null() { Some(value) } else { value.get(name) })
}

fn decision_link(decided: &LoggedRecord) -> Link {
    let said = |name: &str| member(decided, &["decision", name]).and_then(Value::as_str);
    let parts = [said("verdict"), said("kind"), said("control"), said("detail")];
    shown(Part::Decision, decided, &parts.into_iter().flatten().collect::<Vec<_>>().join(": "))
}

fn shown(part: Part, record: &LoggedRecord, detail: &str) -> Link {
    Link { record: record.id().map(str::to_owned), ..link(part, Present, detail) }
}

fn link(part: Part, state: Observation, detail: impl Into<String>) -> Link {
    Link { part, state, record: None, detail: detail.into() }
}

fn text<'r>(record: &'r LoggedRecord, name: &str) -> Option<&'r str> {
    record.get(name).and_then(Value::as_str)
}

/// The run a record id belongs to: all but its sequence.
fn run_of(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(run, _)| run)
}
