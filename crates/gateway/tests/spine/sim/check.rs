//! What must be true of every run, whatever happened in it.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::world::{Facts, answers_in, number};
use crate::{
    fake::{Entry, What},
    house::House,
};

/// Requests that the gateway makes by itself.
const OWN: [&str; 7] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "subscriptions/listen",
    "resources/subscribe",
    "resources/unsubscribe",
];

/// Everything that is wrong with a run.
pub(crate) fn faults(house: &House, facts: &Facts) -> Vec<String> {
    let records = house.sink.records();
    let mut faults = facts.faults.clone();
    let decisions = Decisions::read(&records);
    for entry in house.journal.entries() {
        if let Err(fault) = effect(&entry, facts, &decisions) {
            faults.push(format!("{fault}: {:?} at `{}`: {}", entry.what, entry.server, entry.message));
        }
    }
    for (question, answer) in house.journal.answers() {
        let (asked, answered) = (number(&question, "n"), answer["result"]["_meta"]["n"].as_u64());
        if answered.is_some() && answered != asked {
            faults.push(format!("an answer went to another question: {question} {answer}"));
        }
    }
    let lost = house.recorder.metrics().outcomes_lost.get();
    faults.extend(outcomes(&records, lost));
    faults
}

/// Decisions to allow, by the digest of the message they allow.
struct Decisions<'r>(HashMap<&'r str, Vec<(usize, &'r Value)>>);

impl<'r> Decisions<'r> {
    fn read(records: &'r [Value]) -> Self {
        let mut by_digest: HashMap<_, Vec<_>> = HashMap::new();
        for (at, record) in records.iter().enumerate().filter(|(_, record)| allows(record)) {
            by_digest.entry(record["request"].as_str().unwrap_or_default()).or_default().push((at, record));
        }
        Self(by_digest)
    }

    /// Whether one of these messages had been allowed when there were that many records.
    fn before(&self, records: usize, digests: &[String], fits: impl Fn(&Value) -> bool) -> bool {
        let made = digests.iter().filter_map(|digest| self.0.get(digest.as_str())).flatten();
        made.filter(|(at, _)| *at < records).any(|(_, decision)| fits(decision))
    }
}

fn allows(record: &Value) -> bool {
    record["type"] == "decision" && record["decision"]["verdict"] == "allow"
}

/// Whether what a server was sent had been allowed before.
fn effect(entry: &Entry, facts: &Facts, decisions: &Decisions<'_>) -> Result<(), &'static str> {
    let message = &entry.message;
    let none = Vec::new();
    match entry.what {
        What::Connected | What::Cancelled => return Ok(()),
        What::Request => match number(message, "n") {
            None if OWN.contains(&message["method"].as_str().unwrap_or_default()) => {}
            None => return Err("a request that no client made"),
            Some(n) => {
                let digests = facts.calls.get(&n).unwrap_or(&none);
                let fits = |decision: &Value| {
                    decision["server"] == *entry.server && decision["method"] == message["method"]
                };
                if !decisions.before(entry.records, digests, fits) {
                    return Err("an effect without an earlier decision");
                }
                if message["params"]["name"] == "denied" {
                    return Err("a tool that no policy permits");
                }
            }
        },
        What::Notification if answers_in(message).is_empty() => {
            return Err("a notification that no client sent");
        }
        What::Notification | What::Reply => {}
    }
    for a in answers_in(message) {
        let digests: Vec<_> = facts.answers.get(&a).into_iter().cloned().collect();
        if !decisions.before(entry.records, &digests, |_| true) {
            return Err("an answer without an earlier decision");
        }
    }
    Ok(())
}

/// Every call that was allowed ended once; `lost` ends could not be recorded.
fn outcomes(records: &[Value], lost: u64) -> Vec<String> {
    let mut open: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut ended = HashSet::new();
    let mut faults = Vec::new();
    for record in records {
        let id = |key: &str| record[key].as_str().unwrap_or_default();
        if allows(record) {
            open.insert(id("id"), record);
        } else if record["type"] == "outcome" && open.remove(id("decision")).is_none() {
            let again = if ended.contains(id("decision")) { "a second end" } else { "an end of nothing" };
            faults.push(format!("{again}: {record}"));
        }
        if record["type"] == "outcome" {
            ended.insert(id("decision"));
        }
    }
    if open.len() as u64 > lost {
        let left: Vec<_> = open.values().map(|decision| decision["method"].to_string()).collect();
        faults.push(format!(
            "{} calls never ended and {lost} ends were lost: {}",
            open.len(),
            left.join(", ")
        ));
    }
    faults
}

/// The log without what differs between runs by nature: random names, real durations, and the order of what
/// happened at the same moment.
pub(crate) fn comparable(house: &House) -> Vec<String> {
    let records = house.sink.records();
    let mut names: HashMap<String, String> = HashMap::new();
    let mut lines = Vec::new();
    for mut record in records {
        let members = record.as_object_mut().unwrap();
        let id = members.remove("id").and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
        for random in ["seq", "duration_us", "request", "detail"] {
            members.remove(random);
        }
        if let Some(context) = members.get_mut("context").and_then(serde_json::Value::as_object_mut) {
            context.remove("session");
        }
        if let Some(decision) = members.get("decision").and_then(|d| d.as_str()).map(str::to_owned) {
            members.insert("decision".to_owned(), names[&decision].clone().into());
        }
        // Which calls labelled a conversation is told by their ids.
        if let Some(detail) = record.pointer_mut("/decision/detail") {
            let told = detail.as_str().unwrap_or_default();
            *detail = told.split("; in the conversation").next().unwrap_or_default().into();
        }
        let line = record.to_string();
        names.insert(id, line.clone());
        lines.push((record["time"].as_str().unwrap_or_default().to_owned(), line));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}
