//! Why a sandbox was not started.

use std::io;

use crate::report::Report;

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A boundary cannot be put up on this machine.
    #[error("the boundary `{boundary}` cannot be put up: {reason}")]
    Unmet {
        /// Which one.
        boundary: String,
        /// Why not.
        reason: String,
    },
    /// The program cannot be executed inside.
    #[error("the program cannot be executed in the sandbox: {0}")]
    Program(io::Error),
}

impl StartError {
    pub(crate) fn unmet(boundary: &str, reason: String) -> Self {
        Self::Unmet { boundary: boundary.to_owned(), reason }
    }

    /// For the way out of the sandbox.
    pub(crate) fn to_report(&self) -> Report {
        match self {
            Self::Unmet { boundary, reason } => {
                Report::Unmet { boundary: boundary.clone(), reason: reason.clone() }
            }
            Self::Program(error) => Report::Failed(error.to_string()),
        }
    }

    pub(crate) fn from_report(report: Report) -> Self {
        match report {
            Report::Unmet { boundary, reason } => Self::Unmet { boundary, reason },
            Report::Failed(reason) => Self::Program(io::Error::other(reason)),
            other => Self::unmet("namespaces", format!("unexpected report {other:?}")),
        }
    }
}
