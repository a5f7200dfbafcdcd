//! The transparency log: the lines of a [`JsonLines`](crate::JsonLines) log as the leaves of a Merkle tree, in the
//! layout of C2SP tlog-tiles, with signed checkpoints.
//!
//! The lines are written and made durable first, by their own writer; a second thread follows what is durable,
//! so that no call ever waits for the tree. What it has signed it can show to be a beginning of everything it
//! signs later.
//!
//! | file | what it is |
//! |---|---|
//! | `checkpoint` | origin, size and root, signed by every key of the log and by the witnesses that answered |
//! | `witnessed` | the newest checkpoint that a witness signed |
//! | `tile/<level>/<n>[.p/<w>]` | hashes, 256 a tile |
//! | `tile/entries/<n>[.p/<w>]` | the records, 256 a bundle, each behind its length in two bytes |
//! | `history.jsonl` | checkpoints of earlier sizes, about one a tile |
//! | `state.json` | where in the JSON lines the tree ends; of no meaning to readers |
//!
//! | what can go wrong | what happens |
//! |---|---|
//! | killed, or power lost, at any point | the next start goes on from the last signed checkpoint, and the lines after it are read again: they were durable before |
//! | disk full, input/output error | lines go on being written and calls being served; the tree is tried again with growing pauses and catches up; an event and the metrics say so |
//! | the JSON lines after the tree's end are gone | a line that says so comes next, and the tree goes on with what there is |
//! | the tiles are not those of the last checkpoint | the log does not open: `portcullis audit verify` says what is wrong |

mod builder;
mod bundle;
mod follower;
mod journal;
mod keys;
pub(crate) mod lay;
mod proofs;
mod publish;
mod reader;
mod state;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_core::{Clock, Sink as _};
use tokio::sync::watch;

pub use bundle::decode_whole as decode_bundle;
pub use keys::{KeyFileFault, read_key_file, read_public_keys};
pub use reader::{Bundle, LogDir, LogFault};

use crate::{
    Counter, Health, JsonLines, OpenError,
    jsonl::{Event, Lock, Markers},
    note::{Note, VerifierKey},
};
use builder::Builder;
use follower::Follower;
use journal::Journal;
use keys::KeyFile;

/// Where the tree is and how it is kept.
#[derive(Clone, Debug)]
pub struct TransparencyLogOptions {
    /// Its directory. Made with mode 0700 when it is missing.
    pub directory: PathBuf,
    /// File with the private keys that sign its checkpoints. Read again when it changes.
    pub key_file: PathBuf,
    /// The shortest time between two checkpoints.
    pub interval: Duration,
    /// How long after a failure the first new attempt is made; later ones double it.
    pub first_retry: Duration,
    /// The longest pause between two attempts.
    pub last_retry: Duration,
}

impl TransparencyLogOptions {
    /// A log in `directory` that signs at most one checkpoint a second.
    pub fn new(directory: impl Into<PathBuf>, key_file: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            key_file: key_file.into(),
            interval: Duration::from_secs(1),
            first_retry: Duration::from_millis(100),
            last_retry: Duration::from_secs(10),
        }
    }
}

/// Why a transparency log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum TransparencyLogError {
    /// Another process writes it, or its directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyFileFault),
    /// The keys are those of another log.
    #[error(
        "`{directory}` is the log `{origin}`, and the key is named `{name}`: use a key of that name, or another directory"
    )]
    OtherLog {
        /// The log's directory.
        directory: PathBuf,
        /// Its origin.
        origin: String,
        /// The keys' name.
        name: String,
    },
    /// What is there cannot be continued.
    #[error(
        "the log in `{directory}` cannot be continued: {reason}; `portcullis audit verify` says what is wrong with it, another directory begins a new one"
    )]
    Broken {
        /// The log's directory.
        directory: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The lines were not opened for being followed.
    #[error("the JSON lines were not opened with `followed`")]
    NotFollowed,
    /// The thread could not be started.
    #[error("cannot start the thread of the transparency log: {0}")]
    Thread(io::Error),
}

/// Counters of a transparency log.
#[derive(Debug, Default)]
pub struct TransparencyMetrics {
    /// Gauge: records in the last signed checkpoint.
    pub size: Counter,
    /// Checkpoints signed.
    pub checkpoints: Counter,
    /// Attempts to write tiles or checkpoints that failed.
    pub failures: Counter,
    /// Gauge: when the last checkpoint was signed, in seconds since the Unix epoch.
    pub signed_at: Counter,
}

/// A transparency log that follows a log of JSON lines.
pub struct TransparencyLog {
    shared: Arc<Shared>,
    checkpoints: watch::Receiver<Option<Arc<Note>>>,
    health: watch::Receiver<Health>,
    lines: Arc<JsonLines>,
    thread: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

/// What the thread shares with everyone else.
struct Shared {
    directory: PathBuf,
    origin: String,
    metrics: TransparencyMetrics,
    markers: Markers,
    /// The checkpoint in force. Held while the file is replaced, so that a cosignature is not lost to a newer
    /// checkpoint's write or the other way round.
    current: Mutex<Option<Arc<Note>>>,
}

impl TransparencyLog {
    /// Opens or creates the log and starts to follow `lines`, which have to be open for that.
    ///
    /// # Errors
    /// [`TransparencyLogError`] when the log cannot be continued safely.
    pub fn open(
        options: TransparencyLogOptions,
        lines: Arc<JsonLines>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TransparencyLogError> {
        let durable = lines.durable().ok_or(TransparencyLogError::NotFollowed)?;
        crate::jsonl::make_directory(&options.directory.join("lock"))?;
        let lock = Lock::take(&options.directory.join("log"))?;
        let keys = KeyFile::open(&options.key_file)?;
        let broken =
            |reason: String| TransparencyLogError::Broken { directory: options.directory.clone(), reason };
        let (builder, state) = Builder::open(&options.directory).map_err(broken)?;
        if let Some(origin) =
            state.as_ref().map(|state| &state.checkpoint.origin).filter(|o| *o != keys.ring().name())
        {
            let (directory, origin) = (options.directory.clone(), origin.clone());
            let name = keys.ring().name().to_owned();
            return Err(TransparencyLogError::OtherLog { directory, origin, name });
        }
        if let Some(state) = &state {
            let republished = republish(&options.directory, &state.note);
            republished.map_err(|error| broken(error.to_string()))?;
        }
        let opened = Journal::open(lines.path(), state.as_ref(), builder.last_leaf(), durable.clone());
        let (journal, gap) = opened.map_err(|error| broken(format!("the JSON lines: {error}")))?;
        let markers = Markers::new(clock.clone(), lines.notice());
        if gap {
            say(&lines, &markers, Event::Gap, &missing_after(builder.size()));
        }
        let current = state.as_ref().map(|state| Arc::new(state.note.clone()));
        let (published, checkpoints) = watch::channel(current.clone());
        let (health, observed) = watch::channel(Health::Working);
        let shared = Arc::new(Shared {
            directory: options.directory.clone(),
            origin: keys.ring().name().to_owned(),
            metrics: TransparencyMetrics::default(),
            markers,
            current: Mutex::new(current),
        });
        shared.metrics.size.set(builder.size());
        let follower = Follower::new(follower::Parts {
            options,
            lines: lines.clone(),
            durable,
            clock,
            keys,
            builder,
            journal,
            shared: shared.clone(),
            published,
            health,
        });
        let run = move || {
            let _lock = lock;
            follower.run()
        };
        let thread = std::thread::Builder::new().name("audit-tree".into()).spawn(run);
        let thread = Mutex::new(Some(thread.map_err(TransparencyLogError::Thread)?));
        Ok(Self { shared, checkpoints, health: observed, lines, thread })
    }

    /// Counters.
    pub fn metrics(&self) -> &TransparencyMetrics {
        &self.shared.metrics
    }

    /// Times since the start that records may be missing in the tree.
    pub fn gaps(&self) -> u64 {
        self.shared.markers.gaps()
    }

    /// Whether checkpoints can be written, now and whenever that changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// The newest checkpoint, now and whenever there is another.
    pub fn checkpoints(&self) -> watch::Receiver<Option<Arc<Note>>> {
        self.checkpoints.clone()
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// The name it signs its checkpoints under.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Adds the signatures in `lines` that the witness `key` made of the checkpoint `of`. Says whether there
    /// was one.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn adopt(&self, of: &Note, lines: &str, key: &VerifierKey) -> io::Result<bool> {
        let mut current = self.shared.current.lock();
        let newest = current.as_ref().filter(|newest| newest.text() == of.text());
        let mut note = newest.map_or_else(|| of.clone(), |newest| (**newest).clone());
        if note.adopt(lines, key) == 0 {
            return Ok(false);
        }
        lay::replace(&self.shared.directory.join(WITNESSED), note.to_string().as_bytes())?;
        if newest.is_some() {
            lay::replace(&self.shared.directory.join(CHECKPOINT), note.to_string().as_bytes())?;
            *current = Some(Arc::new(note));
        }
        Ok(true)
    }

    /// Closes the lines, adds what is left of them and signs the last checkpoint. Blocks until that is done.
    ///
    /// # Errors
    /// What kept it from that.
    pub fn shutdown(&self) -> io::Result<()> {
        let lines = self.lines.shutdown().map_err(|error| io::Error::other(error.to_string()));
        let Some(thread) = self.thread.lock().take() else { return lines };
        let ended =
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the log's thread ended unexpectedly")));
        lines.and(ended)
    }
}

impl Drop for TransparencyLog {
    fn drop(&mut self) {
        // Whoever wants to know calls `shutdown`.
        let _ = self.shutdown();
    }
}

impl std::fmt::Debug for TransparencyLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransparencyLog").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

fn missing_after(size: u64) -> String {
    format!(
        "the JSON lines that follow entry {size} of the transparency log are not there: records may be missing"
    )
}

/// Adds a line about the log to the lines and returns it. When it is refused, its queue is full or failing, which
/// the lines themselves tell.
fn say(lines: &JsonLines, markers: &Markers, event: Event, detail: &str) -> Vec<u8> {
    let mut line = markers.line(event, None, detail);
    line.pop();
    let _ = lines.append(line.clone());
    line
}

/// Puts the checkpoint in its place when the last run ended before it could.
fn republish(directory: &Path, note: &Note) -> io::Result<()> {
    match LogDir::at(directory).checkpoint() {
        Ok((there, _)) if there.text() == note.text() => Ok(()),
        _ => lay::replace(&directory.join(CHECKPOINT), note.to_string().as_bytes()),
    }
}

pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const WITNESSED: &str = "witnessed";
pub(crate) const HISTORY: &str = "history.jsonl";
