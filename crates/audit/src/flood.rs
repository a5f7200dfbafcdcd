//! Refusals under flood: each is accounted for, and what it costs is bounded.
//!
//! An attacker decides how often a request is refused, so writing every refusal in full would let them
//! fill the disk and push out the records of everyone else. Each second, a budget of refusals is written in
//! full. The first one beyond it writes a record that says a summary begins; the rest of that second
//! are counted by reason, their receipts name that record, and a tally follows it.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use portcullis_core::{ControlId, RecordId, RefusalKind};

const WINDOW_MS: u64 = 1_000;

/// What to do with one refusal.
pub(crate) enum Admission {
    /// Write it in full.
    Full,
    /// It has been counted under this record.
    Counted(RecordId),
}

/// Refusals of one second that were counted and not written.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// The record that announced the summary.
    pub(crate) opening: RecordId,
    counts: HashMap<Reason, u64>,
}

type Reason = (RefusalKind, Option<ControlId>);

impl Tally {
    /// How many refusals were counted.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// `denied by AZ-01: 1200, bad-origin by NET-03: 3`.
    pub(crate) fn describe(&self) -> String {
        let mut counts: Vec<_> = self.counts.iter().map(|(reason, count)| (name(*reason), count)).collect();
        counts.sort_unstable();
        counts.iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>().join(", ")
    }
}

fn name((kind, control): Reason) -> String {
    let kind = serde_json::to_string(&kind).unwrap_or_default();
    format!("{} by {}", kind.trim_matches('"'), control.map_or("the gateway", ControlId::as_str))
}

#[derive(Default)]
struct Window {
    started_ms: u64,
    in_full: u32,
    tally: Option<Tally>,
}

/// The budget and the current second.
pub(crate) struct Flood {
    per_second: u32,
    window: Mutex<Window>,
    /// When the open tally is due in milliseconds since the epoch; `u64::MAX` while there is none. Lets
    /// every other record ask for one load.
    due_ms: AtomicU64,
}

impl Flood {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, window: Mutex::default(), due_ms: AtomicU64::new(u64::MAX) }
    }

    /// Decides about one refusal at `now_ms`. `announce` writes the record under which the rest of the
    /// second is counted; it is called at most once a second. When it fails there is nothing to count
    /// under, so the refusal is to be written in full and meets the same failure itself.
    pub(crate) fn admit(
        &self,
        now_ms: u64,
        kind: RefusalKind,
        control: Option<ControlId>,
        announce: impl FnOnce() -> Option<RecordId>,
    ) -> Admission {
        let mut window = self.window.lock();
        if window.tally.is_none() && now_ms.abs_diff(window.started_ms) >= WINDOW_MS {
            *window = Window { started_ms: now_ms, ..Window::default() };
        }
        if window.in_full < self.per_second {
            window.in_full += 1;
            return Admission::Full;
        }
        if window.tally.is_none() {
            let Some(opening) = announce() else { return Admission::Full };
            window.tally = Some(Tally { opening, counts: HashMap::new() });
            self.due_ms.store(window.started_ms.saturating_add(WINDOW_MS), Ordering::Release);
        }
        let Some(tally) = &mut window.tally else { return Admission::Full };
        *tally.counts.entry((kind, control)).or_default() += 1;
        Admission::Counted(tally.opening.clone())
    }

    /// The tally of a second that is over, to be written now. At most one caller gets it.
    pub(crate) fn due(&self, now_ms: u64) -> Option<Tally> {
        if now_ms < self.due_ms.load(Ordering::Acquire) { None } else { self.take() }
    }

    /// The open tally, whether its second is over or not.
    pub(crate) fn take(&self) -> Option<Tally> {
        let mut window = self.window.lock();
        self.due_ms.store(u64::MAX, Ordering::Release);
        let tally = window.tally.take();
        *window = Window::default();
        tally
    }
}
