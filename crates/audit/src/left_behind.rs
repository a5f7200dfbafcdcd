//! Calls of an earlier run that have no outcome on record: their gateway was killed before it wrote one.

use std::{borrow::Cow, collections::HashSet, io, path::Path};

use portcullis_core::RecordId;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{query::Tail, time};

/// A decision to allow that no outcome followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// The decision.
    pub decision: RecordId,
    /// When it was made, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

#[derive(Deserialize)]
struct Head<'l> {
    id: Option<Cow<'l, str>>,
    time: Cow<'l, str>,
    r#type: Cow<'l, str>,
    /// Of a decision what was decided, of an outcome the record of that.
    #[serde(borrow, default)]
    decision: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Verdict<'l> {
    verdict: Cow<'l, str>,
}

/// What is in the part of one log that was looked at.
#[derive(Default)]
struct Looked {
    allowed: Vec<LeftBehind>,
    ended: HashSet<String>,
    /// Of what was before, nothing is known.
    since_ms: u64,
}

/// Looks through the last `bytes` of each log of a gateway, named by its active file, oldest first: of the one it writes
/// to and of a spare one. An outcome in either ends a decision in either. Whoever asks has to hold the logs and must not
/// have served anything yet: calls under way look the same.
///
/// # Errors
/// When a log cannot be read.
pub fn left_behind(logs: &[&Path], bytes: u64) -> io::Result<Vec<LeftBehind>> {
    let looked: Vec<_> = logs.iter().map(|log| look(log, bytes)).collect::<Result<_, _>>()?;
    let has_ended = |id: &str| looked.iter().any(|log| log.ended.contains(id));
    let mut left: Vec<LeftBehind> = Vec::new();
    // A record that the first log was not sure to have is in both.
    let mut seen = HashSet::new();
    for (at, log) in looked.iter().enumerate() {
        // The outcome may be in the part of another log that was not looked at.
        let others = looked.iter().enumerate().filter(|(other, _)| *other != at);
        let since_ms = others.map(|(_, other)| other.since_ms).max().unwrap_or(0);
        let known = log.allowed.iter().filter(|left| left.at_ms >= since_ms);
        left.extend(
            known
                .filter(|left| {
                    let id = left.decision.to_string();
                    !has_ended(&id) && seen.insert(id)
                })
                .cloned(),
        );
    }
    Ok(left)
}

fn look(active: &Path, bytes: u64) -> io::Result<Looked> {
    let mut looked = Looked::default();
    let mut tail = Tail::near_end(active, bytes)?;
    let mut first = tail.is_cut();
    let read = tail.read(&mut |line| {
        if std::mem::take(&mut first) {
            looked.since_ms = time_of(line).unwrap_or(0);
        }
        match read(line) {
            Some(Line::Allowed(left)) => looked.allowed.push(left),
            Some(Line::Ended(decision)) => drop(looked.ended.insert(decision)),
            None => {}
        }
    });
    match read {
        // There is no log yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Looked::default()),
        read => read.map(|_| looked),
    }
}

fn time_of(line: &[u8]) -> Option<u64> {
    let head: Head<'_> = serde_json::from_slice(line).ok()?;
    time::read_rfc3339(&head.time)
}

enum Line {
    Allowed(LeftBehind),
    Ended(String),
}

fn read(line: &[u8]) -> Option<Line> {
    let head: Head<'_> = serde_json::from_slice(line).ok()?;
    let decision = head.decision?.get();
    match &*head.r#type {
        "outcome" => serde_json::from_str(decision).ok().map(Line::Ended),
        "decision" => {
            let verdict: Verdict<'_> = serde_json::from_str(decision).ok()?;
            let left =
                LeftBehind { decision: RecordId::parse(&head.id?)?, at_ms: time::read_rfc3339(&head.time)? };
            (verdict.verdict == "allow").then_some(Line::Allowed(left))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::fs;

    use super::*;

    fn decision(id: &str, verdict: &str) -> String {
        format!(
            r#"{{"v":1,"id":"{id}","time":"2026-11-22T10:15:00.042Z","seq":1,"type":"decision","decision":{{"verdict":"{verdict}"}}}}"#
        )
    }

    fn outcome(of: &str) -> String {
        format!(
            r#"{{"v":1,"id":"n-1-0000-f","time":"2026-11-22T10:15:00.042Z","seq":2,"type":"outcome","decision":"{of}"}}"#
        )
    }

    /// The lines of finished segments and of the active one, how many bytes are looked at, and what is left.
    fn check(segments: &[&[String]], bytes: u64, left: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let active = place.path().join("audit.jsonl");
        for (number, lines) in segments.iter().enumerate() {
            let finished = place.path().join(format!("audit.{:06}.20261122T101500Z.jsonl", number + 1));
            let path = if number + 1 == segments.len() { &active } else { &finished };
            fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        }
        let found = left_behind(&[&active], bytes).unwrap();
        let ids: Vec<_> = found.iter().map(|it| it.decision.to_string()).collect();
        assert_eq!(ids, left);
        assert!(found.iter().all(|it| it.at_ms == 1_795_342_500_042));
    }

    #[test]
    fn allowed_calls_without_an_outcome_are_found_across_segments() {
        let (a, b, no) = (
            decision("n-1-0000-2", "allow"),
            decision("n-1-0000-a", "allow"),
            decision("n-1-0000-3", "refuse"),
        );
        check(&[&[]], 1 << 20, &[]);
        check(&[&[a.clone(), no.clone(), b.clone()]], 1 << 20, &["n-1-0000-2", "n-1-0000-a"]);
        check(&[&[a.clone(), outcome("n-1-0000-2"), b.clone()]], 1 << 20, &["n-1-0000-a"]);
        check(&[&[a.clone(), b.clone()], &[outcome("n-1-0000-a")]], 1 << 20, &["n-1-0000-2"]);
        // Of what is further back nothing is known.
        check(&[std::slice::from_ref(&a), &[no, b.clone()]], b.len() as u64 + 1, &["n-1-0000-a"]);
        check(&[&["nothing".to_owned(), a, outcome("n-1-0000-2"), b]], 1 << 20, &["n-1-0000-a"]);
        assert_eq!(left_behind(&[Path::new("/nonexistent/audit.jsonl")], 1).unwrap(), []);
    }

    #[test]
    fn an_outcome_in_one_log_ends_a_decision_in_another() {
        let later = |line: String| line.replace("10:15", "10:16");
        let (a, b) = (decision("n-1-0000-2", "allow"), decision("n-1-0000-3", "allow"));
        let (one, both) = (later(decision("n-1-0000-4", "allow")), u64::MAX);
        let whole = [&a, &b, &later(outcome("n-1-0000-4"))].map(String::as_str).join("\n");
        let ends = [&later(outcome("n-1-0000-2")), &one].map(|line| format!("{line}\n")).concat();
        let cut = (ends.len() + 1) as u64;
        // The log and the spare one, how many bytes are looked at, and what is left.
        for (log, spare, bytes, left) in [
            (whole.clone(), ends.clone(), both, vec!["n-1-0000-3"]),
            (ends.clone(), whole.clone(), both, vec!["n-1-0000-3"]),
            (a.clone(), a.clone(), both, vec!["n-1-0000-2"]),
            (b.clone(), String::new(), both, vec!["n-1-0000-3"]),
            // What ended it may be further back in the spare one.
            (b.clone(), format!("{a}\n{a}\n{ends}"), cut, vec!["n-1-0000-4"]),
        ] {
            let place = tempfile::tempdir().unwrap();
            let files = [("audit.jsonl", log), ("spare.jsonl", spare)].map(|(name, lines)| {
                let path = place.path().join(name);
                fs::write(&path, format!("{lines}\n")).unwrap();
                path
            });
            let found = left_behind(&files.each_ref().map(|path| &**path), bytes).unwrap();
            assert_eq!(found.iter().map(|it| it.decision.to_string()).collect::<Vec<_>>(), left);
        }
    }
}
