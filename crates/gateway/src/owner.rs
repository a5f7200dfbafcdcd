//! Whose something is that outlives a request.

use std::sync::Arc;

use portcullis_core::{Caller, Principal};

/// Who may use it: with whichever scopes, since policy decides over each use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    principal: Principal,
    actor: Option<Principal>,
    tenant: Option<Arc<str>>,
    client: Option<(Arc<str>, Option<Arc<str>>)>,
}

impl Owner {
    pub(crate) fn of(caller: &Caller) -> Self {
        let client = caller.grant.as_deref().map(|grant| (grant.issuer.clone(), grant.client.clone()));
        let Caller { principal, actor, tenant, .. } = caller.clone();
        Self { principal, actor, tenant, client }
    }
}
