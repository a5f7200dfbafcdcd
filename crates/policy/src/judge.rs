//! Decisions as data, over calls that nobody makes: for tests of policies, comparisons and replays.

use std::{fmt, sync::Arc};

use cedar_policy::{Effect, Request};
use portcullis_core::{Call, Context, Flow};

use crate::{
    Authoriser,
    authoriser::call_arguments,
    ground::Ground,
    question::Question,
    ruling::{Denial, Ruling},
    set::Policy,
};

/// What becomes of a call as far as policy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It proceeds.
    Allow,
    /// It waits for a person who may approve it, and is refused without one.
    Approve,
    /// It is refused.
    Deny,
}

impl Answer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Approve, Self::Deny];

    /// The word for it in cases and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }

    /// The answer of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.as_str() == word)
    }
}

/// An answer and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of the call.
    pub answer: Answer,
    /// The policies that made it so: those that permit, forbid or could not be evaluated. None where nothing permits.
    pub policies: Arc<[Arc<str>]>,
    /// What the operator reads of a refusal; empty for what is allowed.
    pub detail: String,
}

/// What is known of a call that was made some time ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The arguments, and what they name.
    pub arguments: bool,
    /// What had entered the conversation, what the item does, and whether a person had approved the call.
    pub conversation: bool,
}

impl Known {
    /// Everything.
    pub const ALL: Self = Self { arguments: true, conversation: true };

    /// Whether policies may look at this attribute of `context`.
    pub(crate) fn has(self, attribute: &str) -> bool {
        match attribute {
            "arguments" | "hosts" | "programs" | "statements" | "authorization_details" => self.arguments,
            "labels" | "conduct" | "approved" => self.conversation,
            _ => true,
        }
    }

    /// Whether `policy` looks at something that is not known.
    fn hides_from(self, policy: &Policy) -> bool {
        (policy.mentions.arguments && !self.arguments) || (policy.mentions.conversation && !self.conversation)
    }
}

/// The answer depends on what is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The policies that look at it.
    pub policies: Vec<Arc<str>>,
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.policies.iter().map(|name| format!("`{name}`")).collect();
        write!(f, "what {} would say depends on what is not known of the call", names.join(", "))
    }
}

/// What one policy says.
enum Said {
    /// It applies.
    Yes,
    /// It does not.
    No,
    /// It cannot be evaluated, whatever is not known.
    Fails(String),
    /// That depends on what is not known.
    Depends,
}

impl Authoriser {
    /// What becomes of the call, given what has entered its conversation.
    pub fn judge(&self, call: &Call, flow: &Flow, cx: &Context) -> Judgement {
        let question = Question::about(call);
        let rule = |flow: &Flow| Ok::<_, Undecided>(self.rule(&question, call_arguments(call), flow, cx));
        judgement(flow, rule).unwrap_or_else(|never| Judgement {
            answer: Answer::Deny,
            policies: Arc::default(),
            detail: never.to_string(),
        })
    }

    /// The same over a call of which not everything is known; what is not is taken for nothing.
    ///
    /// Arguments that are not known are taken to be within the limits of [`arguments`](crate::arguments).
    ///
    /// # Errors
    /// When it depends on what is not known: a policy that matters would look at it.
    pub fn judge_known(
        &self,
        call: &Call,
        known: Known,
        flow: &Flow,
        cx: &Context,
    ) -> Result<Judgement, Undecided> {
        if known == Known::ALL {
            return Ok(self.judge(call, flow, cx));
        }
        let question = Question::about(call);
        let ground = match self.ground(&question) {
            Ok(ground) => ground,
            Err(fault) => return judgement(flow, |_| Ok(Ruling::refuse(format!("{question}: {fault}")))),
        };
        judgement(flow, |flow| match ground.request(call_arguments(call), flow, cx, known) {
            Ok(request) => self.rule_known(&question, &ground, &request, known),
            Err(fault) => Ok(Ruling::refuse(format!("{question}: {fault}"))),
        })
    }

    /// `request` lacks what is not known. A policy that is evaluated without a fault has read none of it, so what it
    /// says holds whatever that is.
    fn rule_known(
        &self,
        question: &Question<'_>,
        ground: &Ground,
        request: &Request,
        known: Known,
    ) -> Result<Ruling, Undecided> {
        let mut permits = Vec::new();
        let mut forbids = Vec::new();
        let mut depending: Vec<&Policy> = Vec::new();
        let mut a_permit_may_come = false;
        for policy in self.applicable(ground) {
            match self.said(policy, ground, request, known) {
                Said::Yes if policy.forbids() => forbids.push(policy),
                Said::Yes => permits.push(policy),
                Said::No => {}
                Said::Fails(error) => {
                    return Ok(Ruling::failed(format!("{question}: {error}"), &policy.name));
                }
                Said::Depends => {
                    depending.push(policy);
                    let favoured = match policy.tests_context {
                        true => Err(String::new()),
                        false => self.alone(&policy.favouring, ground, request),
                    };
                    // In this form a `forbid` holds only where it holds, or fails, whatever the arguments are.
                    match (policy.forbids(), favoured) {
                        (true, Ok(true)) => forbids.push(policy),
                        (false, Ok(false)) | (true, _) => {}
                        (false, _) => a_permit_may_come = true,
                    }
                }
            }
        }
        if let Some(denial) = Denial::by(question, &forbids) {
            return Ok(Ruling::Refuse(denial.into()));
        }
        if permits.is_empty() && !a_permit_may_come {
            return Ok(Ruling::refuse(format!("{question}: no policy permits it")));
        }
        if depending.is_empty() {
            return Ok(Ruling::Permit(permits.iter().map(|policy| Arc::clone(&policy.name)).collect()));
        }
        Err(Undecided { policies: depending.iter().map(|policy| Arc::clone(&policy.name)).collect() })
    }

    fn said(&self, policy: &Policy, ground: &Ground, request: &Request, known: Known) -> Said {
        let hidden = known.hides_from(policy);
        // It may test for an attribute without reading it, and then takes what is not known for absent.
        if hidden && policy.tests_context {
            return Said::Depends;
        }
        match self.alone(&policy.exact, ground, request) {
            Ok(true) => Said::Yes,
            Ok(false) => Said::No,
            Err(_) if hidden => Said::Depends,
            Err(error) => Said::Fails(error),
        }
    }

    /// Whether one policy applies, evaluated on its own.
    pub(crate) fn alone(
        &self,
        policy: &cedar_policy::Policy,
        ground: &Ground,
        request: &Request,
    ) -> Result<bool, String> {
        let alone = cedar_policy::PolicySet::from_policies([policy.clone()]).map_err(|e| e.to_string())?;
        let response = self.judge.cedar.is_authorized(request, &alone, &ground.scene().entities);
        match response.diagnostics().errors().next() {
            Some(error) => Err(error.to_string()),
            None => Ok(response.diagnostics().reason().next().is_some()),
        }
    }
}

impl Policy {
    pub(crate) fn forbids(&self) -> bool {
        self.exact.effect() == Effect::Forbid
    }
}

/// What becomes of a call that is ruled on like this, with and without an approval.
fn judgement(flow: &Flow, rule: impl Fn(&Flow) -> Result<Ruling, Undecided>) -> Result<Judgement, Undecided> {
    let denial = match rule(flow)? {
        Ruling::Permit(policies) => {
            return Ok(Judgement { answer: Answer::Allow, policies, detail: String::new() });
        }
        Ruling::Refuse(denial) => denial,
    };
    let may_be_asked = flow.is_held() && !flow.approved;
    let approvable = may_be_asked && rule(&Flow { approved: true, ..flow.clone() })?.permits();
    let answer = if approvable { Answer::Approve } else { Answer::Deny };
    Ok(Judgement { answer, policies: denial.policies.clone(), detail: denial.detail.clone() })
}
