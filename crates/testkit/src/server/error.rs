//! Why a server is not there.

use std::{io, path::PathBuf, time::Duration};

/// Why a real server did not start or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A program of this workspace was not built.
    #[error("no program `{name}` beside `{beside}`: run {remedy}")]
    NoProgram {
        /// The program.
        name: &'static str,
        /// The test's own program.
        beside: PathBuf,
        /// What builds it.
        remedy: &'static str,
    },
    /// A file the program needs could not be written.
    #[error("cannot write `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The server did not say in time what it was waited for.
    #[error("`{program}` did not say {wanted} within {waited:?}; it said:\n{said}")]
    Silent {
        /// The program.
        program: PathBuf,
        /// What was waited for, in words.
        wanted: String,
        /// How long.
        waited: Duration,
        /// The end of its standard error.
        said: String,
    },
    /// The server ended.
    #[error("`{program}` ended before it said {wanted}; it said:\n{said}")]
    Ended {
        /// The program.
        program: PathBuf,
        /// What was waited for, in words.
        wanted: String,
        /// The end of its standard error.
        said: String,
    },
    /// The server said something that is no JSON.
    #[error("`{program}` wrote the line `{line}`, which is no JSON")]
    NotJson {
        /// The program.
        program: PathBuf,
        /// The line.
        line: String,
    },
    /// The server no longer reads.
    #[error("cannot write to `{program}`")]
    Write {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
