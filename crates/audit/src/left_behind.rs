//! Calls of an earlier run that have no outcome on record: their gateway was killed before it wrote one.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    io,
    path::Path,
};

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

/// Looks through the last `bytes` of the log whose active file is `active`, oldest first. Whoever asks has to hold
/// the log and must not have served anything yet: calls under way look the same.
///
/// # Errors
/// When the log cannot be read.
pub fn left_behind(active: &Path, bytes: u64) -> io::Result<Vec<LeftBehind>> {
    let mut open: HashMap<String, (usize, LeftBehind)> = HashMap::new();
    // An outcome is never written before its decision, but the bytes looked at may begin between them.
    let mut ended: HashSet<String> = HashSet::new();
    let mut number = 0;
    let looked = Tail::near_end(active, bytes).and_then(|mut tail| {
        tail.read(&mut |line| {
            number += 1;
            match read(line) {
                Some(Line::Allowed(left)) => {
                    open.insert(left.decision.to_string(), (number, left));
                }
                Some(Line::Ended(decision)) => {
                    ended.insert(decision);
                }
                None => {}
            }
        })
    });
    match looked {
        // There is no log yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        looked => looked?,
    };
    let mut left: Vec<_> = open.into_iter().filter(|(id, _)| !ended.contains(id)).map(|(_, it)| it).collect();
    left.sort_by_key(|(number, _)| *number);
    Ok(left.into_iter().map(|(_, left)| left).collect())
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
        let found = left_behind(&active, bytes).unwrap();
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
        assert_eq!(left_behind(Path::new("/nonexistent/audit.jsonl"), 1).unwrap(), []);
    }
}
