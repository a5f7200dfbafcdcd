//! Decisions beside decisions.

use std::collections::BTreeMap;

use portcullis_policy::{Authoriser, Judgement};
use serde::Serialize;

use crate::{cases::Asked, exit::Exit, printer::Printer};

/// What was or would be decided.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Side {
    pub(super) decision: &'static str,
    /// The policies that make it so.
    pub(super) policies: Vec<String>,
    /// What the operator reads; empty for what is allowed.
    pub(super) detail: String,
}

impl From<Judgement> for Side {
    fn from(judgement: Judgement) -> Self {
        let policies = judgement.policies.iter().map(|policy| policy.to_string()).collect();
        Self { decision: judgement.answer.as_str(), policies, detail: judgement.detail }
    }
}

/// What these policies decide, or why that cannot be said.
pub(super) fn decide(authoriser: &Authoriser, asked: &Asked) -> Result<Side, String> {
    authoriser
        .judge_known(&asked.call, asked.known, &asked.flow, &asked.cx)
        .map(Side::from)
        .map_err(|undecided| undecided.to_string())
}

/// One decision that comes out differently.
#[derive(Serialize)]
struct Changed {
    /// The case or the record.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    question: String,
    old: Side,
    new: Side,
}

/// Decisions for which nothing can be said, for one reason.
#[derive(Serialize)]
struct Undecided {
    why: String,
    count: u64,
    /// The first case or record.
    first: String,
}

/// Everything that was compared.
#[derive(Default)]
pub(super) struct Comparison {
    same: u64,
    changed: Vec<Changed>,
    undecided: BTreeMap<String, (u64, String)>,
    /// Decisions that policy had no say in.
    pub(super) others: u64,
    /// Lines that are no records.
    pub(super) unreadable: u64,
}

/// The result for programs.
#[derive(Serialize)]
struct Compared<'c> {
    ok: bool,
    same: u64,
    changed: &'c [Changed],
    undecided: Vec<Undecided>,
    not_by_policy: u64,
    unreadable: u64,
}

/// A case or a record.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) time: Option<String>,
    pub(super) question: String,
}

impl Comparison {
    /// Takes up one decision.
    pub(super) fn add(&mut self, subject: Subject, old: Result<Side, String>, new: Result<Side, String>) {
        match (old, new) {
            (Ok(old), Ok(new)) if old.decision == new.decision => self.same += 1,
            (Ok(old), Ok(new)) => {
                let Subject { name, time, question } = subject;
                self.changed.push(Changed { name, time, question, old, new });
            }
            (Err(why), _) | (_, Err(why)) => self.cannot_say(why, subject.name),
        }
    }

    /// Takes up one decision about which nothing can be said.
    pub(super) fn cannot_say(&mut self, why: String, name: String) {
        self.undecided.entry(why).or_insert_with(|| (0, name)).0 += 1;
    }

    /// Shows it all. Ends with status 1 when something changes.
    pub(super) fn conclude(self, json: bool, printer: &Printer) -> Exit {
        let exit = if self.changed.is_empty() { Exit::Fine } else { Exit::Findings };
        let undecided =
            self.undecided.into_iter().map(|(why, (count, first))| Undecided { why, count, first });
        let undecided: Vec<_> = undecided.collect();
        if json {
            printer.json(&Compared {
                ok: self.changed.is_empty(),
                same: self.same,
                changed: &self.changed,
                undecided,
                not_by_policy: self.others,
                unreadable: self.unreadable,
            });
            return exit;
        }
        for Changed { name, time, question, old, new } in &self.changed {
            let time = time.as_ref().map(|time| format!("{time} ")).unwrap_or_default();
            printer.line(&format!("{time}{name}: {} -> {}", old.decision, new.decision));
            printer.line(&format!("  {question}"));
            for (label, side) in [("was", old), ("now", new)] {
                let by = side.policies.join(", ");
                let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
                let detail = match side.detail.strip_prefix(&format!("{question}: ")) {
                    Some(rest) => format!(": {rest}"),
                    None if side.detail.is_empty() => String::new(),
                    None => format!(": {}", side.detail),
                };
                printer.line(&format!("  {label} {}{by}{detail}", side.decision));
            }
        }
        for Undecided { why, count, first } in &undecided {
            printer.line(&format!("{count} cannot be decided, the first {first}: {why}"));
        }
        let unsaid: u64 = undecided.iter().map(|it| it.count).sum();
        let summary = format!(
            "{} changed, {} the same, {unsaid} cannot be decided, {} not decided by policy",
            self.changed.len(),
            self.same,
            self.others
        );
        printer.status(&summary);
        if self.unreadable > 0 {
            let remedy = "`portcullis audit verify` says whether they were changed";
            printer.warning(&format!("{} lines are no records", self.unreadable), Some(remedy));
        }
        exit
    }
}
