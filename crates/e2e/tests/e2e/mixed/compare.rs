//! What clients met, what servers received and what is on record, side by side.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    time::Duration,
};

use portcullis_audit::{LoggedRecord, read_records, segments, unfinished};
use portcullis_testkit::journal::{Journal, Received};
use serde_json::Value;

use super::load::{Load, Met};

/// Longest a record that no effect waits for may be on its way to the disk.
const QUEUED: Duration = Duration::from_millis(250);

/// What takes effect at a server.
const EFFECTS: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// How much there was of everything; what may not be was looked for.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Lines of the log, over all segments.
    pub(super) lines: u64,
    pub(super) runs: usize,
    pub(super) calls: usize,
    /// Requests that servers received.
    pub(super) effects: usize,
    /// Calls that clients saw the end of.
    pub(super) answered: usize,
    pub(super) refused: usize,
    /// Refused because they could not be recorded.
    pub(super) unrecorded: usize,
    /// Refusals that a client was told of just before a kill, and that are not on record.
    pub(super) refusals_lost: usize,
    /// Outcomes by their name.
    pub(super) outcomes: BTreeMap<String, usize>,
    /// Allowed, and at no server: killed in between.
    pub(super) without_effect: usize,
}

impl Compared {
    pub(super) fn of(load: &Load, log: &Path, journals: &[&Journal]) -> Self {
        let records = in_order(log);
        let left: Vec<_> = unfinished(&records).iter().map(|it| it.to_json()).collect();
        assert!(left.is_empty(), "decisions without an outcome: {left:?}");
        let mut compared = Self { lines: records.len() as u64, runs: runs(&records), ..Self::default() };
        let outcomes = outcomes(&records);
        let mut decisions: HashMap<&str, &LoggedRecord> = HashMap::new();
        for record in records.iter().filter(|it| it.kind() == "decision") {
            let Some(trace) = text(record, "trace_id") else { continue };
            assert!(decisions.insert(trace, record).is_none(), "decided twice: {:?}", record.to_json());
        }
        let mut received: HashMap<String, Received> = HashMap::new();
        for message in journals.iter().flat_map(|journal| journal.received().unwrap()) {
            let Some(trace) = effect(&message) else { continue };
            let twice = received.insert(trace.clone(), message);
            assert!(twice.is_none(), "sent twice: {twice:?}");
            let decision = decisions.get(&*trace);
            let decision = decision.unwrap_or_else(|| panic!("no decision for {:?}", received[&trace].body));
            assert_same(decision, &received[&trace]);
        }
        compared.effects = received.len();
        for (trace, decision) in &decisions {
            compared.decision(decision, received.get(*trace), &outcomes);
        }
        let ids: HashSet<_> = records.iter().filter_map(LoggedRecord::id).collect();
        for (trace, met) in load.met() {
            compared.client(
                &met,
                decisions.get(&*trace).copied(),
                received.get(&trace),
                &outcomes,
                (&ids, load),
            );
        }
        compared
    }

    /// An allowed call has one outcome, which fits what its server received; a refused one was not sent.
    fn decision(&mut self, decision: &LoggedRecord, sent: Option<&Received>, outcomes: &Outcomes<'_>) {
        let id = decision.id().unwrap();
        if !decision.allows() {
            self.refused += 1;
            assert!(
                sent.is_none() && !outcomes.contains_key(id),
                "refused and sent: {:?}",
                decision.to_json()
            );
            return;
        }
        let outcome = outcomes[id];
        *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
        if sent.is_none() {
            self.without_effect += 1;
            let unknown = ["abandoned", "unknown", "withheld", "cancelled"].contains(&outcome);
            assert!(unknown, "{outcome}, and no server has it: {:?}", decision.to_json());
        }
    }

    /// Nobody was told what is not on record.
    fn client(
        &mut self,
        met: &Met,
        decision: Option<&LoggedRecord>,
        sent: Option<&Received>,
        outcomes: &Outcomes<'_>,
        (ids, load): (&HashSet<&str>, &Load),
    ) {
        self.calls += 1;
        match met {
            Met::Broken => {}
            Met::Answer => {
                self.answered += 1;
                let decision = decision.expect("an answer without a decision");
                let outcome = outcomes.get(decision.id().unwrap());
                let told = ["completed", "upstream-error"];
                let is_recorded = outcome.is_some_and(|outcome| told.contains(outcome));
                assert!(is_recorded && sent.is_some(), "answered: {:?}: {outcome:?}", decision.to_json());
            }
            Met::Bare { .. } => match decision {
                Some(decision) => {
                    let outcome = outcomes.get(decision.id().unwrap());
                    assert_eq!(outcome, Some(&"upstream-error"), "{met:?} {:?}", decision.to_json());
                }
                None => {
                    self.unrecorded += 1;
                    assert!(sent.is_none(), "not recorded, and yet: {met:?} {sent:?}");
                }
            },
            Met::Refusal { record, life, at, .. } if !ids.contains(&**record) => {
                self.refusals_lost += 1;
                let killed = load.killed.get(*life).map(|killed| killed.saturating_duration_since(*at));
                assert!(killed.is_some_and(|before| before < QUEUED), "`{record}` is lost: {met:?}");
                assert!(sent.is_none(), "refused and sent: {sent:?}");
            }
            Met::Refusal { .. } => {}
        }
    }
}

/// The decision is about what the server received.
fn assert_same(decision: &LoggedRecord, received: &Received) {
    let params = received.params.as_ref().unwrap();
    let asked = params["name"].as_str().or_else(|| params["uri"].as_str());
    let said = (text(decision, "method"), text(decision, "item"));
    assert!(decision.allows(), "refused and sent: {:?}", decision.to_json());
    assert_eq!(said, (received.method.as_deref(), asked), "{:?}", decision.to_json());
}

/// Outcome by decision.
type Outcomes<'r> = HashMap<&'r str, &'r str>;

fn outcomes(records: &[LoggedRecord]) -> Outcomes<'_> {
    let mut outcomes = HashMap::new();
    for record in records {
        let Some(decision) = record.concerns() else { continue };
        let outcome = text(record, "outcome").unwrap();
        assert!(outcomes.insert(decision, outcome).is_none(), "ended twice: {:?}", record.to_json());
    }
    outcomes
}

/// Every line of every segment.
fn in_order(log: &Path) -> Vec<LoggedRecord> {
    let segments = segments(log).unwrap();
    segments.iter().flat_map(|segment| read_records(segment).unwrap()).collect::<Result<_, _>>().unwrap()
}

/// The runs there are; the numbers of each only grow, whatever the clock did, and no id is used twice.
fn runs(records: &[LoggedRecord]) -> usize {
    let (mut last, mut ids) = (HashMap::<&str, u64>::new(), HashSet::new());
    for record in records {
        let (Some(id), Some(sequence)) = (record.id(), record.sequence()) else { continue };
        let run = id.rsplit_once('-').unwrap().0;
        let before = last.insert(run, sequence);
        assert!(before.is_none_or(|before| before < sequence) && ids.insert(id), "{id} after {before:?}");
    }
    // What the log says about itself is numbered on its own.
    last.keys().filter(|run| !run.starts_with("log-")).count()
}

/// The trace of a request that takes effect.
fn effect(message: &Received) -> Option<String> {
    EFFECTS.iter().find(|method| message.is_request(method))?;
    let traceparent = message.params.as_ref().and_then(|params| params["_meta"]["traceparent"].as_str());
    let traceparent = traceparent.unwrap_or_else(|| panic!("untraced: {}", message.body));
    Some(traceparent.split('-').nth(1).unwrap().to_owned())
}

fn text<'r>(record: &'r LoggedRecord, member: &str) -> Option<&'r str> {
    record.get(member).and_then(Value::as_str)
}
