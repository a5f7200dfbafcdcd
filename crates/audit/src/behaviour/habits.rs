//! What is usual for a caller or a server.

use std::collections::{HashMap, HashSet};

/// Names remembered of one caller or server. With so many, nothing is new any more.
const MOST_NAMES: usize = 4_096;
/// Busy minutes after which a pace is known.
const MINUTES: u32 = 10;
/// A pace below this many calls a minute is nobody's outlier.
const LEAST_RATE: u32 = 60;
/// Results after which a size is known.
const RESULTS: u32 = 50;
/// A result below this many bytes is nobody's outlier.
const LEAST_SIZE: u64 = 1 << 20;

/// Something that is forgotten when it was quiet for long.
pub(super) trait Seen {
    fn seen(&mut self, at_ms: u64);
    fn last_ms(&self) -> u64;
}

/// Of a caller.
#[derive(Debug, Default)]
pub(super) struct Caller {
    last_ms: u64,
    pub(super) tools: Names,
    pub(super) pace: Pace,
    pub(super) hours: Hours,
}

/// Of a server.
#[derive(Debug, Default)]
pub(super) struct Server {
    last_ms: u64,
    pub(super) destinations: Names,
    pub(super) sizes: Sizes,
}

impl Seen for Caller {
    fn seen(&mut self, at_ms: u64) {
        self.last_ms = at_ms;
    }

    fn last_ms(&self) -> u64 {
        self.last_ms
    }
}

impl Seen for Server {
    fn seen(&mut self, at_ms: u64) {
        self.last_ms = at_ms;
    }

    fn last_ms(&self) -> u64 {
        self.last_ms
    }
}

/// Names that were used.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashSet<String>,
    used: u32,
}

impl Names {
    /// Whether this is the first use of a name after `after` uses of others; 0 is never.
    pub(super) fn is_new(&mut self, name: &str, after: u32) -> bool {
        self.used = self.used.saturating_add(1);
        if self.known.contains(name) || self.known.len() >= MOST_NAMES {
            return false;
        }
        self.known.insert(name.to_owned());
        after > 0 && self.used > after
    }
}

/// Hours of the day, in UTC, at which there were calls.
#[derive(Debug, Default)]
pub(super) struct Hours {
    /// A bit an hour.
    known: u32,
    /// The last day with a call.
    day: u64,
    /// Days with calls.
    days: u32,
}

impl Hours {
    /// One more call; says so when none ever came within an hour of this time of day, on `after` days before.
    pub(super) fn call(&mut self, at_ms: u64, after: u32) -> Option<String> {
        let (day, hour) = (at_ms / 86_400_000, at_ms / 3_600_000 % 24);
        let around = [(hour + 23) % 24, hour, (hour + 1) % 24];
        let usual = around.iter().any(|hour| self.known & (1 << hour) != 0);
        let days = self.days;
        self.known |= 1 << hour;
        if day != self.day {
            (self.day, self.days) = (day, days.saturating_add(1));
        }
        let off = after > 0 && days >= after && !usual;
        off.then(|| format!("the first call at {hour}:00 UTC, after {days} days with calls at other hours"))
    }
}

/// Calls by minute.
#[derive(Debug, Default)]
pub(super) struct Pace {
    minute: u64,
    calls: u32,
    busiest: u32,
    minutes: u32,
}

impl Pace {
    /// One more call; says so when there are more than `factor` times as many as in the busiest minute before.
    pub(super) fn call(&mut self, at_ms: u64, factor: u32) -> Option<String> {
        let minute = at_ms / 60_000;
        if minute != self.minute {
            self.busiest = self.busiest.max(self.calls);
            self.minutes = self.minutes.saturating_add(u32::from(self.calls > 0));
            (self.minute, self.calls) = (minute, 0);
        }
        self.calls = self.calls.saturating_add(1);
        let most = self.busiest.saturating_mul(factor).max(LEAST_RATE);
        let beyond = factor > 0 && self.minutes >= MINUTES && self.calls == most.saturating_add(1);
        beyond.then(|| format!("more than {most} calls within a minute, {} at most before", self.busiest))
    }
}

/// Sizes of results by tool.
#[derive(Debug, Default)]
pub(super) struct Sizes(HashMap<String, Size>);

#[derive(Debug, Default)]
struct Size {
    results: u32,
    /// Weighs what came last most.
    mean: u64,
}

impl Sizes {
    /// One more result; says so when it is more than `factor` times as large as they are on average.
    pub(super) fn result(&mut self, tool: &str, bytes: u64, factor: u32) -> Option<String> {
        if self.0.len() >= MOST_NAMES && !self.0.contains_key(tool) {
            return None;
        }
        let known = self.0.entry(tool.to_owned()).or_default();
        let (results, mean) = (known.results, known.mean);
        known.results = results.saturating_add(1);
        known.mean = match results {
            0 => bytes,
            _ => mean.saturating_mul(15).saturating_add(bytes) / 16,
        };
        let most = mean.saturating_mul(u64::from(factor)).max(LEAST_SIZE);
        let beyond = factor > 0 && results >= RESULTS && bytes > most;
        beyond.then(|| format!("a result of `{tool}` with {bytes} bytes, {mean} on average before"))
    }
}
