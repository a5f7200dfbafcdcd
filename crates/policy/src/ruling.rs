//! An answer.

use std::sync::Arc;

use portcullis_core::{Challenge, ControlId, Refusal, RefusalKind};

use crate::{details, question::Question, set::Policy};

/// The answer to a question, cheap to copy out of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Permitted by these policies; never empty.
    Permit(Arc<[Arc<str>]>),
    /// Refused.
    Refuse(Arc<Denial>),
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// What the author of a policy wants the caller to read.
    pub(crate) reason: Option<Arc<str>>,
    /// With what the answer would be another, where nothing else stands in the way.
    pub(crate) remedy: Option<Remedy>,
    /// What the operator needs.
    pub(crate) detail: String,
    /// The policies that forbid it or could not be evaluated.
    pub(crate) policies: Arc<[Arc<str>]>,
}

/// What another token would have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// These scopes.
    Scopes(Arc<str>),
    /// These `authorization_details`, as JSON objects between commas (RFC 9396).
    Details(Arc<str>),
}

/// What the caller reads when the token is too narrow.
const NOT_COVERED: &str = "the access token does not cover this call in its `authorization_details`";

/// What the caller reads when no policy says more.
const NOT_PERMITTED: &str = "not permitted by policy";

impl Ruling {
    pub(crate) fn refuse(detail: impl Into<String>) -> Self {
        Self::because(detail.into(), Arc::default())
    }

    /// Refused because `policy` could not be evaluated.
    pub(crate) fn failed(detail: String, policy: &Arc<str>) -> Self {
        Self::because(detail, [Arc::clone(policy)].into())
    }

    fn because(detail: String, policies: Arc<[Arc<str>]>) -> Self {
        Self::Refuse(Denial { reason: None, remedy: None, detail, policies }.into())
    }

    pub(crate) fn permits(&self) -> bool {
        matches!(self, Self::Permit(_))
    }
}

impl Denial {
    /// What these policies, which all forbid it, come to; none without any.
    pub(crate) fn by(asked: &Question<'_>, forbids: &[&Policy]) -> Option<Self> {
        if forbids.is_empty() {
            return None;
        }
        let names: Vec<_> = forbids.iter().map(|policy| format!("`{}`", policy.name)).collect();
        let scopes: Option<Vec<_>> = forbids.iter().map(|policy| policy.scope.as_deref()).collect();
        let types = || -> Option<Arc<str>> {
            forbids.iter().all(|policy| policy.scope.is_some() || policy.details.is_some()).then_some(())?;
            let types: Vec<_> = forbids.iter().filter_map(|policy| policy.details.as_deref()).collect();
            Some(details::wanted(asked, &types.join(" ")).into())
        };
        let scopes = scopes.map(|scopes| Remedy::Scopes(scopes.join(" ").into()));
        Some(Self {
            reason: forbids.iter().find_map(|policy| policy.reason.clone()),
            remedy: scopes.or_else(|| types().map(Remedy::Details)),
            detail: format!("{asked}: forbidden by policy {}", names.join(", ")),
            policies: forbids.iter().map(|policy| Arc::clone(&policy.name)).collect(),
        })
    }

    /// No detail of the token covers it; such a one would.
    pub(crate) fn undetailed(detail: String, wanted: String) -> Self {
        let remedy = Some(Remedy::Details(wanted.into()));
        Self { reason: Some(NOT_COVERED.into()), remedy, detail, policies: Arc::default() }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        let refusal = match &self.reason {
            Some(reason) => Refusal::new(RefusalKind::Denied, reason.to_string()),
            None => Refusal::new(RefusalKind::Denied, NOT_PERMITTED),
        };
        let refusal = refusal.by(ControlId::Az01).operator(&self.detail);
        match &self.remedy {
            Some(Remedy::Scopes(scopes)) => {
                refusal.by(ControlId::Az02).challenging(Challenge::Scopes(Arc::clone(scopes)))
            }
            Some(Remedy::Details(wanted)) => refusal
                .by(ControlId::Az02)
                .data(format!(r#"{{"authorization_details":[{wanted}]}}"#))
                .challenging(Challenge::Details),
            None => refusal,
        }
    }
}
