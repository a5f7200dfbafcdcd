//! A log of JSON lines in a file.
//!
//! Callers put whole lines into a bounded queue. Whoever has the pen takes all that has queued up, writes it with
//! one `write` and then answers everyone who waits. Under [`Fsync::Always`] that is a thread that syncs each batch
//! with one `fdatasync`; otherwise it is as a rule the caller who waits, and the thread does the rest. The more
//! callers there are, the fewer calls each of them costs.
//!
//! | what can go wrong | what happens |
//! |---|---|
//! | the process is killed, the machine loses power | records that were acknowledged are there (under [`Fsync::Interval`] at most one interval of them can be missing after a loss of power); part of a record at the end is set aside in `<log>.torn-…` when the log is opened next, and a marker record says so |
//! | disk full, input/output error | everyone who waits is told, everything further is refused; the log tries again with growing pauses, cuts off what was written in part, and begins with a marker record that counts what was refused |
//! | the queue is full | the record is refused, counted, and mentioned in the next batch |
//! | the file is moved or deleted by another program | within [`JsonLinesOptions::look_every`] a new one takes its place, with a marker record |
//! | a second process opens the log | it is refused and told who holds it |

mod disk;
mod durable;
mod lock;
mod marker;
mod pen;
mod queue;
mod recovery;
mod segment;
mod tail;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Clock, Sink, SinkError, TakenBy};
use tokio::sync::{oneshot, watch};

pub(crate) use disk::make_directory;
pub(crate) use durable::{Durable, Piece};
pub(crate) use lock::Lock;
pub use lock::{Holder, remove_stale_locks};
pub use marker::Notice;
pub(crate) use marker::{Event, Markers};
pub use segment::segments;

use crate::SinkMetrics;
use disk::{Disk, LogFile};
use durable::Ending;
use pen::{Pen, Turn};
use queue::{Batch, Bounds, By, Queue};
use tail::Tail;
use writer::{Progress, Settings, Writer};

/// When a record counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// After `fdatasync`: it survives a loss of power.
    Always,
    /// After `write`: it survives the end of the process. Synced at most this much later, so that a loss of
    /// power loses at most that much.
    Interval(Duration),
    /// After `write`, and synced when the operating system pleases.
    DangerNever,
}

impl fmt::Display for Fsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(interval) => write!(f, "every {} ms", interval.as_millis()),
            Self::DangerNever => f.write_str("never"),
        }
    }
}

/// Where the log is and how it is kept.
#[derive(Clone, Debug)]
pub struct JsonLinesOptions {
    /// The active segment, for example `~/.local/state/portcullis/audit.jsonl`. Its directory is made with
    /// mode 0700 when it is missing.
    pub path: PathBuf,
    /// When a record counts as durable.
    pub fsync: Fsync,
    /// Size in bytes at which a segment is finished and renamed `<stem>.<number>.<time>.<extension>`; none
    /// keeps everything in one file. Finished segments are never deleted.
    pub rotate_bytes: Option<u64>,
    /// How many records may wait for the writer.
    pub queue_records: usize,
    /// How many bytes may wait for the writer.
    pub queue_bytes: usize,
    /// How long a record nobody waits for may wait for others to be written with: an outcome need not cost a
    /// sync of its own.
    pub linger: Duration,
    /// How long after a failed write the first attempt to resume is made; later ones double it.
    pub first_retry: Duration,
    /// The longest pause between two attempts.
    pub last_retry: Duration,
    /// How often the log looks whether its path still leads to the file in use.
    pub look_every: Duration,
    /// Whether a [`TransparencyLog`](crate::TransparencyLog) will follow the lines.
    pub followed: bool,
    /// Is told when records may be missing, besides the log itself.
    pub notice: Option<Notice>,
}

impl JsonLinesOptions {
    /// A log at `path` that syncs every batch and starts a new segment every 256 MiB.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            fsync: Fsync::Always,
            rotate_bytes: Some(256 << 20),
            queue_records: 16_384,
            queue_bytes: 16 << 20,
            linger: Duration::from_millis(2),
            first_retry: Duration::from_millis(50),
            last_retry: Duration::from_secs(5),
            look_every: Duration::from_secs(1),
            followed: false,
            notice: None,
        }
    }
}

/// Whether the log can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Records are accepted.
    Working,
    /// Every record is refused until a write succeeds again.
    Failing {
        /// Since when, in milliseconds since the Unix epoch.
        since_ms: u64,
        /// What the system said.
        reason: String,
    },
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two writers would mix their records.
    #[error("audit log `{path}` is in use by {holder}: stop it or set another path in `[audit]`")]
    InUse {
        /// The log.
        path: PathBuf,
        /// Who uses it.
        holder: Holder,
    },
    /// A directory, device or symbolic link is in the way.
    #[error("audit log `{path}` is not a regular file: set another path in `[audit]`")]
    NotAFile {
        /// The log.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The writer could not be started.
    #[error("cannot start the writer of the audit log: {0}")]
    Thread(io::Error),
}

/// A log of JSON lines behind the [`Sink`] port. Dropping it writes and syncs what is queued, and blocks
/// until that is done; use [`shutdown`](Self::shutdown) to learn whether it worked.
pub struct JsonLines {
    queue: Arc<Queue>,
    /// None where only the thread writes.
    pen: Option<Arc<dyn Pen>>,
    metrics: Arc<SinkMetrics>,
    health: watch::Receiver<Health>,
    writer: Mutex<Option<JoinHandle<Result<(), SinkError>>>>,
    path: PathBuf,
    durable: Option<Arc<Durable>>,
    markers: Arc<Markers>,
    notice: Option<Notice>,
}

impl JsonLines {
    /// Opens or creates the log, repairs its end and starts its writer.
    ///
    /// # Errors
    /// [`OpenError`] when another process uses the log or the file cannot be used safely.
    pub fn open(options: JsonLinesOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        disk::make_directory(&options.path)?;
        let lock = Lock::take(&options.path)?;
        let now_ms = clock.now_ms();
        let (mut file, mut len, tail) = LogFile::open(&options.path, now_ms)?;
        let markers = Arc::new(Markers::new(clock.clone(), options.notice.clone()));
        let io = |source| OpenError::Io { action: "write to", path: options.path.clone(), source };
        let missing = segment::missing(&options.path).map_err(io)?;
        for line in describe_tail(&tail, &markers).into_iter().chain(describe_missing(&missing, &markers)) {
            len += write_marker(&mut file, &line).map_err(io)?;
        }
        Self::start(file, len, Some(lock), options, (clock, markers))
    }

    fn start<D: Disk>(
        disk: D,
        len: u64,
        lock: Option<Lock>,
        options: JsonLinesOptions,
        (clock, markers): (Arc<dyn Clock>, Arc<Markers>),
    ) -> Result<Self, OpenError> {
        let metrics = Arc::new(SinkMetrics::default());
        let bounds =
            Bounds { records: options.queue_records, bytes: options.queue_bytes, linger: options.linger };
        let queue = Arc::new(Queue::new(options.path.display().to_string(), bounds, metrics.clone()));
        let (health, observed) = watch::channel(Health::Working);
        let settings = Settings {
            fsync: options.fsync,
            rotate_bytes: options.rotate_bytes,
            first_retry: options.first_retry,
            last_retry: options.last_retry,
            look_every: options.look_every,
        };
        let progress = Progress::at(len, &settings);
        let durable = options.followed.then(Arc::<Durable>::default);
        if let Some(durable) = &durable {
            durable.begin(disk.reader(), len);
        }
        let writer = Writer {
            disk,
            queue: queue.clone(),
            settings,
            clock: clock.clone(),
            metrics: metrics.clone(),
            markers: markers.clone(),
            health: health.clone(),
            progress,
            durable: durable.clone(),
            spare: Batch::default(),
            failed: None,
        };
        let shared = Arc::new(Mutex::new(writer));
        let pen = (options.fsync != Fsync::Always).then(|| shared.clone() as Arc<dyn Pen>);
        let (ending, waiting) = (Ending(durable.clone()), queue.clone());
        let run = move || {
            let (_lock, _ending) = (lock, ending);
            pen::run(&shared, waiting, health, clock)
        };
        let writer =
            std::thread::Builder::new().name("audit-log".into()).spawn(run).map_err(OpenError::Thread)?;
        let (writer, path) = (Mutex::new(Some(writer)), options.path);
        let notice = options.notice;
        Ok(Self { queue, pen, metrics, health: observed, writer, path, durable, markers, notice })
    }

    /// Counters.
    pub fn metrics(&self) -> &Arc<SinkMetrics> {
        &self.metrics
    }

    /// Times since the start that records may be missing, as the log itself says.
    pub fn gaps(&self) -> u64 {
        self.markers.gaps()
    }

    /// Who is told when they may be.
    pub(crate) fn notice(&self) -> Option<Notice> {
        self.notice.clone()
    }

    /// The active segment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a follower reads; none unless the log was opened for one.
    pub(crate) fn durable(&self) -> Option<Arc<Durable>> {
        self.durable.clone()
    }

    /// Whether the log can be written, now and whenever that changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Refuses further records, writes and syncs what was accepted, and waits for that. Blocks: call it
    /// where blocking is allowed. Calling it again does nothing.
    ///
    /// # Errors
    /// [`SinkError`] when accepted records could not be written.
    pub fn shutdown(&self) -> Result<(), SinkError> {
        self.queue.close();
        let Some(writer) = self.writer.lock().take() else { return Ok(()) };
        writer.join().unwrap_or_else(|_| Err(self.queue.error("the log's writer ended unexpectedly")))
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        // Whoever wants to know calls `shutdown`; the counters say it in any case.
        let _ = self.shutdown();
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

impl Sink for JsonLines {
    fn append(&self, line: Vec<u8>) -> Result<(), SinkError> {
        self.queue.push(&line, None, By::Thread)
    }

    fn append_durable(&self, line: Vec<u8>) -> BoxFuture<'_, Result<TakenBy, SinkError>> {
        let (waiter, told) = oneshot::channel();
        let by = if self.pen.is_some() { By::Caller } else { By::Thread };
        let queued = self.queue.push(&line, Some(waiter), by);
        let pen = self.pen.as_deref().filter(|_| queued.is_ok());
        let turn = pen.map(|pen| Turn { queue: &self.queue, pen, done: false });
        Box::pin(async move {
            queued?;
            // Here and not above, where the record's place among the others is being kept for it.
            if let Some(turn) = turn {
                turn.take();
            }
            let told = told.await;
            told.unwrap_or_else(|_| Err(self.queue.error("the log's writer ended unexpectedly")))?;
            Ok(TakenBy::Log)
        })
    }
}

/// Finished segments that are not there: nothing of this program removes any.
fn describe_missing(missing: &[String], markers: &Markers) -> Option<Vec<u8>> {
    let what = || format!("finished segments are not there: {}", missing.join(", "));
    (!missing.is_empty()).then(|| markers.line(Event::Gap, None, &what()))
}

fn describe_tail(tail: &Tail, markers: &Markers) -> Option<Vec<u8>> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match tail {
        Tail::Whole => None,
        Tail::Completed => {
            Some(markers.line(Event::TornTail, None, "the record before lacked its newline only"))
        }
        Tail::SetAside { bytes, to } => {
            let detail = format!("{bytes} bytes of an unfinished record were set aside");
            Some(markers.line(Event::TornTail, Some(&name(to)), &detail))
        }
    }
}

/// Writes one marker before the writer exists. Returns its length.
fn write_marker(file: &mut LogFile, line: &[u8]) -> io::Result<u64> {
    let mut rest = line;
    while !rest.is_empty() {
        let written = file.write(rest)?;
        rest = rest.get(written..).filter(|_| written > 0).ok_or(io::ErrorKind::WriteZero)?;
    }
    file.sync()?;
    Ok(line.len() as u64)
}
