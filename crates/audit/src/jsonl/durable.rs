//! How far the log is durable, for one that follows it.

use std::{collections::VecDeque, fs::File, sync::Arc, time::Instant};

use parking_lot::{Condvar, Mutex};

/// The durable part of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// None when the system gave no handle to it.
    pub(crate) file: Option<Arc<File>>,
    /// Where it begins: what is before was there when the log was opened.
    pub(crate) start: u64,
    /// Where it ends so far.
    pub(crate) end: u64,
    /// Whether nothing will be added to it.
    pub(crate) finished: bool,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Piece>,
    ended: bool,
}

/// What the writer has made durable and the follower has not taken yet. Segments are held open here, so that
/// renaming or deleting them takes nothing away.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    state: Mutex<State>,
    grown: Condvar,
    over: Condvar,
}

impl Durable {
    /// A segment begins, of which `start` bytes are there already.
    pub(super) fn begin(&self, file: Option<File>, start: u64) {
        let mut state = self.state.lock();
        if let Some(last) = state.pieces.back_mut() {
            last.finished = true;
        }
        state.pieces.push_back(Piece { file: file.map(Arc::new), start, end: start, finished: false });
        self.grown.notify_one();
    }

    /// The segment is durable up to `end`.
    pub(super) fn reach(&self, end: u64) {
        let mut state = self.state.lock();
        match state.pieces.back_mut() {
            Some(last) if last.end == end => return,
            Some(last) => last.end = end,
            None => {}
        }
        drop(state);
        self.grown.notify_one();
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.grown.notify_all();
        self.over.notify_all();
    }

    /// The segment to read now.
    pub(crate) fn first(&self) -> Option<Piece> {
        self.state.lock().pieces.front().cloned()
    }

    /// The first segment has been read to its end.
    pub(crate) fn drop_first(&self) {
        self.state.lock().pieces.pop_front();
    }

    /// Waits until the first segment goes beyond `seen` or is finished. Says whether anything can come after
    /// `seen`.
    pub(crate) fn wait(&self, seen: u64) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.pieces.front().is_some_and(|first| first.end > seen || first.finished) {
                return true;
            }
            if state.ended {
                return false;
            }
            self.grown.wait(&mut state);
        }
    }

    /// Waits until `until` or until nothing more will come. Says whether that is so. Records do not end this
    /// wait, so that a busy log does not wake its follower for each of them.
    pub(crate) fn pause(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.ended {
            if self.over.wait_until(&mut state, until).timed_out() {
                return state.ended;
            }
        }
        true
    }
}

/// Says that nothing more will come, however the writer ends.
pub(super) struct Ending(pub(super) Option<Arc<Durable>>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(durable) = &self.0 {
            durable.end();
        }
    }
}
