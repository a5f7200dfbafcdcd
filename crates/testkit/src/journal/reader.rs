//! The side that reads.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::Received;

/// How often a waiting reader looks at the file again.
const POLL: Duration = Duration::from_millis(5);

/// Reads a journal that an upstream is writing.
///
/// To show that something did *not* arrive, send the upstream a harmless marker on a path that is known to
/// work, wait for the marker, then look at [`Journal::received`]: what was sent earlier has arrived by then.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
}

/// Why a journal did not show what a test waited for.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The deadline passed first.
    #[error("`{path}` did not show {wanted} within {waited:?}; it holds {} messages:\n{}", received.len(), list(received))]
    Deadline {
        /// The journal file.
        path: PathBuf,
        /// What was waited for, in words.
        wanted: String,
        /// How long.
        waited: Duration,
        /// What had arrived by then.
        received: Vec<Received>,
    },
    /// The file exists and cannot be read.
    #[error("cannot read journal `{path}`")]
    Read {
        /// The journal file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A complete line is not a journal line: the file belongs to something else.
    #[error("line {line} of `{path}` is no journal line")]
    Line {
        /// The journal file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The cause.
        source: serde_json::Error,
    },
}

impl Journal {
    /// The journal at `path`, which need not exist yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the upstream has to write.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything received so far, in order. A missing file means nothing was received.
    ///
    /// # Errors
    /// When the file cannot be read or holds a line that is no journal line.
    pub fn received(&self) -> Result<Vec<Received>, JournalError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(JournalError::Read { path: self.path.clone(), source }),
        };
        // The last line may still be on its way.
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        complete.lines().enumerate().map(|(index, line)| self.parse(index, line)).collect()
    }

    fn parse(&self, index: usize, line: &str) -> Result<Received, JournalError> {
        serde_json::from_str(line).map_err(|source| JournalError::Line {
            path: self.path.clone(),
            line: index + 1,
            source,
        })
    }

    /// Waits until at least `count` messages have arrived and returns all of them.
    ///
    /// # Errors
    /// When `deadline` passes first or the file cannot be read.
    pub async fn wait_for_count(
        &self,
        count: usize,
        deadline: Duration,
    ) -> Result<Vec<Received>, JournalError> {
        let wanted = format!("{count} messages");
        self.wait(deadline, &wanted, |received| (received.len() >= count).then(|| received.to_vec())).await
    }

    /// Waits until a message satisfies `predicate` and returns the first that does. `wanted` says in words
    /// what is waited for.
    ///
    /// # Errors
    /// When `deadline` passes first or the file cannot be read.
    pub async fn wait_for(
        &self,
        wanted: &str,
        deadline: Duration,
        predicate: impl Fn(&Received) -> bool,
    ) -> Result<Received, JournalError> {
        self.wait(deadline, wanted, |received| received.iter().find(|message| predicate(message)).cloned())
            .await
    }

    async fn wait<T>(
        &self,
        waited: Duration,
        wanted: &str,
        look: impl Fn(&[Received]) -> Option<T>,
    ) -> Result<T, JournalError> {
        let end = Instant::now() + waited;
        loop {
            let received = self.received()?;
            if let Some(found) = look(&received) {
                return Ok(found);
            }
            if Instant::now() >= end {
                return Err(JournalError::Deadline {
                    path: self.path.clone(),
                    wanted: wanted.to_owned(),
                    waited,
                    received,
                });
            }
            sleep(POLL).await;
        }
    }
}

fn list(received: &[Received]) -> String {
    let lines = received.iter().map(|message| format!("  {:?} {}", message.kind, message.body));
    lines.collect::<Vec<_>>().join("\n")
}
