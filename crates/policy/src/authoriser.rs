//! The decision.

use std::{fmt, sync::Arc};

use cedar_policy::Authorizer;
use portcullis_core::{Call, Context, Digest, Flow, Item, Refusal, ServerName};
use portcullis_wire::Node;

use crate::{
    PolicySet, View,
    cache::Cache,
    details,
    ground::{Failed, Findings, Ground, GroundFault, Judge},
    index::Index,
    permitted::Permitted,
    question::Question,
    ruling::{Denial, Ruling},
    schema,
    set::Policy,
    world::World,
};

/// How an [`Authoriser`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// About how many questions (caller, door, method, item) to remember. 0 remembers none. A remembered
    /// answer takes some 0.3 KB; what is remembered where the answer depends on arguments or on the time
    /// takes some 7 KB. Default 8,192, at most some 60 MB.
    pub cache_entries: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_entries: 8_192 }
    }
}

/// What is remembered of a question.
#[derive(Clone)]
enum Remembered {
    /// The answer.
    Answer(Ruling),
    /// How to come to the answer, which depends on the arguments or on the time.
    Ground(Arc<Ground>),
}

/// Why an [`Authoriser`] cannot be made: the schema and the program of this build do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policies cannot be put into force: {0}")]
pub struct AuthoriserError(String);

/// Decides over calls by one set of policies.
///
/// Immutable: a change of policy makes a new one, and the decisions this one remembers go with it.
pub struct Authoriser {
    pub(crate) policies: Vec<Policy>,
    pub(crate) judge: Judge,
    index: Index,
    world: World,
    cache: Option<Cache<Remembered>>,
    digest: Digest,
}

impl Authoriser {
    /// Puts `set` into force.
    ///
    /// # Errors
    /// [`AuthoriserError`] on a defect of this build, never because of the policies.
    pub fn new(set: PolicySet, options: Options) -> Result<Self, AuthoriserError> {
        let schema = schema::for_validation().map_err(|error| AuthoriserError(error.to_owned()))?;
        let digest = set.digest();
        let policies = set.policies;
        let numbered = policies.iter().enumerate();
        Ok(Self {
            judge: Judge {
                cedar: Authorizer::new(),
                positions: numbered.map(|(at, policy)| (Arc::clone(&policy.name), at)).collect(),
            },
            index: Index::new(&policies).map_err(|error| AuthoriserError(error.to_string()))?,
            world: World::new(schema).map_err(|error| AuthoriserError(error.to_string()))?,
            cache: (options.cache_entries > 0).then(|| Cache::new(options.cache_entries)),
            policies,
            digest,
        })
    }

    /// Digest of the policy set in force, for records.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The policies that permit something, by name and by place (`<file>:<line>`), in the order in which they are written.
    pub fn permits(&self) -> impl Iterator<Item = (&str, &str)> {
        self.policies.iter().filter(|policy| !policy.forbids()).map(|policy| (&*policy.name, &*policy.place))
    }

    /// Whether the call may proceed as far as policy goes.
    ///
    /// # Errors
    /// [`RefusalKind::Denied`](portcullis_core::RefusalKind::Denied) by
    /// [`ControlId::Az01`](portcullis_core::ControlId::Az01): no policy permits it, one forbids it, or one
    /// that applies cannot be evaluated. The caller reads the `@reason` of the first policy that forbids,
    /// if it has one, and otherwise nothing about the policies; the operator reads which ones decided. By
    /// [`ControlId::Az02`](portcullis_core::ControlId::Az02) with a challenge where scopes are all that is missing:
    /// every policy that forbids has a `@scope`; so, too, where what is missing are `authorization_details` (RFC 9396):
    /// policies that forbid have an `@authorization_details`, or none of the token's own covers the call.
    ///
    /// The call is taken for the first of its conversation; [`authorise_in`](Self::authorise_in) takes one that goes
    /// on.
    pub fn authorise<T: AsRef<Call>>(&self, subject: T, cx: &Context) -> Result<Permitted<T>, Refusal> {
        self.authorise_in(subject, &Flow::default(), cx)
    }

    /// Whether the call may proceed, given what has entered its conversation and what the item asked for does
    /// (control ISO-03).
    ///
    /// # Errors
    /// As for [`authorise`](Self::authorise). The operator also reads the labels there were, and which calls brought
    /// them.
    pub fn authorise_in<T: AsRef<Call>>(
        &self,
        subject: T,
        flow: &Flow,
        cx: &Context,
    ) -> Result<Permitted<T>, Refusal> {
        let call = subject.as_ref();
        match self.rule(&Question::about(call), call_arguments(call), flow, cx) {
            Ruling::Permit(policies) => Ok(Permitted::new(subject, policies)),
            Ruling::Refuse(denial) => {
                let refusal = denial.refusal();
                let detail = format!("{}; in the conversation: {}", refusal.detail(), flow.labels);
                Err(if flow.labels.is_empty() { refusal } else { refusal.operator(detail) })
            }
        }
    }

    /// Whether `item` of `server` is shown in lists: whether some call to it could be permitted.
    ///
    /// A tool is there to be called, a prompt to be got, a resource to be read. What no policy can permit,
    /// whatever the arguments, is hidden; so is what cannot be judged. A shown entry may still turn out to
    /// be one that no call can use, since comparisons of arguments are taken one by one. A resource
    /// template is judged by its text, as if that were the URI.
    pub fn visible(&self, view: View<'_>, server: &ServerName, item: &Item, cx: &Context) -> bool {
        // Some call could be the first of its conversation, or approved.
        let flow = Flow { approved: true, ..Flow::default() };
        self.rule(&Question::about_entry(view, server, item), None, &flow, cx).permits()
    }

    /// What policies say, within what the caller's token grants in detail.
    pub(crate) fn rule(
        &self,
        question: &Question<'_>,
        arguments: Option<Node<'_>>,
        flow: &Flow,
        cx: &Context,
    ) -> Ruling {
        details::narrow(self.by_policy(question, arguments, flow, cx), question, flow, arguments)
    }

    /// Answers from memory or works the answer out, as far as it stays the same.
    fn by_policy(
        &self,
        question: &Question<'_>,
        arguments: Option<Node<'_>>,
        flow: &Flow,
        cx: &Context,
    ) -> Ruling {
        let Some(cache) = &self.cache else {
            return self.finish(self.prepare(question), question, arguments, flow, cx);
        };
        let hash = cache.hash(question);
        let remembered = cache.get(hash, question).unwrap_or_else(|| {
            let prepared = self.prepare(question);
            cache.put(hash, *question, prepared.clone());
            prepared
        });
        self.finish(remembered, question, arguments, flow, cx)
    }

    /// What holds for every request that asks the same question.
    fn prepare(&self, question: &Question<'_>) -> Remembered {
        match self.ground(question) {
            Ok(ground) => match ground.settled() {
                Some(findings) => Remembered::Answer(self.conclude(findings.clone(), question)),
                None => Remembered::Ground(Arc::new(ground)),
            },
            Err(fault) => Remembered::Answer(Ruling::refuse(format!("{question}: {fault}"))),
        }
    }

    pub(crate) fn ground(&self, question: &Question<'_>) -> Result<Ground, GroundFault> {
        let case = self.world.case(question)?;
        let slices = self.index.applicable(&case);
        let action = case.action;
        Ground::new(&self.judge, case.scene()?, action, slices, question)
    }

    /// What holds for this request.
    fn finish(
        &self,
        remembered: Remembered,
        question: &Question<'_>,
        arguments: Option<Node<'_>>,
        flow: &Flow,
        cx: &Context,
    ) -> Ruling {
        match remembered {
            Remembered::Answer(ruling) => ruling,
            Remembered::Ground(ground) => match ground.ask(&self.judge, arguments, flow, cx) {
                Ok(findings) => self.conclude(findings, question),
                Err(fault) => Ruling::refuse(format!("{question}: {fault}")),
            },
        }
    }

    /// Errors outweigh everything, a `forbid` outweighs every `permit`, and without a `permit` it is no.
    fn conclude(&self, mut findings: Findings, asked: &Question<'_>) -> Ruling {
        findings.errors.sort_unstable();
        if let Some((first, more)) = findings.errors.split_first() {
            let others = match more.len() {
                0 => String::new(),
                n => format!(" ({n} more could not be evaluated)"),
            };
            let Failed { text, policy } = first;
            return Ruling::failed(format!("{asked}: {text}{others}"), policy);
        }
        let mut forbids = self.named(&mut findings.forbids);
        // What another token would open is shown: its owner can go and get one.
        forbids.retain(|policy| !asked.any_call || (policy.scope.is_none() && policy.details.is_none()));
        if let Some(denial) = Denial::by(asked, &forbids) {
            return Ruling::Refuse(denial.into());
        }
        let permits = self.named(&mut findings.permits);
        if permits.is_empty() {
            return Ruling::refuse(format!("{asked}: no policy permits it"));
        }
        Ruling::Permit(permits.iter().map(|policy| Arc::clone(&policy.name)).collect())
    }

    /// The policies that could apply, in the order in which they are written.
    pub(crate) fn applicable(&self, ground: &Ground) -> Vec<&Policy> {
        let positions =
            ground.policies().filter_map(|policy| self.judge.positions.get::<str>(policy.id().as_ref()));
        self.named(&mut positions.copied().collect())
    }

    /// The policies at these positions, each once, in the order in which they are written.
    fn named(&self, positions: &mut Vec<usize>) -> Vec<&Policy> {
        positions.sort_unstable();
        positions.dedup();
        positions.iter().filter_map(|at| self.policies.get(*at)).collect()
    }
}

impl fmt::Debug for Authoriser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authoriser")
            .field("policies", &self.policies.len())
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// `params.arguments`.
pub(crate) fn call_arguments(call: &Call) -> Option<Node<'_>> {
    call.request.params()?.get("arguments")
}
