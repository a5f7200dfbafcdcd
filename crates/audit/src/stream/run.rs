//! One stream: read, hand over, keep the place, again.

use std::{future::Future, io, path::PathBuf, time::Duration};

use portcullis_core::BoxFuture;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Backlog, Batch, Cursor, Position};
use crate::{Counter, Health};

/// How often a stream that has come to the end looks for more.
const LOOK: Duration = Duration::from_millis(200);
/// Between attempts to hand over a batch, doubling up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What remains of the time when the gateway stops.
const LAST: Duration = Duration::from_secs(3);

/// Whoever gets the records.
pub trait Receiver: Send {
    /// Takes a batch, wholly or not at all as far as it can tell. `position` is the place before the batch.
    ///
    /// Returns how many bytes it holds in all, where that has a meaning (a file).
    fn take<'r>(&'r mut self, batch: &'r Batch, position: &'r Position)
    -> BoxFuture<'r, Result<u64, String>>;
}

/// How a stream is kept.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The log's active file.
    pub log: PathBuf,
    /// The file that keeps its place.
    pub place: PathBuf,
    /// Most bytes of one batch.
    pub batch_bytes: u64,
    /// Bytes it may be behind before calls are refused; none for any number.
    pub refuse_behind: Option<u64>,
}

/// What a stream counts.
#[derive(Debug, Default)]
pub struct StreamMetrics {
    /// Batches that were taken.
    pub batches: Counter,
    /// Bytes of records that were taken.
    pub bytes: Counter,
    /// Attempts that failed.
    pub failures: Counter,
    /// Bytes of records that wait.
    pub behind: Counter,
}

/// A stream of records to one receiver.
pub struct Stream {
    cursor: Cursor,
    options: StreamOptions,
    receiver: Box<dyn Receiver>,
    backlog: Backlog,
    over: bool,
    metrics: std::sync::Arc<StreamMetrics>,
    health: watch::Sender<Health>,
}

impl Stream {
    /// Goes on where `options.place` says.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn open(options: StreamOptions, receiver: Box<dyn Receiver>, backlog: Backlog) -> io::Result<Self> {
        let cursor = Cursor::open(&options.log, &options.place)?;
        let (metrics, health) = (std::sync::Arc::default(), watch::Sender::new(Health::Working));
        Ok(Self { cursor, options, receiver, backlog, over: false, metrics, health })
    }

    /// Whether the receiver takes what it is given.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Counters.
    pub fn metrics(&self) -> std::sync::Arc<StreamMetrics> {
        self.metrics.clone()
    }

    /// Streams until `stop` resolves and, if the receiver takes it at once, what is there then.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut pause = PAUSE.0;
        loop {
            let (wait, done) = match self.step().await {
                Ok(true) => {
                    pause = PAUSE.0;
                    (Duration::ZERO, true)
                }
                Ok(false) => (LOOK, true),
                Err(reason) => {
                    self.metrics.failures.add(1);
                    self.failing(reason);
                    let wait = pause;
                    pause = pause.saturating_mul(2).min(PAUSE.1);
                    (wait, false)
                }
            };
            if done {
                self.health
                    .send_if_modified(|health| std::mem::replace(health, Health::Working) != Health::Working);
            }
            self.measure();
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = sleep(wait) => {}
            }
        }
        let rest = async { while matches!(self.step().await, Ok(true)) {} };
        // What is left is sent by the next run.
        let _in_time = timeout(LAST, rest).await;
    }

    /// Hands over one batch; whether there was one.
    async fn step(&mut self) -> Result<bool, String> {
        let batch =
            self.cursor.next(self.options.batch_bytes).map_err(|error| format!("the log: {error}"))?;
        let Some(batch) = batch else { return Ok(false) };
        if batch.gap {
            self.failing("records are missing: the segment it had come to is gone".to_owned());
        }
        let written = self.receiver.take(&batch, self.cursor.position()).await?;
        let bytes = batch.bytes.len() as u64;
        self.cursor.keep(Position { written, ..batch.end }).map_err(|error| format!("its place: {error}"))?;
        self.metrics.batches.add(1);
        self.metrics.bytes.add(bytes);
        Ok(true)
    }

    fn measure(&mut self) {
        let Ok(behind) = self.cursor.behind() else { return };
        self.metrics.behind.set(behind);
        let over = self.options.refuse_behind.is_some_and(|most| behind > most);
        if over != self.over {
            self.over = over;
            self.backlog.set_over(over);
        }
    }

    fn failing(&self, reason: String) {
        let since_ms = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        self.health.send_if_modified(|health| {
            let news = *health == Health::Working;
            if news {
                *health = Health::Failing { since_ms, reason };
            }
            news
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.over {
            self.backlog.set_over(false);
        }
    }
}
