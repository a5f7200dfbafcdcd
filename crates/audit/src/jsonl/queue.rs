//! The bounded queue between those who record and whoever writes next.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use portcullis_core::SinkError;
use tokio::sync::oneshot;

use crate::{SinkMetrics, bound::MAX_LINE};

/// Told once its record is as durable as the policy says, or will not be.
type Waiter = oneshot::Sender<Result<(), SinkError>>;

/// Buffers larger than this are given back after use.
const KEEP_CAPACITY: usize = 1024 * 1024;

/// Records that will be written with one `write`.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Whole lines, each with its newline.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Where the record's line ends in `bytes`.
    end: usize,
    waiter: Option<Waiter>,
}

impl Batch {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn push(&mut self, line: &[u8], waiter: Option<Waiter>) {
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.entries.push(Entry { end: self.bytes.len(), waiter });
    }

    /// Tells everyone who waits that their record is durable, and empties the batch for reuse.
    pub(super) fn succeed(&mut self) {
        for entry in self.entries.drain(..) {
            if let Some(waiter) = entry.waiter {
                // A waiter that has gone away does not want to know.
                let _ = waiter.send(Ok(()));
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_CAPACITY);
    }

    /// Tells everyone who waits that their record failed. What is left are the lines nobody was told
    /// about: they were accepted and are still to be written.
    pub(super) fn fail(self, error: &SinkError) -> Rest {
        let mut rest = Rest::default();
        let mut start = 0;
        for entry in self.entries {
            match entry.waiter {
                Some(waiter) => {
                    rest.told += 1;
                    let _ = waiter.send(Err(error.clone()));
                }
                None => {
                    rest.records += 1;
                    rest.bytes.extend_from_slice(self.bytes.get(start..entry.end).unwrap_or_default());
                }
            }
            start = entry.end;
        }
        rest
    }
}

/// What remains of a failed batch.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Lines that were accepted without a waiter.
    pub(super) bytes: Vec<u8>,
    /// How many lines that is.
    pub(super) records: u64,
    /// How many waiters were told that their record failed.
    pub(super) told: u64,
}

impl Rest {
    pub(super) fn extend(&mut self, other: Rest) {
        self.bytes.extend_from_slice(&other.bytes);
        self.records += other.records;
        self.told += other.told;
    }
}

/// What the thread of the log is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Records are to be written, the time given has come, or somebody called.
    Look,
    /// Everything accepted has been taken and nothing more will be.
    Close,
}

/// Whether the thread of the log looks at the queue by itself, so that whoever adds to it need not wake it: a
/// wake-up costs more than all else that is done for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// It is at work, and looks before it sleeps.
    Awake,
    /// It sleeps until then; without a time, until it is woken.
    Asleep(Option<Instant>),
}

impl Thread {
    fn would_miss(self, at: Instant) -> bool {
        match self {
            Self::Awake => false,
            Self::Asleep(until) => until.is_none_or(|until| at < until),
        }
    }
}

enum Intake {
    Open,
    /// Refusing until the file can be written again, for this reason.
    Suspended(SinkError),
    /// Refusing for good.
    Closed,
}

struct State {
    batch: Batch,
    intake: Intake,
    /// When `batch` is to be written at the latest; none while it is empty.
    write_at: Option<Instant>,
    thread: Thread,
    /// Somebody wants the thread to look at what it is responsible for.
    called: bool,
}

impl State {
    fn take_batch(&mut self, spare: Batch) -> Batch {
        self.write_at = None;
        std::mem::replace(&mut self.batch, spare)
    }
}

/// Who writes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The thread of the log, which is woken when it would look too late.
    Thread,
    /// Whoever added it, right after.
    Caller,
}

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// How long a record nobody waits for may wait for company.
    pub(super) linger: Duration,
}

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    bounds: Bounds,
    place: String,
    metrics: Arc<SinkMetrics>,
}

impl Queue {
    pub(super) fn new(place: String, bounds: Bounds, metrics: Arc<SinkMetrics>) -> Self {
        let (batch, intake) = (Batch::default(), Intake::Open);
        let state = State { batch, intake, write_at: None, thread: Thread::Awake, called: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), bounds, place, metrics }
    }

    /// Accepts one line, or says why not. `by` is who will write it.
    pub(super) fn push(&self, line: &[u8], waiter: Option<Waiter>, by: By) -> Result<(), SinkError> {
        let accepted = self.try_push(line, waiter, by);
        if accepted.is_err() {
            self.metrics.failed.add(1);
        }
        accepted
    }

    fn try_push(&self, line: &[u8], waiter: Option<Waiter>, by: By) -> Result<(), SinkError> {
        if line.is_empty() || line.len() > MAX_LINE || line.contains(&b'\n') {
            return Err(self.error(format!("a record has to be one line of at most {MAX_LINE} bytes")));
        }
        let mut state = self.state.lock();
        match &state.intake {
            Intake::Open => {}
            Intake::Suspended(error) => return Err(error.clone()),
            Intake::Closed => return Err(self.error("the log is closed")),
        }
        let bytes = state.batch.bytes.len() + line.len() + 1;
        if state.batch.len() >= self.bounds.records || bytes > self.bounds.bytes {
            return Err(self.error("too many records are waiting to be written"));
        }
        let crowded = state.batch.len() >= self.bounds.records / 2 || bytes >= self.bounds.bytes / 2;
        let linger = if waiter.is_some() || crowded { Duration::ZERO } else { self.bounds.linger };
        let at = soon(linger);
        if state.write_at.is_none_or(|before| at < before) {
            state.write_at = Some(at);
        }
        state.batch.push(line, waiter);
        self.metrics.queue_depth.set(state.batch.len() as u64);
        if by == By::Thread && state.thread.would_miss(at) {
            self.wake(state);
        }
        Ok(())
    }

    /// Wakes the thread of the log, once however many ask before it runs.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.thread = Thread::Awake;
        drop(state);
        self.changed.notify_one();
    }

    /// Has the thread of the log look at once.
    pub(super) fn call(&self) {
        let mut state = self.state.lock();
        state.called = true;
        if state.thread != Thread::Awake {
            self.wake(state);
        }
    }

    /// Waits until records are to be written, for `until`, for a [`call`](Self::call), or for the end.
    pub(super) fn wait(&self, until: Option<Instant>) -> Task {
        let mut state = self.state.lock();
        loop {
            let closed = matches!(state.intake, Intake::Closed);
            if closed && state.write_at.is_none() {
                return Task::Close;
            }
            let next = state.write_at.into_iter().chain(until).min();
            if closed || state.called || next.is_some_and(|next| next <= Instant::now()) {
                state.called = false;
                return Task::Look;
            }
            state.thread = Thread::Asleep(next);
            match next {
                Some(next) => drop(self.changed.wait_until(&mut state, next)),
                None => self.changed.wait(&mut state),
            }
            state.thread = Thread::Awake;
        }
    }

    /// Takes what is to be written by now, all of it once the queue is closed. `spare` becomes the buffer of
    /// the next batch.
    pub(super) fn take_due(&self, spare: &mut Batch) -> Option<Batch> {
        let mut state = self.state.lock();
        let closed = matches!(state.intake, Intake::Closed);
        state.write_at.filter(|at| closed || *at <= Instant::now())?;
        self.metrics.queue_depth.set(0);
        Some(state.take_batch(std::mem::take(spare)))
    }

    /// Refuses records from now on, until [`resume`](Self::resume), and hands out what is waiting.
    pub(super) fn suspend(&self, error: SinkError) -> Batch {
        let mut state = self.state.lock();
        if !matches!(state.intake, Intake::Closed) {
            state.intake = Intake::Suspended(error);
        }
        self.metrics.queue_depth.set(0);
        state.take_batch(Batch::default())
    }

    /// Accepts records again.
    pub(super) fn resume(&self) {
        let mut state = self.state.lock();
        if !matches!(state.intake, Intake::Closed) {
            state.intake = Intake::Open;
        }
    }

    /// Waits until `until` or until the queue is closed; says whether it is closed.
    pub(super) fn pause(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while !matches!(state.intake, Intake::Closed) {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return false;
            }
        }
        true
    }

    /// Accepts nothing more. What has been accepted is still written.
    pub(super) fn close(&self) {
        self.state.lock().intake = Intake::Closed;
        self.changed.notify_all();
    }

    /// Closes the queue and fails everything in it: there is no writer any more.
    pub(super) fn abandon(&self) {
        self.close();
        let batch = self.state.lock().take_batch(Batch::default());
        let rest = batch.fail(&self.error("the log's writer has ended"));
        self.metrics.failed.add(rest.told + rest.records);
        self.metrics.queue_depth.set(0);
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> SinkError {
        SinkError { place: self.place.clone(), reason: reason.into() }
    }
}

/// `wait` from now; now, should the clock not reach that far.
pub(super) fn soon(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}
