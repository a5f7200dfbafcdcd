//! Why a command did not succeed.

use std::{fmt::Display, process::ExitCode};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command ran, and what it looked at is not as it should be.
    #[error("{0}")]
    Findings(String),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The command could not run to its end.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    pub(crate) fn broken(what: impl Display, why: impl Display) -> Failure {
        Failure::Broken(format!("{what}: {why}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Findings(_) => 1.into(),
            Failure::Usage(_) => 2.into(),
            Failure::Broken(_) => 3.into(),
        }
    }
}
