//! What is done to the file: one write for all that has queued up, one sync if the policy says so, answers to
//! everyone who waits, and what follows from a full segment, a moved file and a failure.
//!
//! Whatever goes wrong, two things hold. A record someone was told is on record stays there. A file
//! the system refuses to write makes every further record fail until writing works again.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::{Clock, SinkError};
use tokio::sync::watch;

use super::{
    Fsync, Health,
    disk::Disk,
    durable::Durable,
    marker::{Event, Markers},
    queue::{Batch, Queue, soon},
};
use crate::SinkMetrics;

pub(super) struct Settings {
    pub(super) fsync: Fsync,
    pub(super) rotate_bytes: Option<u64>,
    pub(super) first_retry: Duration,
    pub(super) last_retry: Duration,
    pub(super) look_every: Duration,
}

pub(super) struct Writer<D> {
    pub(super) disk: D,
    pub(super) queue: Arc<Queue>,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<SinkMetrics>,
    pub(super) markers: Arc<Markers>,
    pub(super) health: watch::Sender<Health>,
    pub(super) progress: Progress,
    /// Told how far the log is durable, when somebody follows it.
    pub(super) durable: Option<Arc<Durable>>,
    /// The buffer of the next batch.
    pub(super) spare: Batch,
    /// What a caller could not write, for the thread to see to.
    pub(super) failed: Option<(io::Error, Batch)>,
}

/// Where the writer is in the file.
pub(super) struct Progress {
    /// Bytes of the active segment that are as durable as the policy demands; a failed write is cut back to
    /// this.
    pub(super) len: u64,
    /// Bytes of the active segment known to be synced.
    pub(super) synced: u64,
    /// When unsynced bytes are to be synced.
    due: Option<Instant>,
    /// Value of the `failed` counter that the log itself has already mentioned.
    pub(super) reported: u64,
    /// Length at which the next rotation is tried.
    rotate_at: u64,
    looked: Instant,
}

impl Progress {
    /// At the end of a segment of `len` synced bytes.
    pub(super) fn at(len: u64, settings: &Settings) -> Self {
        let rotate_at = settings.rotate_bytes.unwrap_or(u64::MAX);
        Self { len, synced: len, due: None, reported: 0, rotate_at, looked: Instant::now() }
    }
}

impl<D: Disk> Writer<D> {
    /// When the thread has to look even if nothing is recorded.
    pub(super) fn due(&self) -> Option<Instant> {
        self.progress.due
    }

    /// Everything that is to be done now. The error says that accepted records were lost.
    pub(super) fn turn(&mut self) -> Result<(), SinkError> {
        if let Some((error, batch)) = self.failed.take() {
            self.recover(&error, batch)?;
        }
        if let Some(batch) = self.queue.take_due(&mut self.spare) {
            self.write(batch)?;
        }
        self.sync_if_due()?;
        self.rotate_if_full()
    }

    /// Writes what waits, if that takes no more than a `write`. Says whether the thread has to look.
    pub(super) fn short_turn(&mut self) -> bool {
        let no_more_than_a_write = self.failed.is_none()
            && !matches!(self.settings.fsync, Fsync::Always)
            && self.progress.len < self.progress.rotate_at
            && self.metrics.failed.get() == self.progress.reported
            && self.progress.looked.elapsed() < self.settings.look_every;
        if !no_more_than_a_write {
            return true;
        }
        let Some(batch) = self.queue.take_due(&mut self.spare) else { return false };
        let due = self.progress.due;
        match self.commit(batch.bytes()) {
            Ok(()) => self.answer(batch),
            Err(error) => self.failed = Some((error, batch)),
        }
        self.failed.is_some() || due != self.progress.due
    }

    /// Writes one batch and answers its waiters.
    fn write(&mut self, batch: Batch) -> Result<(), SinkError> {
        let outcome =
            self.look().and_then(|()| self.report_refused()).and_then(|()| self.commit(batch.bytes()));
        match outcome {
            Ok(()) => {
                self.answer(batch);
                Ok(())
            }
            Err(error) => self.recover(&error, batch),
        }
    }

    fn answer(&mut self, mut batch: Batch) {
        self.metrics.appended.add(batch.len() as u64);
        self.metrics.batches.add(1);
        batch.succeed();
        self.spare = batch;
    }

    /// Appends whole lines and makes them as durable as the policy says.
    fn commit(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write_all(lines)?;
        match self.settings.fsync {
            Fsync::Always => self.sync()?,
            Fsync::Interval(interval) => {
                self.progress.due.get_or_insert_with(|| soon(interval));
            }
            Fsync::DangerNever => {}
        }
        self.advance(lines.len());
        Ok(())
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.disk.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.disk.sync()?;
        self.metrics.syncs.add(1);
        self.progress.due = None;
        self.progress.synced = self.progress.len;
        self.publish();
        Ok(())
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.progress.len += bytes as u64;
        self.metrics.bytes.add(bytes as u64);
        if self.progress.due.is_none() {
            self.progress.synced = self.progress.len;
        }
        self.publish();
    }

    fn publish(&self) {
        if let Some(durable) = &self.durable {
            durable.reach(self.progress.synced);
        }
    }

    fn sync_if_due(&mut self) -> Result<(), SinkError> {
        if self.progress.due.is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        self.sync().or_else(|error| self.recover(&error, Batch::default()))
    }

    /// Says in the log how many records it refused since it last said so.
    fn report_refused(&mut self) -> io::Result<()> {
        let failed = self.metrics.failed.get();
        if failed == self.progress.reported {
            return Ok(());
        }
        let detail = format!(
            "{} records were refused; each was reported to its caller",
            failed - self.progress.reported
        );
        let marker = self.markers.line(Event::Refused, None, &detail);
        self.commit(&marker)?;
        self.progress.reported = failed;
        Ok(())
    }

    /// Starts a new segment when the log's path no longer leads to the one in use.
    fn look(&mut self) -> io::Result<()> {
        if self.progress.looked.elapsed() < self.settings.look_every {
            return Ok(());
        }
        self.progress.looked = Instant::now();
        if self.disk.in_place() {
            return Ok(());
        }
        self.sync()?;
        self.replace()?;
        let detail =
            "the file in use was moved or deleted by another program; earlier records are where it went";
        let marker = self.markers.line(Event::Replaced, None, detail);
        self.commit(&marker)
    }

    pub(super) fn replace(&mut self) -> io::Result<()> {
        let len = self.disk.reopen(self.clock.now_ms())?;
        self.begin_segment(len);
        Ok(())
    }

    fn begin_segment(&mut self, len: u64) {
        self.progress = Progress { reported: self.progress.reported, ..Progress::at(len, &self.settings) };
        if let Some(durable) = &self.durable {
            durable.begin(self.disk.reader(), len);
        }
    }

    fn rotate_if_full(&mut self) -> Result<(), SinkError> {
        let Some(limit) = self.settings.rotate_bytes.filter(|_| self.progress.len >= self.progress.rotate_at)
        else {
            return Ok(());
        };
        let now_ms = self.clock.now_ms();
        let Ok(finished) = self.disk.rotate(now_ms) else {
            self.metrics.failed_rotations.add(1);
            self.progress.rotate_at = self.progress.len + limit / 8;
            return Ok(());
        };
        self.metrics.rotations.add(1);
        let detail = format!("{} bytes", self.progress.len);
        self.begin_segment(0);
        let marker = self.markers.line(Event::Continued, Some(&finished), &detail);
        let continued = self.commit(&marker);
        continued.or_else(|error| self.recover(&error, Batch::default()))
    }

    /// Syncs what was written; nothing may be recorded any more.
    pub(super) fn finish(&mut self) -> Result<(), SinkError> {
        if let Some((error, batch)) = self.failed.take() {
            self.recover(&error, batch)?;
        }
        let last = self.report_refused().and_then(|()| self.sync());
        last.or_else(|error| self.recover(&error, Batch::default()))
    }
}
