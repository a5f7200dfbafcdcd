//! The log as a test reads it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::POLL;

/// One record: a decision, an outcome or an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(Value);

/// Why the log did not say what a test wanted to know.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The file cannot be read.
    #[error("cannot read the log `{path}`")]
    Read {
        /// The log.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A complete line is no record.
    #[error("line {line} of `{path}` is no record: {text}")]
    Line {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// The deadline passed first.
    #[error("the log did not show {wanted} within {waited:?}; it holds:\n{}", list(records))]
    Deadline {
        /// What was waited for, in words.
        wanted: String,
        /// How long.
        waited: Duration,
        /// What was there by then.
        records: Vec<Record>,
    },
}

impl Record {
    /// `decision`, `outcome` or `event`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("type")
    }

    /// A member that is a string; empty when it is absent or something else.
    #[must_use]
    pub fn text(&self, member: &str) -> &str {
        self.0.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// The whole record.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Whether this decision let `method` pass, on `item` of `server`.
    #[must_use]
    pub fn allows(&self, method: &str, server: &str, item: &str) -> bool {
        self.is_allowed()
            && [("method", method), ("server", server), ("item", item)]
                .iter()
                .all(|(k, v)| self.text(k) == *v)
    }

    /// Whether this is a decision that let something pass.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.kind() == "decision" && self.decision("verdict") == "allow"
    }

    /// The kind of refusal, when this is a decision that refused; empty otherwise.
    #[must_use]
    pub fn refused(&self) -> &str {
        if self.decision("verdict") == "refuse" { self.decision("kind") } else { "" }
    }

    fn decision(&self, member: &str) -> &str {
        self.0
            .get("decision")
            .and_then(|decision| decision.get(member))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The records in `path`, in order. A missing file means nothing was recorded; a last line without its end is
/// still being written, or was when the writer was killed.
///
/// # Errors
/// When the file cannot be read or holds a complete line that is no record.
pub fn read_records(path: &Path) -> Result<Vec<Record>, RecordsError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RecordsError::Read { path: path.to_owned(), source }),
    };
    let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    lines.pop();
    let parsed = lines.iter().enumerate().map(|(index, line)| match serde_json::from_slice::<Value>(line) {
        Ok(value) if value.get("type").is_some() => Ok(Record(value)),
        _ => {
            let text = String::from_utf8_lossy(line).into_owned();
            Err(RecordsError::Line { path: path.to_owned(), line: index + 1, text })
        }
    });
    parsed.collect()
}

/// As [`super::Gateway::wait_for`], for a log whose gateway somebody else started.
///
/// # Errors
/// When `deadline` passes first or the log cannot be read.
pub async fn wait_for_record(
    path: &Path,
    wanted: &str,
    deadline: Duration,
    predicate: impl Fn(&Record) -> bool,
) -> Result<Record, RecordsError> {
    let end = Instant::now() + deadline;
    loop {
        let records = read_records(path)?;
        if let Some(found) = records.iter().find(|record| predicate(record)) {
            return Ok(found.clone());
        }
        if Instant::now() >= end {
            return Err(RecordsError::Deadline { wanted: wanted.to_owned(), waited: deadline, records });
        }
        sleep(POLL).await;
    }
}

fn list(records: &[Record]) -> String {
    records.iter().map(|record| format!("  {}", record.0)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: Result<&[&str], usize>) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        fs::write(&path, text).unwrap();
        match (read_records(&path), wanted) {
            (Ok(records), Ok(kinds)) => {
                assert_eq!(records.iter().map(Record::kind).collect::<Vec<_>>(), kinds, "{text}")
            }
            (Err(RecordsError::Line { line, .. }), Err(wanted)) => assert_eq!(line, wanted, "{text}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn complete_lines_are_records_and_the_rest_is_not_yet() {
        check("", Ok(&[]));
        check("{\"type\":\"event\"}\n", Ok(&["event"]));
        check("{\"type\":\"event\"}\n{\"type\":\"out", Ok(&["event"]));
        check("{\"type\":\"event\"}\n{}\n", Err(2));
        check("nothing\n{\"type\":\"event\"}\n", Err(1));
        assert_eq!(read_records(Path::new("/nonexistent/log")).unwrap(), []);
    }

    #[test]
    fn a_decision_says_what_it_decided() {
        let allow = r#"{"type":"decision","method":"tools/call","server":"git","item":"git_log","decision":{"verdict":"allow"}}"#;
        let refuse = r#"{"type":"decision","decision":{"verdict":"refuse","kind":"denied"}}"#;
        let (allow, refuse) =
            (Record(serde_json::from_str(allow).unwrap()), Record(serde_json::from_str(refuse).unwrap()));
        assert!(
            allow.allows("tools/call", "git", "git_log") && !allow.allows("tools/call", "git", "git_show")
        );
        assert_eq!((allow.refused(), refuse.refused(), refuse.is_allowed()), ("", "denied", false));
    }
}
