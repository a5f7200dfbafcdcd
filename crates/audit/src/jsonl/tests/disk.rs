//! A disk in memory.

use std::{
    collections::{HashSet, VecDeque},
    io,
    sync::Arc,
    thread::{self, ThreadId},
};

use parking_lot::{Condvar, Mutex};

use super::super::disk::Disk;

/// One scripted answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The error of this number.
    Errno(i32),
    /// A write of this many bytes at most.
    Short(usize),
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    synced: usize,
    /// Answers to the next writes; then writes work.
    writes: VecDeque<Fault>,
    /// Answers to the next syncs; then syncs work.
    syncs: VecDeque<i32>,
    /// Every operation fails with this.
    broken: Option<i32>,
    /// Operations that begin block while this is set.
    held: bool,
    /// Syncs that have begun.
    begun: usize,
    displaced: bool,
    rotations_fail: bool,
    finished: Vec<Vec<u8>>,
    writers: HashSet<ThreadId>,
}

#[derive(Clone, Default)]
pub(super) struct Platter(Arc<(Mutex<State>, Condvar)>);

impl Platter {
    pub(super) fn fail_writes(&self, faults: &[Fault]) {
        self.change(|s| s.writes.extend(faults));
    }

    pub(super) fn fail_syncs(&self, errors: &[i32]) {
        self.change(|s| s.syncs.extend(errors));
    }

    pub(super) fn break_all(&self, error: i32) {
        self.change(|s| s.broken = Some(error));
    }

    pub(super) fn mend(&self) {
        self.change(|s| s.broken = None);
    }

    pub(super) fn fail_rotations(&self, fail: bool) {
        self.change(|s| s.rotations_fail = fail);
    }

    pub(super) fn displace(&self) {
        self.change(|s| s.displaced = true);
    }

    /// Lets no sync end until [`release`](Self::release).
    pub(super) fn hold_syncs(&self) {
        self.change(|s| s.held = true);
    }

    pub(super) fn release(&self) {
        self.change(|s| s.held = false);
    }

    /// Blocks until `count` syncs have begun since the beginning.
    pub(super) fn wait_for_syncs_begun(&self, count: usize) {
        let mut state = self.0.0.lock();
        self.0.1.wait_while(&mut state, |s| s.begun < count);
    }

    /// Blocks until `text` has been written.
    pub(super) fn wait_for_text(&self, text: &str) {
        let mut state = self.0.0.lock();
        self.0.1.wait_while(&mut state, |s| !String::from_utf8_lossy(&s.bytes).contains(text));
    }

    /// The threads that have written.
    pub(super) fn writers(&self) -> HashSet<ThreadId> {
        self.0.0.lock().writers.clone()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().bytes.clone()).unwrap()
    }

    /// What would be left after a loss of power.
    pub(super) fn synced_text(&self) -> String {
        let state = self.0.0.lock();
        String::from_utf8(state.bytes[..state.synced].to_vec()).unwrap()
    }

    pub(super) fn finished(&self) -> Vec<String> {
        self.0.0.lock().finished.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock());
        self.0.1.notify_all();
    }
}

pub(super) struct FakeDisk(pub(super) Platter);

impl FakeDisk {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.0.0.lock();
        match state.broken {
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => act(&mut state),
        }
    }
}

impl Disk for FakeDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|state| {
            let len = match state.writes.pop_front() {
                Some(Fault::Errno(error)) => return Err(io::Error::from_raw_os_error(error)),
                Some(Fault::Short(len)) => len.min(bytes.len()),
                None => bytes.len(),
            };
            state.bytes.extend_from_slice(&bytes[..len]);
            state.writers.insert(thread::current().id());
            self.0.0.1.notify_all();
            Ok(len)
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.change(|s| s.begun += 1);
        let (lock, changed) = &*self.0.0;
        changed.wait_while(&mut lock.lock(), |s| s.held);
        self.with(|state| match state.syncs.pop_front() {
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => {
                state.synced = state.bytes.len();
                Ok(())
            }
        })
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.with(|state| {
            let len = usize::try_from(len).unwrap();
            assert!(len >= state.synced || state.bytes.len() <= len, "synced records must never be cut off");
            state.bytes.truncate(len);
            Ok(())
        })
    }

    fn rotate(&mut self, _now_ms: u64) -> io::Result<String> {
        self.with(|state| {
            if state.rotations_fail {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            state.synced = 0;
            let finished = std::mem::take(&mut state.bytes);
            state.finished.push(finished);
            Ok(format!("finished-{}", state.finished.len()))
        })
    }

    fn in_place(&self) -> bool {
        !self.0.0.0.lock().displaced
    }

    fn reopen(&mut self, _now_ms: u64) -> io::Result<u64> {
        self.with(|state| {
            state.displaced = false;
            state.synced = 0;
            let moved = std::mem::take(&mut state.bytes);
            state.finished.push(moved);
            Ok(0)
        })
    }
}
