//! Who writes: the thread of the log, or, where a record counts once it is written, whoever waits for it.
//!
//! Handing a record to another thread and waiting for it costs two wake-ups, several times what the `write`
//! costs. So a caller that only needs a `write` takes the pen, if it is free, and writes everything that has
//! queued up. It never waits for the pen, and never syncs, rotates, looks after the file or waits for a failing
//! disk: that is left to the thread.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_core::{Clock, SinkError};
use tokio::sync::watch;

use super::{
    Health,
    disk::Disk,
    queue::{Queue, Task},
    writer::Writer,
};

/// The only access to the file. Records are taken from the queue by whoever holds it, so that their order in
/// the file is their order in the queue.
pub(super) trait Pen: Send + Sync {
    /// Writes what waits unless somebody else is about to, or more than a `write` is needed. Says whether the
    /// thread has to look.
    fn try_short_turn(&self) -> bool;
}

impl<D: Disk> Pen for Mutex<Writer<D>> {
    fn try_short_turn(&self) -> bool {
        // Whoever holds it may have taken what waited before our record was added.
        self.try_lock().is_none_or(|mut writer| writer.short_turn())
    }
}

/// Has the thread look unless the caller has written: also when it gave up before it tried.
pub(super) struct Turn<'a> {
    pub(super) queue: &'a Queue,
    pub(super) pen: &'a dyn Pen,
    pub(super) done: bool,
}

impl Turn<'_> {
    pub(super) fn take(mut self) {
        self.done = !self.pen.try_short_turn();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.queue.call();
        }
    }
}

/// The thread of the log: writes until the queue is closed, then syncs. The error says that accepted records
/// were lost.
pub(super) fn run<D: Disk>(
    pen: &Mutex<Writer<D>>,
    queue: Arc<Queue>,
    health: watch::Sender<Health>,
    clock: Arc<dyn Clock>,
) -> Result<(), SinkError> {
    let abandon = Abandon { queue, health, clock };
    // A caller that changes it calls.
    let mut due = None;
    while abandon.queue.wait(due) == Task::Look {
        let mut writer = pen.lock();
        writer.turn()?;
        due = writer.due();
    }
    pen.lock().finish()
}

/// Fails everything that still waits when the thread ends, however it ends.
struct Abandon {
    queue: Arc<Queue>,
    health: watch::Sender<Health>,
    clock: Arc<dyn Clock>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        self.queue.abandon();
        if std::thread::panicking() {
            let reason = "the log's writer ended unexpectedly".to_owned();
            self.health.send_replace(Health::Failing { since_ms: self.clock.now_ms(), reason });
        }
    }
}
