//! What is wrong with a policy, and where.

use std::sync::Arc;

/// One mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {problem}; {remedy}")]
pub struct PolicyFault {
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The policy's identifier, when the file could be read that far.
    pub policy: Option<Arc<str>>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// A point in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The point `offset` bytes into `text`.
    pub(crate) fn at(file: &Arc<str>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let columns = before.get(line_start..).unwrap_or_default().chars().count();
        let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        Self { file: Arc::clone(file), line: count(before.matches('\n').count()), column: count(columns) }
    }

    /// The first character of a file.
    pub(crate) fn start_of(file: &str) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }

    /// A fault here.
    pub(crate) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyFault {
        PolicyFault {
            file: Arc::clone(&self.file),
            line: self.line,
            column: self.column,
            policy: None,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}
