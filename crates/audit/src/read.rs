//! Reads a log back.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

use portcullis_core::Principal;
use serde::Deserialize as _;
use serde_json::Value;

use crate::{bound::MAX_LINE, line::FORMAT_VERSION};

/// One record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedRecord {
    /// The line it was on, counted from 1.
    pub line: u64,
    members: serde_json::Map<String, Value>,
}

impl LoggedRecord {
    /// Reads a line, without its newline; none when it is no record.
    pub fn parse(line: &[u8]) -> Option<Self> {
        parse(0, line).ok()
    }

    /// A member of the record by name.
    pub fn get(&self, member: &str) -> Option<&Value> {
        self.members.get(member)
    }

    /// The record's identifier; those that begin with `log-` are the log's own marker records.
    pub fn id(&self) -> Option<&str> {
        self.text("id")
    }

    /// The record's number in its run.
    pub fn sequence(&self) -> Option<u64> {
        self.get("seq").and_then(Value::as_u64)
    }

    /// `decision`, `outcome` or `event`.
    pub fn kind(&self) -> &str {
        self.text("type").unwrap_or_default()
    }

    /// Whether this is a decision to allow.
    pub fn allows(&self) -> bool {
        let verdict = |decision: &Value| decision.get("verdict").and_then(Value::as_str) == Some("allow");
        self.kind() == "decision" && self.get("decision").is_some_and(verdict)
    }

    /// The decision an outcome belongs to.
    pub fn concerns(&self) -> Option<&str> {
        if self.kind() == "outcome" { self.text("decision") } else { None }
    }

    /// On whose authority, when this is a decision about somebody.
    pub fn principal(&self) -> Option<Principal> {
        Principal::deserialize(self.get("caller")?.get("principal")?).ok()
    }

    /// What happened, when this is an event.
    pub fn event(&self) -> Option<&str> {
        self.text("event")
    }

    /// All of it.
    pub fn to_json(&self) -> Value {
        Value::Object(self.members.clone())
    }

    fn text(&self, member: &str) -> Option<&str> {
        self.get(member).and_then(Value::as_str)
    }
}

/// A line that is not a record.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ReadFault {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: ReadProblem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// The file ends inside it.
    #[error("file ends inside a record")]
    Torn,
    /// It is longer than any record.
    #[error("longer than the {MAX_LINE} bytes a record may have")]
    TooLong,
    /// It is not an object in JSON.
    #[error("not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of a version this reader does not know.
    #[error("record version is not {FORMAT_VERSION}")]
    Version,
    /// The file could not be read; nothing follows.
    #[error("file could not be read: {0}")]
    Io(#[from] io::Error),
}

/// The records of one segment in order. A fault concerns one line and reading goes on after it.
#[derive(Debug)]
pub struct Records {
    reader: BufReader<File>,
    line: u64,
    ended: bool,
}

/// Reads the segment at `path`.
///
/// # Errors
/// When the file cannot be opened.
pub fn read_records(path: &Path) -> io::Result<Records> {
    Ok(Records { reader: BufReader::new(File::open(path)?), line: 0, ended: false })
}

impl Iterator for Records {
    type Item = Result<LoggedRecord, ReadFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.line += 1;
        let line = self.line;
        match self.next_line() {
            Ok(None) => {
                self.ended = true;
                None
            }
            Ok(Some(bytes)) => Some(parse(line, &bytes).map_err(|problem| ReadFault { line, problem })),
            Err(problem) => {
                self.ended |= matches!(problem, ReadProblem::Io(_));
                Some(Err(ReadFault { line, problem }))
            }
        }
    }
}

impl Records {
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReadProblem> {
        let mut bytes = Vec::new();
        let limit = MAX_LINE as u64 + 1;
        self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes)?;
        match bytes.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(bytes)),
            Some(_) if bytes.len() < MAX_LINE => Err(ReadProblem::Torn),
            Some(_) => {
                self.reader.skip_until(b'\n')?;
                Err(ReadProblem::TooLong)
            }
        }
    }
}

pub(crate) fn parse(line: u64, bytes: &[u8]) -> Result<LoggedRecord, ReadProblem> {
    let members: serde_json::Map<String, Value> = serde_json::from_slice(bytes)?;
    if members.get("v").and_then(Value::as_u64) != Some(FORMAT_VERSION) {
        return Err(ReadProblem::Version);
    }
    Ok(LoggedRecord { line, members })
}

/// The decisions to allow that no outcome followed: whether the call took effect is not known. What a
/// gateway killed between dispatch and answer leaves behind.
pub fn unfinished<'a>(records: impl IntoIterator<Item = &'a LoggedRecord>) -> Vec<&'a LoggedRecord> {
    let mut open: HashMap<&str, &LoggedRecord> = HashMap::new();
    for record in records {
        if let Some(id) = record.id().filter(|_| record.allows()) {
            open.insert(id, record);
        } else if let Some(decision) = record.concerns() {
            open.remove(decision);
        }
    }
    let mut left: Vec<_> = open.into_values().collect();
    left.sort_by_key(|record| (record.sequence(), record.line));
    left
}
