//! Why a scenario could not be run to its end.

use std::io;

use portcullis_testkit::{gateway::RecordsError, journal::JournalError, server::SpawnError};

/// What kept a scenario from finding out. A scenario in trouble has failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The gateway or a server did not start.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The log did not say what it had to.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The journal of a server did not say what it had to.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A socket or file failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The cause.
        source: io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Trouble {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing: doing.into(), source }
    }

    pub(crate) fn other(what: impl ToString) -> Self {
        Self::Other(what.to_string())
    }
}
