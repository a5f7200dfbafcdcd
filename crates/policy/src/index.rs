//! Finding the few policies that can apply.
//!
//! The scope of a policy (the part in parentheses) names at most one principal, some actions and at most
//! one resource, or groups of them. It can only match a request whose principal, action and resource are
//! those or are in those groups. So policies are filed by what their scope names, and a request looks
//! only where its own names and groups lead. Everything filed elsewhere would not match, hence neither
//! decide nor fail.

use std::{collections::HashMap, sync::Arc};

use cedar_policy::{ActionConstraint, EntityUid, PolicySetError, PrincipalConstraint, ResourceConstraint};

use crate::{expr::Mentions, set::Policy, world::Case};

/// What a scope names, as a position in [`Index::names`]; 0 stands for anything.
type Name = u32;

/// Principal, action, resource.
type Scope = (Name, Name, Name);

const ANYTHING: Name = 0;

/// Policies with the same scope.
#[derive(Default)]
pub(crate) struct Slice {
    /// As written.
    pub(crate) exact: Halves,
    /// In the form that asks whether some call could be permitted.
    pub(crate) favouring: Halves,
}

/// Policies by whether their outcome changes from call to call.
#[derive(Default)]
pub(crate) struct Halves {
    /// Those that look at nothing that changes.
    pub(crate) fixed: cedar_policy::PolicySet,
    /// Those that look at arguments or at the time.
    pub(crate) changing: cedar_policy::PolicySet,
    /// What the latter look at.
    pub(crate) mentions: Mentions,
}

impl Halves {
    fn add(&mut self, policy: &cedar_policy::Policy, mentions: Mentions) -> Result<(), Box<PolicySetError>> {
        self.mentions = self.mentions | mentions;
        let half = if mentions.any() { &mut self.changing } else { &mut self.fixed };
        half.add(policy.clone()).map_err(Box::new)
    }
}

/// All policies, by scope.
#[derive(Default)]
pub(crate) struct Index {
    names: HashMap<EntityUid, Name>,
    slices: HashMap<Scope, Arc<Slice>>,
}

impl Index {
    /// # Errors
    /// When Cedar does not take a policy, which load has ruled out.
    pub(crate) fn new(policies: &[Policy]) -> Result<Self, Box<PolicySetError>> {
        let mut index = Self::default();
        let mut slices: HashMap<Scope, Slice> = HashMap::new();
        for policy in policies {
            for scope in index.scopes(&policy.exact) {
                let slice = slices.entry(scope).or_default();
                slice.exact.add(&policy.exact, policy.mentions)?;
                // This form does not look at arguments.
                slice.favouring.add(&policy.favouring, Mentions { arguments: false, ..policy.mentions })?;
            }
        }
        index.slices = slices.into_iter().map(|(scope, slice)| (scope, Arc::new(slice))).collect();
        Ok(index)
    }

    /// The slices that can apply to `case`.
    pub(crate) fn applicable(&self, case: &Case<'_>) -> Vec<Arc<Slice>> {
        let principals = self.known(std::iter::once(&case.principal.uid).chain(&case.principal.group));
        let action = case.action.uid();
        let actions = self.known(std::iter::once(&action).chain(&case.action.groups));
        let resources = self.known(std::iter::once(&case.resource.uid).chain(&case.resource.group));
        let mut slices = Vec::new();
        for principal in &principals {
            for action in &actions {
                let at = |resource| self.slices.get(&(*principal, *action, resource)).cloned();
                slices.extend(resources.iter().copied().filter_map(at));
            }
        }
        slices
    }

    /// The names by which policies refer to any of `uids`.
    fn known<'a>(&self, uids: impl Iterator<Item = &'a EntityUid>) -> Vec<Name> {
        std::iter::once(ANYTHING).chain(uids.filter_map(|uid| self.names.get(uid).copied())).collect()
    }

    fn scopes(&mut self, policy: &cedar_policy::Policy) -> Vec<Scope> {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => ANYTHING,
            PrincipalConstraint::In(uid)
            | PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::IsIn(_, uid) => self.name(uid),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => ANYTHING,
            ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
                self.name(uid)
            }
        };
        let mut actions = match policy.action_constraint() {
            ActionConstraint::Any => vec![ANYTHING],
            ActionConstraint::Eq(uid) => vec![self.name(uid)],
            ActionConstraint::In(uids) => uids.into_iter().map(|uid| self.name(uid)).collect(),
        };
        actions.sort_unstable();
        actions.dedup();
        actions.into_iter().map(|action| (principal, action, resource)).collect()
    }

    fn name(&mut self, uid: EntityUid) -> Name {
        let next = Name::try_from(self.names.len() + 1).unwrap_or(Name::MAX);
        *self.names.entry(uid).or_insert(next)
    }
}
