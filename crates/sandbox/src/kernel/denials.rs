//! Hearing of system calls that are refused.
//!
//! The filter has them wait for an answer (seccomp_unotify(2)), which the first process of the sandbox gives: an error,
//! always. Only where it is to be learnt what a program uses, calls that are allowed wait as well and are let pass, see
//! [`super::sightings`]. No program inside has the descriptor at
//! which calls wait. When the first process is gone so is everything inside; a call that nobody would answer is ended by
//! the kernel with an error. Telling what was refused never waits for whoever is told.

use std::{
    collections::BTreeMap,
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::event::Timespec;

use super::{calls, sightings::Sightings};
use crate::{
    denied::DeniedCall,
    report::Report,
    supervise::{Aside, try_tell},
    system,
};

/// How soon after telling what was refused it is told again, at first: each time after twice as long.
const SOONEST: Duration = Duration::from_secs(1);

/// And at last, so that nobody fills a log by making calls.
const LATEST: Duration = Duration::from_secs(60);

/// How soon somebody is told who could not be told at once.
const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Kinds of calls and programs that are counted apart; what is beyond is counted together.
const MOST_KINDS: usize = 32;

/// Longest name of a program, in characters.
const MOST_NAME: usize = 200;

/// Programs that are not told apart.
const OTHERS: &str = "other programs";

/// What was refused and not told yet.
#[derive(Debug)]
pub(super) struct Denials {
    listener: OwnedFd,
    counts: BTreeMap<(i64, String), u64>,
    told: Option<Instant>,
    pause: Duration,
    /// Files that are used, when that is to be learnt.
    sightings: Option<Sightings>,
}

impl Denials {
    pub(super) fn heard_at(listener: OwnedFd) -> Self {
        Self { listener, counts: BTreeMap::new(), told: None, pause: SOONEST, sightings: None }
    }

    /// The same, and what is used is noted.
    pub(super) fn watching(self) -> Self {
        Self { sightings: Some(Sightings::default()), ..self }
    }

    /// Tells the rest, when everything inside has ended.
    pub(super) fn finish(&mut self, control: BorrowedFd<'_>) {
        self.told = None;
        self.tell(control);
    }

    fn count(&mut self, number: i64, program: String) {
        let full = self.counts.len() >= MOST_KINDS;
        let kind = (number, program);
        let kind = if full && !self.counts.contains_key(&kind) { (-1, OTHERS.to_owned()) } else { kind };
        let count = self.counts.entry(kind).or_default();
        *count = count.saturating_add(1);
    }
}

impl Aside for Denials {
    fn arrives_at(&self) -> Option<BorrowedFd<'_>> {
        Some(self.listener.as_fd())
    }

    fn take(&mut self) {
        // One that was interrupted or killed meanwhile is none.
        let Ok(call) = system::next_held(self.listener.as_fd()) else { return };
        if self.sightings.as_mut().is_some_and(|sightings| sightings.note(&call)) {
            return system::danger_let_held_pass(self.listener.as_fd(), &call);
        }
        let program = program(call.thread).filter(|_| system::is_held(self.listener.as_fd(), &call));
        system::refuse_held(self.listener.as_fd(), &call, calls::answer(call.number));
        self.count(call.number, program.unwrap_or_else(|| "?".to_owned()));
    }

    fn tell(&mut self, control: BorrowedFd<'_>) -> Option<Timespec> {
        let seen = self.sightings.as_mut().is_some_and(|sightings| sightings.tell(control));
        if seen {
            return Some(SOON);
        }
        if self.counts.is_empty() {
            return None;
        }
        let since = self.told.map(|told| told.elapsed());
        if let Some(left) = since.and_then(|since| self.pause.checked_sub(since)).filter(|it| !it.is_zero()) {
            return Timespec::try_from(left).ok();
        }
        if since.is_some() {
            self.pause = LATEST.min(self.pause.saturating_mul(2));
        }
        self.told = Some(Instant::now());
        self.counts.retain(|(number, program), count| {
            let (call, program) = (calls::named(*number).0, program.clone());
            try_tell(control, &Report::Denied(DeniedCall { call, program, count: *count })).is_err()
        });
        (!self.counts.is_empty()).then(|| Timespec::try_from(SOONEST).ok()).flatten()
    }
}

/// The program a thread runs, as it is called inside. The path is of the server's choosing.
fn program(thread: u32) -> Option<String> {
    let path = fs::read_link(format!("/proc/{thread}/exe")).ok()?;
    let printable = path.to_string_lossy().chars().flat_map(char::escape_debug).take(MOST_NAME).collect();
    Some(printable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn kinds_are_counted_apart_up_to_a_number_and_together_beyond() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut denials = Denials::heard_at(one.into());
        for number in 0..1_000 {
            denials.count(libc::SYS_ptrace, format!("/p{}", number % 100));
            denials.count(libc::SYS_ptrace, "/p0".to_owned());
        }
        assert_eq!(denials.counts.len(), MOST_KINDS + 1);
        assert_eq!(denials.counts.values().sum::<u64>(), 2_000);
        assert_eq!(denials.counts.get(&(libc::SYS_ptrace, "/p0".to_owned())), Some(&1_010));
    }
}
