//! The one thread that grows the tree: takes the lines that have become durable, lays tiles, signs a checkpoint,
//! and waits.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::Clock;
use tokio::sync::watch;

use super::{
    CHECKPOINT, HISTORY, Shared, TransparencyLogOptions,
    builder::Builder,
    journal::{Journal, Lines, Read},
    keys::KeyFile,
    lay, say,
    state::{Position, State},
};
use crate::{
    Health, JsonLines,
    jsonl::{Durable, Event},
    note::{Checkpoint, KeyRing, Note},
    tree::TILE_WIDTH,
};

/// However impatient the configuration is, a disk that fails is not asked more often than this.
const SHORTEST_RETRY: Duration = Duration::from_millis(1);

/// What a follower is made of.
pub(super) struct Parts {
    pub(super) options: TransparencyLogOptions,
    pub(super) lines: Arc<JsonLines>,
    pub(super) durable: Arc<Durable>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: KeyFile,
    pub(super) builder: Builder,
    pub(super) journal: Journal,
    pub(super) shared: Arc<Shared>,
    pub(super) published: watch::Sender<Option<Arc<Note>>>,
    pub(super) health: watch::Sender<Health>,
}

struct Retiring {
    keys: KeyRing,
    announcement: Vec<u8>,
    announced: bool,
}

pub(super) struct Follower {
    parts: Parts,
    /// Where the lines in the tree end, when that is further than the last checkpoint.
    position: Option<Position>,
    /// Keys that were replaced. They sign until a checkpoint covers the line that names their successors.
    retiring: Option<Retiring>,
    /// Size of the newest checkpoint in the history.
    kept: Option<u64>,
    /// Why the key file is not used as it is, so that it is said once.
    refused_keys: Option<String>,
}

impl Follower {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, position: None, retiring: None, kept: None, refused_keys: None }
    }

    /// Follows until the lines end and all of them are in the tree.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut signed = Instant::now();
        loop {
            match self.retrying(|follower| follower.parts.journal.read())? {
                Read::Lines(lines) => {
                    self.add(lines);
                    self.retrying(Self::commit)?;
                    signed = Instant::now();
                }
                Read::Nothing if !self.parts.journal.wait() => return Ok(()),
                Read::Nothing => {
                    let next = signed.checked_add(self.parts.options.interval).unwrap_or(signed);
                    self.parts.durable.pause(next);
                }
            }
        }
    }

    fn add(&mut self, lines: Lines) {
        let mut left_out = 0;
        for line in lines.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some(retiring) = self.retiring.as_mut().filter(|retiring| retiring.announcement == line) {
                retiring.announced = true;
            }
            left_out += u64::from(!self.parts.builder.push(line));
        }
        if left_out > 0 {
            say(
                &self.parts.lines,
                &self.parts.shared.markers,
                Event::Gap,
                &format!("{left_out} lines were too long to be records and are not in the transparency log"),
            );
        }
        self.position = Some(Position { segment: lines.segment, offset: lines.offset });
    }

    /// Makes what was added durable and signs a checkpoint over it.
    fn commit(&mut self) -> io::Result<()> {
        let Some(position) = self.position.clone() else { return Ok(()) };
        self.refresh_keys();
        self.parts.builder.lay()?;
        let checkpoint = Checkpoint {
            origin: self.parts.keys.ring().name().to_owned(),
            size: self.parts.builder.size(),
            root: self.parts.builder.root(),
        };
        let note = self.sign(&checkpoint)?;
        let state = State { note: note.clone(), checkpoint, position };
        state.write(&self.parts.options.directory)?;
        self.publish(note, state.checkpoint.size)?;
        self.position = None;
        self.retiring.take_if(|retiring| retiring.announced);
        Ok(())
    }

    fn sign(&self, checkpoint: &Checkpoint) -> io::Result<Note> {
        let now_s = self.parts.clock.now_ms() / 1_000;
        let failed = || io::Error::other("a checkpoint could not be signed");
        let mut note = self.parts.keys.ring().sign(checkpoint, now_s).ok_or_else(failed)?;
        match &self.retiring {
            Some(old) if !old.keys.sign_also(&mut note, now_s) => Err(failed()),
            _ => Ok(note),
        }
    }

    fn publish(&mut self, note: Note, size: u64) -> io::Result<()> {
        let directory = &self.parts.options.directory;
        let tile = |size: u64| size / TILE_WIDTH as u64;
        if self.kept.is_none_or(|kept| tile(kept) != tile(size)) || self.retiring.is_some() {
            let mut line = serde_json::to_vec(&note.to_string()).map_err(io::Error::other)?;
            line.push(b'\n');
            lay::append(&directory.join(HISTORY), &line)?;
            self.kept = Some(size);
        }
        let note = Arc::new(note);
        let mut current = self.parts.shared.current.lock();
        lay::replace(&directory.join(CHECKPOINT), note.to_string().as_bytes())?;
        *current = Some(note.clone());
        drop(current);
        let metrics = &self.parts.shared.metrics;
        metrics.size.set(size);
        metrics.checkpoints.add(1);
        metrics.signed_at.set(self.parts.clock.now_ms() / 1_000);
        self.parts.published.send_replace(Some(note));
        Ok(())
    }

    /// Takes over keys that were replaced. The line that says so names the new ones, and the next checkpoint is
    /// signed by both.
    fn refresh_keys(&mut self) {
        match self.parts.keys.refresh() {
            Ok(None) => {}
            Ok(Some(old)) => {
                let keys: Vec<_> = self.parts.keys.ring().public().map(ToString::to_string).collect();
                let announcement =
                    say(&self.parts.lines, &self.parts.shared.markers, Event::KeysChanged, &keys.join(" "));
                self.retiring = Some(Retiring { keys: old, announcement, announced: false });
                self.refused_keys = None;
            }
            Err(fault) => {
                let why = fault.to_string();
                if self.refused_keys.as_ref() != Some(&why) {
                    say(
                        &self.parts.lines,
                        &self.parts.shared.markers,
                        Event::KeysRefused,
                        &format!("the keys stay as they are: {why}"),
                    );
                    self.refused_keys = Some(why);
                }
            }
        }
    }

    /// Does something until it works, with growing pauses; gives up when the lines have ended.
    fn retrying<T>(&mut self, mut attempt: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let mut wait = self.parts.options.first_retry.max(SHORTEST_RETRY);
        loop {
            let error = match attempt(self) {
                Ok(done) => {
                    self.healthy();
                    return Ok(done);
                }
                Err(error) => error,
            };
            self.parts.shared.metrics.failures.add(1);
            let since_ms = self.parts.clock.now_ms();
            let reason = format!("the transparency log cannot be written: {error}");
            self.parts.health.send_if_modified(|health| {
                let news = *health == Health::Working;
                if news {
                    *health = Health::Failing { since_ms, reason };
                }
                news
            });
            let now = Instant::now();
            if self.parts.durable.pause(now.checked_add(wait).unwrap_or(now)) {
                return attempt(self);
            }
            wait = self.parts.options.last_retry.min(wait.saturating_mul(2)).max(SHORTEST_RETRY);
        }
    }

    fn healthy(&self) {
        self.parts.health.send_if_modified(|health| {
            let news = *health != Health::Working;
            *health = Health::Working;
            news
        });
    }
}
