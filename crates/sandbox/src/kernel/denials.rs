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
    denied::{DeniedCall, TRIED},
    report::Report,
    supervise::{Aside, try_tell},
    system,
};

/// How soon after telling how often it is told again, at first: each time after twice as long. A kind that was not told
/// before is told at once.
const SOONEST: Duration = Duration::from_secs(1);

/// And at last, so that nobody fills a log by making calls. After as long without any it is told soon again.
const LATEST: Duration = Duration::from_secs(60);

/// How soon somebody is told who could not be told at once.
const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Kinds of calls and programs that are told apart; what is beyond is counted together.
const MOST_KINDS: usize = 32;

/// As often as runtimes try something in one process, or nearly.
const USUAL: u64 = 16;

/// Longest name of a program, in characters.
const MOST_NAME: usize = 200;

/// Programs that are not told apart.
const OTHERS: &str = "other programs";

/// Calls of one kind.
#[derive(Debug, Default)]
struct Count {
    untold: u64,
    /// Whether some were told.
    known: bool,
    /// Whether it is what runtimes try and do without.
    tried: bool,
}

impl Count {
    /// Whether it is told at the end, as one: it says nothing of what is run.
    fn is_held(&self) -> bool {
        self.tried && !self.known && self.untold <= USUAL
    }
}

/// What was refused.
#[derive(Debug)]
pub(super) struct Denials {
    listener: OwnedFd,
    /// INVARIANT: a kind stays, so that each is new once and there are never more than a number of them.
    counts: BTreeMap<(i64, String), Count>,
    /// When repeats were told last.
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

    /// Tells the rest, before everything inside ends.
    pub(super) fn finish(&mut self, control: BorrowedFd<'_>) {
        self.tell_those(control, |_| true);
    }

    /// Tells of these kinds what is untold.
    fn tell_those(&mut self, control: BorrowedFd<'_>, chosen: impl Fn(&Count) -> bool) {
        for ((number, program), count) in &mut self.counts {
            if count.untold == 0 || !chosen(count) {
                continue;
            }
            let (call, program) = (calls::named(*number).0, program.clone());
            let denied = DeniedCall { call, program, count: count.untold };
            if try_tell(control, &Report::Denied(denied)).is_ok() {
                *count = Count { untold: 0, known: true, tried: count.tried };
            }
        }
    }

    /// How long repeats are not told yet, if at all.
    fn hold(&self, now: Instant) -> Option<Duration> {
        let since = now.saturating_duration_since(self.told?);
        self.pause.checked_sub(since).filter(|it| !it.is_zero())
    }

    /// Tells all there is at `now`, and the repeats if it is their time; gives the time after which to try again.
    fn tell_at(&mut self, control: BorrowedFd<'_>, now: Instant) -> Option<Duration> {
        self.tell_those(control, |count| !count.known && !count.is_held());
        if self.counts.values().any(|count| count.known && count.untold > 0) {
            if let Some(left) = self.hold(now) {
                return Some(left);
            }
            self.pause = match self.told.map(|told| now.saturating_duration_since(told)) {
                Some(since) if since < self.pause.saturating_add(LATEST) => {
                    LATEST.min(self.pause.saturating_mul(2))
                }
                _ => SOONEST,
            };
            self.told = Some(now);
            self.tell_those(control, |count| !count.is_held());
        }
        self.counts.values().any(|count| count.untold > 0 && !count.is_held()).then_some(SOONEST)
    }

    fn count(&mut self, number: i64, program: String) {
        let full = self.counts.len() >= MOST_KINDS;
        let kind = (number, program);
        let kind = if full && !self.counts.contains_key(&kind) { (-1, OTHERS.to_owned()) } else { kind };
        let number = kind.0;
        let count = self.counts.entry(kind).or_insert_with(|| Count {
            tried: TRIED.contains(&calls::named(number).0.as_str()),
            ..Count::default()
        });
        count.untold = count.untold.saturating_add(1);
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
        let again = self.tell_at(control, Instant::now());
        again.and_then(|again| Timespec::try_from(again).ok())
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
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn kinds_are_counted_apart_up_to_a_number_and_together_beyond() {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut denials = Denials::heard_at(one.into());
        for number in 0..1_000 {
            denials.count(libc::SYS_ptrace, format!("/p{}", number % 100));
            denials.count(libc::SYS_ptrace, "/p0".to_owned());
        }
        assert_eq!(denials.counts.len(), MOST_KINDS + 1);
        assert_eq!(denials.counts.values().map(|it| it.untold).sum::<u64>(), 2_000);
        let one = denials.counts.get(&(libc::SYS_ptrace, "/p0".to_owned())).unwrap();
        assert_eq!(one.untold, 1_010);
    }

    /// How often what is told at a time was refused.
    fn told(denials: &mut Denials, now: Instant) -> Vec<u64> {
        let (control, here) = UnixStream::pair().unwrap();
        denials.tell_at(control.as_fd(), now);
        drop(control);
        let mut counts = Vec::new();
        while let Some(Report::Denied(calls)) = Report::read(&here) {
            counts.push(calls.count);
        }
        counts
    }

    #[test]
    fn what_is_new_is_told_at_once_and_repeats_later_and_later() {
        let (one, _other) = UnixStream::pair().unwrap();
        let mut denials = Denials::heard_at(one.into());
        let start = Instant::now();
        let mut made = 0;
        // A minute of cheap calls.
        for second in 0..70 {
            denials.count(libc::SYS_ptrace, "/cheap".to_owned());
            made += told(&mut denials, start + Duration::from_secs(second)).len();
        }
        assert!((5..10).contains(&made), "{made}");
        denials.count(libc::SYS_ptrace, "/cheap".to_owned());
        denials.count(libc::SYS_keyctl, "/new".to_owned());
        let soon = start + Duration::from_secs(70);
        assert_eq!(told(&mut denials, soon), [1], "the new one alone");
        assert!(denials.counts.values().any(|it| it.untold > 0));
        // The rest at the end, and after a rest it is as at first.
        let (control, here) = UnixStream::pair().unwrap();
        denials.finish(control.as_fd());
        drop(control);
        assert!(matches!(Report::read(&here), Some(Report::Denied(calls)) if calls.count > 1));
        assert!(denials.counts.values().all(|it| it.untold == 0));
        let later = soon + Duration::from_secs(1_000);
        for (after, expected) in [(0, 1), (1, 1), (2, 0), (3, 1)] {
            denials.count(libc::SYS_ptrace, "/cheap".to_owned());
            let counts = told(&mut denials, later + Duration::from_secs(after));
            assert_eq!(counts.len(), expected, "{after}");
        }
    }

    #[test]
    fn what_runtimes_try_is_told_once_with_its_count() {
        let now = Instant::now();
        for (tries, told_at_once, at_the_end) in [(1, 0, Some(1)), (5, 0, Some(5)), (17, 17, None)] {
            let (one, _other) = UnixStream::pair().unwrap();
            let mut denials = Denials::heard_at(one.into());
            let mut made = 0;
            for try_number in 0..tries {
                denials.count(libc::SYS_io_uring_setup, "/usr/bin/node".to_owned());
                made += told(&mut denials, now + Duration::from_secs(try_number)).iter().sum::<u64>();
            }
            assert_eq!(made, told_at_once, "{tries}");
            let (control, here) = UnixStream::pair().unwrap();
            denials.finish(control.as_fd());
            drop(control);
            let rest = match Report::read(&here) {
                Some(Report::Denied(calls)) => Some(calls.count),
                _ => None,
            };
            assert_eq!(rest, at_the_end, "{tries}");
        }
    }
}
