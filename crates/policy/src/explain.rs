//! Why a call is decided as it is.

use std::{fmt, sync::Arc};

use portcullis_core::{Call, Context, Flow};

use crate::{
    Authoriser,
    authoriser::call_arguments,
    judge::{Answer, Judgement, Known},
    question::Question,
};

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
    /// Where it begins, as `<file>:<line>`.
    pub place: Arc<str>,
    /// Whether it forbids; otherwise it permits.
    pub forbids: bool,
    /// What it did.
    pub matched: Matched,
    /// Whether the answer comes from it.
    pub determines: bool,
}

/// How a call is decided, policy by policy. Its display form is meant for a terminal.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was asked, in words.
    pub question: String,
    /// What becomes of the call.
    pub judgement: Judgement,
    /// Every policy that could apply, in the order in which they are written.
    pub considered: Vec<Considered>,
    /// How many policies there are in all.
    pub policies: usize,
}

impl Authoriser {
    /// Decides over `call` as [`judge`](Self::judge) does, and says what each policy contributed.
    /// Slow: every policy is evaluated on its own.
    pub fn explain(&self, call: &Call, flow: &Flow, cx: &Context) -> Explanation {
        let judgement = self.judge(call, flow, cx);
        let question = Question::about(call);
        let considered = self.consider(&question, call, flow, cx).unwrap_or_default();
        let determined =
            |it: Considered| Considered { determines: judgement.policies.contains(&it.policy), ..it };
        Explanation {
            question: question.to_string(),
            considered: considered.into_iter().map(determined).collect(),
            judgement,
            policies: self.policies.len(),
        }
    }

    /// What each policy that could apply does; nothing if the question cannot be put, which the refusal says.
    fn consider(
        &self,
        question: &Question<'_>,
        call: &Call,
        flow: &Flow,
        cx: &Context,
    ) -> Option<Vec<Considered>> {
        let ground = self.ground(question).ok()?;
        let request = ground.request(call_arguments(call), flow, cx, Known::ALL).ok()?;
        let considered = self.applicable(&ground).into_iter().map(|policy| Considered {
            policy: Arc::clone(&policy.name),
            place: Arc::clone(&policy.place),
            forbids: policy.forbids(),
            matched: match self.alone(&policy.exact, &ground, &request) {
                Err(error) => Matched::Failed(error),
                Ok(true) => Matched::Yes,
                Ok(false) => Matched::No,
            },
            determines: false,
        });
        Some(considered.collect())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.question)?;
        match self.judgement.answer {
            Answer::Allow => writeln!(f, "permitted")?,
            Answer::Approve => writeln!(f, "waits for a person's approval: {}", self.judgement.detail)?,
            Answer::Deny => writeln!(f, "refused: {}", self.judgement.detail)?,
        }
        for Considered { policy, place, forbids, matched, determines } in &self.considered {
            let effect = if *forbids { "forbid" } else { "permit" };
            let mark = if *determines { '*' } else { ' ' };
            let did = match matched {
                Matched::Yes => "matches".to_owned(),
                Matched::No => "does not match".to_owned(),
                Matched::Failed(error) => format!("fails: {error}"),
            };
            writeln!(f, "{mark} {effect}  {policy}  {did}  ({place})")?;
        }
        write!(f, "{} of {} policies could apply", self.considered.len(), self.policies)
    }
}
