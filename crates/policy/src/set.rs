//! A checked set of policies.

use std::{collections::HashMap, fmt, sync::Arc};

use cedar_policy::pst::{PstConstructionError, Template};
use portcullis_core::Digest;

use crate::{
    expr::{self, Mentions},
    fault::{Place, PolicyFault},
    lint, possible, schema,
    source::{self, Parsed},
    validate::{self, Checked},
};

/// Room for the deepest policy that [`crate::source`] lets through, in bytes of address space.
const STACK: usize = 128 << 20;

/// Policies that were read and checked as a whole.
#[derive(Clone)]
pub struct PolicySet {
    pub(crate) policies: Vec<Policy>,
    warnings: Vec<PolicyFault>,
    digest: Digest,
}

/// One checked policy.
#[derive(Clone)]
pub(crate) struct Policy {
    /// Its `@id`, or `<file>:<line>`; also its id in Cedar.
    pub(crate) name: Arc<str>,
    /// Its `@reason`, which the caller may read when the policy forbids.
    pub(crate) reason: Option<Arc<str>>,
    /// Its `@scope`: what a token needs for this `forbid` not to apply.
    pub(crate) scope: Option<Arc<str>>,
    /// Its `@authorization_details`: of which types a token needs one for this `forbid` not to apply.
    pub(crate) details: Option<Arc<str>>,
    /// What it looks at.
    pub(crate) mentions: Mentions,
    /// Whether it looks at the labels of the conversation.
    labels: bool,
    /// Whether it looks at `context` as a whole, or at whether something is in it.
    pub(crate) tests_context: bool,
    /// The line on which it begins, as `<file>:<line>`.
    pub(crate) place: Arc<str>,
    /// As written.
    pub(crate) exact: cedar_policy::Policy,
    /// In the form that asks whether some call could be permitted.
    pub(crate) favouring: cedar_policy::Policy,
}

impl PolicySet {
    /// Reads policy files, given as name and text, and checks them against [`SCHEMA`](crate::SCHEMA).
    ///
    /// No files, or files without policies, are a valid set that permits nothing.
    ///
    /// # Errors
    /// Every mistake in every file. Files that cannot be read as Cedar are not checked further, nor is
    /// anything validated while two policies share an id.
    pub fn load(sources: &[(&str, &str)]) -> Result<Self, Vec<PolicyFault>> {
        let broken =
            |problem: String| vec![Place::start_of("portcullis.cedarschema").fault(problem, "report it")];
        // Cedar's parser recurses; callers' stacks are made for other things.
        let load = || Self::load_here(sources);
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("policy-load".into()).stack_size(STACK);
            let thread = builder.spawn_scoped(scope, load).map_err(|error| broken(error.to_string()))?;
            thread.join().map_err(|_| broken("reading the policies failed".to_owned()))?
        })
    }

    fn load_here(sources: &[(&str, &str)]) -> Result<Self, Vec<PolicyFault>> {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let parsed = source::parse(sources, &mut faults);
        let texts: HashMap<&str, &str> = sources.iter().copied().collect();
        let (mut policies, mut checked) = (Vec::new(), Vec::new());
        for parsed in &parsed {
            faults.extend(lint::entities(parsed));
            match analyse(parsed) {
                Ok((policy, for_validation, tree)) => {
                    warnings.extend(lint::unguarded_arguments(parsed, &tree));
                    let text = texts.get(&*parsed.place.file).copied().unwrap_or_default();
                    checked.push(Checked {
                        name: &parsed.name,
                        place: &parsed.place,
                        text,
                        policy: for_validation,
                    });
                    policies.push(policy);
                }
                Err(error) => faults.push(parsed.place.fault(error.to_string(), "rewrite the policy")),
            }
        }
        match schema::for_validation() {
            Ok(schema) => {
                let findings = validate::validate(schema, &checked);
                faults.extend(findings.faults);
                warnings.extend(findings.suspicions);
            }
            Err(error) => faults.push(
                Place::start_of("portcullis.cedarschema").fault(error, "report it: this build is broken"),
            ),
        }
        sort(&mut faults, sources);
        sort(&mut warnings, sources);
        if !faults.is_empty() {
            return Err(faults);
        }
        let parts = sources.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]);
        Ok(Self { policies, warnings, digest: Digest::of_parts(parts) })
    }

    /// Whether a policy looks at what has entered the conversation (`context.labels`). Without one, nothing that has been
    /// read changes what may be done.
    pub fn looks_at_labels(&self) -> bool {
        self.policies.iter().any(|policy| policy.labels)
    }

    /// Whether some policy permits something.
    pub fn permits_something(&self) -> bool {
        self.policies.iter().any(|policy| policy.exact.effect() == cedar_policy::Effect::Permit)
    }

    /// Digest of the names and texts of the files, in the order in which they were given.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What is allowed but looks like a mistake: arguments used without a test for their presence,
    /// letters that look like others.
    pub fn warnings(&self) -> &[PolicyFault] {
        &self.warnings
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there are none, so that everything is refused.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet")
            .field("policies", &self.policies.len())
            .field("warnings", &self.warnings)
            .field("digest", &self.digest)
            .finish()
    }
}

/// The forms of a policy: as it is kept, as it is validated, as a tree.
fn analyse(parsed: &Parsed) -> Result<(Policy, cedar_policy::Policy, Template), PstConstructionError> {
    let tree = parsed.cedar.to_pst()?.body().clone().with_id(parsed.cedar.id().clone().into());
    let mentions = Mentions::of_policy(&tree);
    let (favouring, for_validation) = if mentions.arguments {
        (possible::favouring(&tree)?, validate::with_stand_ins(&tree)?)
    } else {
        (parsed.cedar.clone(), parsed.cedar.clone())
    };
    let (name, reason, scope) = (Arc::clone(&parsed.name), parsed.reason.clone(), parsed.scope.clone());
    let details = parsed.details.clone();
    let labels = expr::conditions(&tree).any(|condition| expr::looks_at(condition, "labels"));
    let policy = Policy {
        name,
        reason,
        scope,
        details,
        mentions,
        labels,
        tests_context: expr::conditions(&tree).any(|condition| expr::tests_context(condition)),
        place: format!("{}:{}", parsed.place.file, parsed.place.line).into(),
        exact: parsed.cedar.clone(),
        favouring,
    };
    Ok((policy, for_validation, tree))
}

/// In the order of the files, from top to bottom.
fn sort(faults: &mut [PolicyFault], sources: &[(&str, &str)]) {
    let file = |fault: &PolicyFault| sources.iter().position(|(name, _)| *name == &*fault.file);
    faults.sort_by_cached_key(|fault| (file(fault), fault.line, fault.column, fault.problem.clone()));
}
