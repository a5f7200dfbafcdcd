//! What is done when the system refuses to write.

use std::{io, time::Duration};

use portcullis_core::SinkError;

use super::{
    Health,
    disk::Disk,
    marker::Event,
    queue::{Batch, Rest, soon},
    writer::Writer,
};

/// However impatient the configuration is, a disk that fails is not asked more often than this.
const SHORTEST_RETRY: Duration = Duration::from_millis(1);

impl<D: Disk> Writer<D> {
    /// Refuses every record until the file can be written again.
    ///
    /// What was written without becoming durable is cut off, so that a record whose caller was refused does
    /// not turn up later as a decision to allow; records accepted without a waiter are written again.
    pub(super) fn recover(&mut self, error: &io::Error, batch: Batch) -> Result<(), SinkError> {
        let reason = self.queue.error(error.to_string());
        let since_ms = self.clock.now_ms();
        self.metrics.failures.add(1);
        let queued = self.queue.suspend(reason.clone());
        // Before anyone is told, so that whoever is told finds the log failing.
        self.health.send_replace(Health::Failing { since_ms, reason: reason.reason.clone() });
        let mut rest = batch.fail(&reason);
        rest.extend(queued.fail(&reason));
        self.metrics.failed.add(rest.told);
        let mut wait = self.settings.first_retry.max(SHORTEST_RETRY);
        loop {
            let closed = self.queue.pause(soon(wait));
            if self.resume(&reason.reason, since_ms, &rest).is_ok() {
                self.queue.resume();
                self.health.send_replace(Health::Working);
                return Ok(());
            }
            if closed {
                self.metrics.failed.add(rest.records);
                return Err(reason);
            }
            wait = self.settings.last_retry.min(wait.saturating_mul(2)).max(SHORTEST_RETRY);
        }
    }

    /// Tries to write the records left over, preceded by what happened, and to sync all of it.
    fn resume(&mut self, reason: &str, since_ms: u64, rest: &Rest) -> io::Result<()> {
        let refused = self.metrics.failed.get() - self.progress.reported;
        let doubtful = self.progress.len - self.progress.synced;
        let since = crate::time::rfc3339(since_ms);
        let mut detail = format!("unwritable since {since}: {reason}; {refused} records were refused");
        if doubtful > 0 {
            detail.push_str(&format!("; the {doubtful} bytes before may not survive a loss of power"));
        }
        let mut lines = self.markers.line(Event::Resumed, None, &detail);
        lines.extend_from_slice(&rest.bytes);
        if self.disk.in_place() {
            self.disk.cut(self.progress.len)?;
        } else {
            self.replace()?;
        }
        self.write_all(&lines)?;
        self.sync()?;
        self.advance(lines.len());
        self.progress.reported += refused;
        self.metrics.appended.add(rest.records);
        Ok(())
    }
}
