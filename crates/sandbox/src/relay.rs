//! Passing on what the first process of a sandbox tells.
//!
//! Nobody waits: what the gateway does not take stays where it is, and the first process counts meanwhile.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use portcullis_core::Exit;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    report::Report,
    supervise::{Aside, try_tell},
};

/// How soon a gateway that takes nothing is asked again.
const AGAIN: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What is on its way.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Absent when there is nothing more to come.
    from: Option<OwnedFd>,
    waiting: Option<Report>,
    ended: Option<Exit>,
}

impl Relay {
    pub(crate) fn of(from: OwnedFd) -> Self {
        Self { from: Some(from), waiting: None, ended: None }
    }

    pub(crate) fn of_nobody() -> Self {
        Self { from: None, waiting: None, ended: None }
    }

    /// Passes on what the first process still has to tell, until it says that this is all, or this time is over.
    pub(crate) fn drain(&mut self, control: BorrowedFd<'_>, longest: Duration) {
        let start = Instant::now();
        while let Some(from) = &self.from {
            let left = longest.checked_sub(start.elapsed()).and_then(|left| Timespec::try_from(left).ok());
            let Some(left) = left else { return };
            match poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&left)) {
                Ok(0) => return,
                Ok(_) => self.take(),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
            self.tell(control);
            self.waiting = None;
        }
    }

    /// Passes on what is left, once the first process is gone, and gives the end it told of.
    pub(crate) fn finish(mut self, control: BorrowedFd<'_>) -> Option<Exit> {
        while self.from.is_some() {
            self.tell(control);
            // Whoever has not taken it by now is not there any more.
            self.waiting = None;
            self.take();
        }
        self.tell(control);
        self.ended
    }
}

impl Aside for Relay {
    fn arrives_at(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().filter(|_| self.waiting.is_none()).map(AsFd::as_fd)
    }

    fn take(&mut self) {
        match self.from.as_ref().and_then(Report::read) {
            Some(Report::Ended(exit)) => {
                self.ended = Some(exit);
                self.from = None;
            }
            Some(denied @ Report::Denied(_)) => self.waiting = Some(denied),
            // Not for the gateway.
            Some(_) => {}
            None => self.from = None,
        }
    }

    fn tell(&mut self, control: BorrowedFd<'_>) -> Option<Timespec> {
        match try_tell(control, self.waiting.as_ref()?) {
            Err(Errno::AGAIN) => Some(AGAIN),
            // A gateway that is gone is noticed elsewhere.
            Ok(()) | Err(_) => {
                self.waiting = None;
                None
            }
        }
    }
}
