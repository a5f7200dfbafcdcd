//! Refusals under flood: each is accounted for, and what it costs is bounded.
//!
//! An attacker decides how often a request is refused, so writing every refusal in full would let them
//! fill the disk and push out the records of everyone else. Each second, a budget of refusals is written in
//! full. The first one beyond it writes a record that says a summary begins; the rest of that second
//! are counted by reason, their receipts name that record, and a tally follows it.
//!
//! What one server attempts on its way out has a budget of its own, for each server: a hostile one crowds nobody's
//! refusals into counts but its own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use portcullis_core::{Channel, ControlId, DecisionRecord, RecordId, RefusalKind, ServerName};

const CALLS_WINDOW_MS: u64 = 1_000;
const CALLS_BEGIN: &str = "further refusals of this second are counted by reason in a record that follows";

const EGRESS_WINDOW_MS: u64 = 10_000;
const EGRESS_BEGIN: &str =
    "its further refusals on the way out in these ten seconds are counted by reason in a record that follows";

/// What to do with one refusal.
pub(crate) enum Admission {
    /// Write it in full.
    Full,
    /// It has been counted under this record.
    Counted(RecordId),
}

/// Refusals of one window of time that were counted and not written.
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

/// The budget of callers, and one for the way out of each server.
pub(crate) struct Floods {
    calls: Arc<Flood>,
    egress_budget: u32,
    /// By names that the configuration gave, so there are no more of them than it has servers.
    egress: RwLock<BTreeMap<ServerName, Arc<Flood>>>,
}

impl Floods {
    pub(crate) fn new(calls_per_second: u32, egress_budget: u32) -> Self {
        let calls = Flood::new(calls_per_second, CALLS_WINDOW_MS, CALLS_BEGIN);
        Self { calls: Arc::new(calls), egress_budget, egress: RwLock::default() }
    }

    /// The budget that a refusal is taken from.
    pub(crate) fn of(&self, record: &DecisionRecord) -> Arc<Flood> {
        let (Channel::Egress, Some(server)) = (record.channel, &record.server) else {
            return self.calls.clone();
        };
        if let Some(known) = self.egress.read().get(server) {
            return known.clone();
        }
        let new = || Arc::new(Flood::new(self.egress_budget, EGRESS_WINDOW_MS, EGRESS_BEGIN));
        self.egress.write().entry(server.clone()).or_insert_with(new).clone()
    }

    /// The tallies of windows that are over, to be written now.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<Tally> {
        self.tallies(|flood| flood.due(now_ms))
    }

    /// Every open tally.
    pub(crate) fn take(&self) -> Vec<Tally> {
        self.tallies(Flood::take)
    }

    fn tallies(&self, take: impl Fn(&Flood) -> Option<Tally>) -> Vec<Tally> {
        let egress = self.egress.read();
        take(&self.calls).into_iter().chain(egress.values().filter_map(|flood| take(flood))).collect()
    }
}

/// One budget and the current window of time.
pub(crate) struct Flood {
    budget: u32,
    window_ms: u64,
    /// What the record says that announces a summary.
    pub(crate) begins: &'static str,
    window: Mutex<Window>,
    /// When the open tally is due in milliseconds since the epoch; `u64::MAX` while there is none. Lets
    /// every other record ask for one load.
    due_ms: AtomicU64,
}

impl Flood {
    fn new(budget: u32, window_ms: u64, begins: &'static str) -> Self {
        Self { budget, window_ms, begins, window: Mutex::default(), due_ms: AtomicU64::new(u64::MAX) }
    }

    /// Decides about one refusal at `now_ms`. `announce` writes the record under which the rest of the
    /// window is counted; it is called at most once in it. When it fails there is nothing to count
    /// under, so the refusal is to be written in full and meets the same failure itself.
    pub(crate) fn admit(
        &self,
        now_ms: u64,
        kind: RefusalKind,
        control: Option<ControlId>,
        announce: impl FnOnce() -> Option<RecordId>,
    ) -> Admission {
        let mut window = self.window.lock();
        if window.tally.is_none() && now_ms.abs_diff(window.started_ms) >= self.window_ms {
            *window = Window { started_ms: now_ms, ..Window::default() };
        }
        if window.in_full < self.budget {
            window.in_full += 1;
            return Admission::Full;
        }
        if window.tally.is_none() {
            let Some(opening) = announce() else { return Admission::Full };
            window.tally = Some(Tally { opening, counts: HashMap::new() });
            self.due_ms.store(window.started_ms.saturating_add(self.window_ms), Ordering::Release);
        }
        let Some(tally) = &mut window.tally else { return Admission::Full };
        *tally.counts.entry((kind, control)).or_default() += 1;
        Admission::Counted(tally.opening.clone())
    }

    /// The tally of a window that is over, to be written now. At most one caller gets it.
    fn due(&self, now_ms: u64) -> Option<Tally> {
        if now_ms < self.due_ms.load(Ordering::Acquire) { None } else { self.take() }
    }

    /// The open tally, whether its window is over or not.
    fn take(&self) -> Option<Tally> {
        let mut window = self.window.lock();
        self.due_ms.store(u64::MAX, Ordering::Release);
        let tally = window.tally.take();
        *window = Window::default();
        tally
    }
}
