//! Why training stopped.

use std::{fmt::Display, path::Path};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("{file}: {what}")]
    File { file: String, what: String },
}

impl Failure {
    pub(crate) fn file(path: &Path, what: impl Display) -> Self {
        Self::File { file: path.display().to_string(), what: what.to_string() }
    }
}
