//! Why a call is decided as it is.

use std::{collections::BTreeSet, fmt, sync::Arc};

use cedar_policy::{Effect, PolicySet};
use portcullis_core::{Call, Context, Flow, Refusal};

use crate::{Authoriser, authoriser::call_arguments, question::Question};

/// What a policy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// It applied.
    Yes,
    /// Its scope or a condition did not hold.
    No,
    /// It could not be evaluated, for this reason.
    Failed(String),
}

/// A policy whose scope may fit the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The policy.
    pub policy: Arc<str>,
    /// Whether it forbids; otherwise it permits.
    pub forbids: bool,
    /// What it did.
    pub matched: Matched,
}

/// How a call is decided, policy by policy. Its display form is meant for a terminal.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was asked, in words.
    pub question: String,
    /// The refusal, if the call is refused.
    pub refusal: Option<Refusal>,
    /// Every policy that could apply, in the order in which they are written.
    pub considered: Vec<Considered>,
    /// How many policies there are in all.
    pub policies: usize,
}

impl Authoriser {
    /// Decides over `call` as [`authorise`](Self::authorise) does, and says what each policy contributed.
    /// Slow: every policy is evaluated on its own.
    pub fn explain(&self, call: &Call, cx: &Context) -> Explanation {
        let refusal = self.authorise(call, cx).err();
        let question = Question::about(call);
        let considered = self.consider(&question, call, cx).unwrap_or_default();
        Explanation { question: question.to_string(), refusal, considered, policies: self.policies.len() }
    }

    /// What each policy that could apply does; nothing if the question cannot be put, which the refusal says.
    fn consider(&self, question: &Question<'_>, call: &Call, cx: &Context) -> Option<Vec<Considered>> {
        let ground = self.ground(question).ok()?;
        let request = ground.request(call_arguments(call), &Flow::default(), cx).ok()?;
        let positions =
            ground.policies().filter_map(|policy| self.judge.positions.get::<str>(policy.id().as_ref()));
        let positions: BTreeSet<usize> = positions.copied().collect();
        let policies = positions.iter().filter_map(|at| self.policies.get(*at));
        let considered = policies.map(|policy| {
            let alone = PolicySet::from_policies([policy.exact.clone()]).unwrap_or_default();
            let response = self.judge.cedar.is_authorized(&request, &alone, &ground.scene().entities);
            let matched = match response.diagnostics().errors().next() {
                Some(error) => Matched::Failed(error.to_string()),
                None if response.diagnostics().reason().next().is_some() => Matched::Yes,
                None => Matched::No,
            };
            let forbids = policy.exact.effect() == Effect::Forbid;
            Considered { policy: Arc::clone(&policy.name), forbids, matched }
        });
        Some(considered.collect())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.question)?;
        match &self.refusal {
            None => writeln!(f, "permitted")?,
            Some(refusal) => writeln!(f, "refused: {}", refusal.detail())?,
        }
        for Considered { policy, forbids, matched } in &self.considered {
            let effect = if *forbids { "forbid" } else { "permit" };
            match matched {
                Matched::Yes => writeln!(f, "  {effect}  {policy}  matches")?,
                Matched::No => writeln!(f, "  {effect}  {policy}  does not match")?,
                Matched::Failed(error) => writeln!(f, "  {effect}  {policy}  fails: {error}")?,
            }
        }
        write!(f, "{} of {} policies could apply", self.considered.len(), self.policies)
    }
}
