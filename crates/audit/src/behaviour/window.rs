//! Counting within a time.

use std::collections::{HashMap, VecDeque};

use super::{MOST, Rule, Subject};

/// When things that a rule counts happened.
#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<(Rule, Subject), VecDeque<u64>>);

impl Windows {
    /// Counts one more; says so when there were `limit` within the time, and begins anew then.
    pub(super) fn count(&mut self, rule: Rule, subject: &Subject, limit: u32, at_ms: u64) -> Option<String> {
        self.count_many(rule, subject, limit, at_ms, 1)
    }

    /// The same for several at a time.
    pub(super) fn count_many(
        &mut self,
        rule: Rule,
        subject: &Subject,
        limit: u32,
        at_ms: u64,
        number: usize,
    ) -> Option<String> {
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0)?;
        let since = at_ms.saturating_sub(rule.within_ms());
        if self.0.len() >= MOST {
            self.0.retain(|(rule, _), times| {
                times.back().is_some_and(|last| *last > at_ms.saturating_sub(rule.within_ms()))
            });
        }
        let times = self.0.entry((rule, subject.clone())).or_default();
        times.extend(std::iter::repeat_n(at_ms, number.min(limit)));
        while times.front().is_some_and(|first| *first < since) {
            times.pop_front();
        }
        if times.len() < limit {
            return None;
        }
        times.clear();
        Some(format!("{limit} {} within {} s", rule.counts(), rule.within_ms() / 1_000))
    }
}
