//! What is wrong with a configuration, where, and what to do about it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::tree::Position;

/// Whether a problem stops the configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but something is weaker than it should be.
    Warning,
}

impl Severity {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One mistake: its place, the setting, what is wrong and what to do. Never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Does it stop the configuration from being used?
    pub severity: Severity,
    /// The file it is in.
    pub file: PathBuf,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// The setting, for example `limits.body_bytes`; empty when it is the file as a whole.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}:{}:{}: ", self.severity.as_str(), self.file.display(), self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}\n  remedy: {}", self.what, self.remedy)
    }
}

/// Everything that is wrong, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds all of another report.
    pub fn extend(&mut self, other: Report) {
        self.problems.extend(other.problems);
    }

    /// The problems, by file and place; errors before warnings in the same place.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether any of them stops the configuration from being used.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.problems.sort_by(|a, b| {
            let place = |p: &Problem| (p.file.clone(), p.line, p.column, p.severity, p.field.clone());
            place(a).cmp(&place(b))
        });
        // A parser that recovers can meet the same mistake twice.
        self.problems.dedup();
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Report {}

/// A mistake as the reader of one value sees it, before the file and the setting are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: Position,
    /// The place inside the setting, for example `[2]` or `.HOME`; usually empty.
    pub(crate) inside: String,
    pub(crate) what: String,
    pub(crate) remedy: String,
    pub(crate) severity: Severity,
}

impl Fault {
    pub(crate) fn new(at: Position, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            at,
            inside: String::new(),
            what: what.into(),
            remedy: remedy.into(),
            severity: Severity::Error,
        }
    }

    /// Says that the configuration can be used nevertheless.
    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Puts the fault one level further inside.
    pub(crate) fn within(mut self, step: &str) -> Self {
        self.inside.insert_str(0, step);
        self
    }

    /// The problem this is in `file`, at the setting `field`.
    pub(crate) fn in_file(self, file: &Path, field: &str) -> Problem {
        Problem {
            severity: self.severity,
            file: file.to_owned(),
            line: self.at.line,
            column: self.at.column,
            field: format!("{field}{}", self.inside),
            what: self.what,
            remedy: self.remedy,
        }
    }
}
