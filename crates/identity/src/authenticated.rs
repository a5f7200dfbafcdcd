//! The proof.

use std::{ops::Deref, sync::Arc};

use portcullis_core::Caller;

use crate::Resource;

/// A caller whose identity was established by this crate. Cloning shares the caller.
///
/// No other crate can make one, so a function that asks for it cannot be reached without the check:
///
/// ```compile_fail,E0423
/// use std::sync::Arc;
/// use portcullis_core::{AuthMethod, Caller, Principal, PrincipalKind};
///
/// let principal = Principal { kind: PrincipalKind::LocalUser, id: "root".into() };
/// let caller = Caller { principal, actor: None, tenant: None, method: AuthMethod::StdioPeer, grant: None };
/// let forged = portcullis_identity::Authenticated(Arc::new(caller));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated(Arc<Caller>);

impl Authenticated {
    pub(crate) fn new(caller: Caller) -> Self {
        Self(Arc::new(caller))
    }

    /// The same, with what its token grants in detail as it holds at this endpoint (RFC 9396 section 2.2, `locations`).
    pub(crate) fn at(&self, resource: Resource<'_>) -> Self {
        let Some(grant) = self.grant.as_ref().filter(|grant| grant.details.are_local()) else {
            return self.clone();
        };
        let mut caller = (*self.0).clone();
        let mut grant = (**grant).clone();
        grant.details = grant.details.at(|uri| resource.is(uri));
        caller.grant = Some(Arc::new(grant));
        Self::new(caller)
    }

    /// The caller, to be kept in records.
    pub fn into_caller(self) -> Arc<Caller> {
        self.0
    }
}

impl Deref for Authenticated {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl AsRef<Caller> for Authenticated {
    fn as_ref(&self) -> &Caller {
        &self.0
    }
}

impl From<Authenticated> for Arc<Caller> {
    fn from(authenticated: Authenticated) -> Self {
        authenticated.0
    }
}
