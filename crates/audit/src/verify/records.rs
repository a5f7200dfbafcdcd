//! What records say about their own order: each run numbers its records, and no number comes twice.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;

use super::{FindingKind, Verification};

/// More findings of one kind say nothing new.
const MOST: usize = 100;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    seq: Option<u64>,
}

/// The last number of each run.
#[derive(Default)]
pub(super) struct Order {
    last: HashMap<String, u64>,
    found: usize,
}

impl Order {
    pub(super) fn check(&mut self, number: u64, entry: &[u8], report: &mut Verification) {
        if self.found >= MOST {
            return;
        }
        let Ok(head) = serde_json::from_slice::<Head<'_>>(entry) else {
            self.found += 1;
            return report.find(FindingKind::NoRecord, Some(number), None, "this is no record".to_owned());
        };
        let (Some(id), Some(sequence)) = (head.id, head.seq) else { return };
        let run = id.rsplit_once('-').map_or(&*id, |(run, _)| run);
        let last = self.last.get_mut(run);
        let back = last.as_ref().is_some_and(|last| **last >= sequence);
        match last {
            Some(last) => *last = sequence.max(*last),
            None => drop(self.last.insert(run.to_owned(), sequence)),
        }
        if back {
            self.found += 1;
            let detail = format!("record `{id}` comes again, or after one that was written later");
            report.find(FindingKind::Order, Some(number), None, detail);
        }
    }
}
