//! Open-loop schedule: when each request ought to start, and a timer fine enough to keep to it
//! (tokio's own has a granularity of a millisecond).

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::options::Arrivals;

pub(crate) struct Schedule {
    next: Instant,
    interval_s: f64,
    arrivals: Arrivals,
    random: u64,
}

impl Schedule {
    pub(crate) fn new(start: Instant, rate: f64, arrivals: Arrivals) -> Schedule {
        Schedule { next: start, interval_s: 1.0 / rate, arrivals, random: 0x9e37_79b9_7f4a_7c15 }
    }

    /// The start time of the next request; whichever connection asks first gets it.
    pub(crate) fn take(&mut self) -> Instant {
        let at = self.next;
        let gap = match self.arrivals {
            Arrivals::Uniform => self.interval_s,
            Arrivals::Poisson => -self.interval_s * self.uniform().ln(),
        };
        self.next += Duration::from_secs_f64(gap);
        at
    }

    /// In (0, 1], by xorshift64*: the same schedule for every target.
    fn uniform(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits + 1) as f64 / (1u64 << 53) as f64
    }
}

pub(crate) struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    pub(crate) fn new() -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe, to rule out borrowed descriptors; this one is owned"
        )]
        let fd = AsyncFd::new(fd)?;
        Ok(Timer(fd))
    }

    pub(crate) async fn sleep_until(&self, at: Instant) -> io::Result<()> {
        let wait = at.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec::try_from(wait).map_err(io::Error::other)?,
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0; 8];
            let fired = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut expirations)?));
            if let Ok(result) = fired {
                return result.map(drop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn poisson_keeps_the_mean_rate() {
        let start = Instant::now();
        let mut s = Schedule::new(start, 1000.0, Arrivals::Poisson);
        let last = (0..20_000).map(|_| s.take()).last().unwrap();
        let seconds = (last - start).as_secs_f64();
        assert!((19.0..21.0).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn timer_never_fires_early() {
        let timer = Timer::new().unwrap();
        for _ in 0..3 {
            let at = Instant::now() + Duration::from_micros(300);
            timer.sleep_until(at).await.unwrap();
            assert!(Instant::now() >= at);
        }
    }
}
