//! A question with everything worked out that stays the same from call to call.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cedar_policy::{AuthorizationError, Authorizer, Decision, Request, RestrictedExpression};
use portcullis_core::{Canonical, Context, Flow};
use portcullis_wire::Node;

use crate::{
    arguments::{self, ArgumentFault},
    details::{Given, Granted},
    expr::Mentions,
    index::{Halves, Slice},
    judge::Known,
    question::Question,
    world::{Action, Scene, WorldFault},
};

/// What policies said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Positions of the policies that permit.
    pub(crate) permits: Vec<usize>,
    /// Positions of the policies that forbid.
    pub(crate) forbids: Vec<usize>,
    /// Policies that could not be evaluated, and why.
    pub(crate) errors: Vec<Failed>,
}

/// A policy that could not be evaluated. Ordered by why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failed {
    /// What Cedar says.
    pub(crate) text: String,
    /// Which.
    pub(crate) policy: Arc<str>,
}

/// Why no policy could be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroundFault {
    #[error(transparent)]
    World(#[from] WorldFault),
    #[error("the call cannot be judged: {0}")]
    Arguments(#[from] ArgumentFault),
}

/// Cedar, and the positions of policies by their ids.
pub(crate) struct Judge {
    pub(crate) cedar: Authorizer,
    pub(crate) positions: HashMap<Arc<str>, usize>,
}

/// What stays the same from call to call.
pub(crate) struct Ground {
    scene: Scene,
    slices: Vec<Arc<Slice>>,
    any_call: bool,
    has_arguments: bool,
    granted: Granted,
    mentions: Mentions,
    fixed: Findings,
}

impl Ground {
    /// Asks the policies that look at nothing that changes.
    pub(crate) fn new(
        judge: &Judge,
        scene: Scene,
        action: &Action,
        slices: Vec<Arc<Slice>>,
        question: &Question<'_>,
    ) -> Result<Self, GroundFault> {
        let any_call = question.any_call;
        let request = scene.request([])?;
        let mut fixed = Findings::default();
        let mut mentions = Mentions::default();
        for halves in slices.iter().map(|slice| slice.halves(any_call)) {
            mentions = mentions | halves.mentions;
            judge.ask(&request, &halves.fixed, &scene, &mut fixed);
        }
        let (has_arguments, granted) = (action.has_arguments, Granted::of(question));
        Ok(Self { scene, slices, any_call, has_arguments, granted, mentions, fixed })
    }

    /// What the policies say, if none of them looks at anything that changes.
    pub(crate) fn settled(&self) -> Option<&Findings> {
        (!self.mentions.any()).then_some(&self.fixed)
    }

    /// Asks the other policies, too.
    pub(crate) fn ask(
        &self,
        judge: &Judge,
        arguments: Option<Node<'_>>,
        flow: &Flow,
        cx: &Context,
    ) -> Result<Findings, GroundFault> {
        let mut findings = self.fixed.clone();
        let request = self.request(arguments.filter(|_| self.mentions.arguments), flow, cx, Known::ALL)?;
        for halves in self.slices.iter().map(|slice| slice.halves(self.any_call)) {
            judge.ask(&request, &halves.changing, &self.scene, &mut findings);
        }
        Ok(findings)
    }

    /// The whole request, less what is not known.
    pub(crate) fn request(
        &self,
        arguments: Option<Node<'_>>,
        flow: &Flow,
        cx: &Context,
        known: Known,
    ) -> Result<Request, GroundFault> {
        let seconds = i64::try_from(cx.now_ms / 1000).unwrap_or(i64::MAX);
        let now = ("now", RestrictedExpression::new_long(seconds));
        let detailed = (self.mentions.arguments && known.arguments)
            .then(|| self.granted.context(&Given { arguments, canonical: &flow.canonical }))
            .flatten()
            .map(|details| ("authorization_details", details));
        let arguments = match self.has_arguments && known.arguments {
            true => Some(("arguments", arguments::record(arguments, &flow.canonical)?)),
            false => None,
        };
        let named = self.has_arguments.then(|| named(&flow.canonical));
        let changing = std::iter::once(now)
            .chain(conversation(flow))
            .chain(detailed)
            .chain(arguments)
            .chain(named.into_iter().flatten());
        Ok(self.scene.request(changing.filter(|(attribute, _)| known.has(attribute)))?)
    }

    /// The policies that could apply.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &cedar_policy::Policy> {
        let halves = self.slices.iter().map(|slice| slice.halves(self.any_call));
        halves.flat_map(|halves| halves.fixed.policies().chain(halves.changing.policies()))
    }

    pub(crate) fn scene(&self) -> &Scene {
        &self.scene
    }
}

/// What has entered the conversation, and what the item does.
fn conversation(flow: &Flow) -> [(&'static str, RestrictedExpression); 3] {
    let words = |words: Vec<String>| {
        RestrictedExpression::new_set(words.into_iter().map(RestrictedExpression::new_string))
    };
    let deeds = flow.conduct.deeds().map(|deed| deed.as_str().to_owned()).collect();
    [
        ("labels", words(flow.labels.words().into_iter().collect())),
        ("conduct", words(deeds)),
        ("approved", RestrictedExpression::new_bool(flow.approved)),
    ]
}

/// What the arguments name.
fn named(canonical: &Canonical) -> [(&'static str, RestrictedExpression); 3] {
    let set = |words: &BTreeSet<String>| {
        RestrictedExpression::new_set(words.iter().cloned().map(RestrictedExpression::new_string))
    };
    let Canonical { hosts, programs, statements, .. } = canonical;
    [("hosts", set(hosts)), ("programs", set(programs)), ("statements", set(statements))]
}

impl Slice {
    fn halves(&self, any_call: bool) -> &Halves {
        if any_call { &self.favouring } else { &self.exact }
    }
}

impl Judge {
    /// Adds what `policies` say.
    fn ask(
        &self,
        request: &Request,
        policies: &cedar_policy::PolicySet,
        scene: &Scene,
        findings: &mut Findings,
    ) {
        if policies.is_empty() {
            return;
        }
        let response = self.cedar.is_authorized(request, policies, &scene.entities);
        let diagnostics = response.diagnostics();
        let reasons = diagnostics.reason().filter_map(|id| self.positions.get::<str>(id.as_ref()));
        match response.decision() {
            Decision::Allow => findings.permits.extend(reasons),
            Decision::Deny => findings.forbids.extend(reasons),
        }
        findings.errors.extend(diagnostics.errors().map(|error| {
            let AuthorizationError::PolicyEvaluationError(about) = error;
            Failed { text: error.to_string(), policy: AsRef::<str>::as_ref(about.policy_id()).into() }
        }));
    }
}
