//! What a server offers, as each of its callers gets it (control TI-05).
//!
//! A server may offer one caller what it offers no other, and a list is fetched over its caller's own link. So none is
//! ever shown to another principal, for another actor, client or set of scopes, or in another tenant, whatever the
//! server says about sharing.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use portcullis_core::{LinkProfile, OnBehalf};

use super::Catalogue;

/// Callers whose lists are kept at a time; the lists of others are fetched again.
const MOST: usize = 1_024;

/// The lists of one server, by whose they are.
#[derive(Debug, Default)]
pub struct Catalogues(RwLock<HashMap<Owner, Arc<Catalogue>>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Owner {
    on_behalf: OnBehalf,
    tenant: Option<Arc<str>>,
}

impl Catalogues {
    /// The lists of a caller.
    pub fn of(&self, profile: &LinkProfile) -> Arc<Catalogue> {
        let owner = Owner { on_behalf: profile.on_behalf.clone(), tenant: profile.tenant.clone() };
        if let Some(catalogue) = self.0.read().get(&owner) {
            return catalogue.clone();
        }
        let mut all = self.0.write();
        if all.len() >= MOST && !all.contains_key(&owner) {
            // Whose is left out does not matter: it costs that caller a fetch.
            let any = all.keys().next().cloned();
            any.and_then(|any| all.remove(&any));
        }
        all.entry(owner).or_default().clone()
    }

    /// Marks every list as out of date: changes may have gone unseen.
    pub fn invalidate_all(&self) {
        self.0.read().values().for_each(|catalogue| catalogue.invalidate_all());
    }

    /// Marks the lists a `notifications/*/list_changed` speaks of as out of date.
    pub fn invalidate(&self, method: &str) {
        self.0.read().values().for_each(|catalogue| catalogue.invalidate(method));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use portcullis_core::{Principal, PrincipalKind};

    use super::*;

    fn profile(id: &str, tenant: Option<&str>) -> LinkProfile {
        LinkProfile {
            on_behalf: OnBehalf::of(Principal { kind: PrincipalKind::Dev, id: id.into() }),
            tenant: tenant.map(Into::into),
            session: None,
            capabilities: Bytes::new(),
            client_info: Bytes::new(),
        }
    }

    #[test]
    fn lists_are_one_callers_in_one_tenant_and_there_are_not_too_many() {
        let catalogues = Catalogues::default();
        let alice = catalogues.of(&profile("alice", None));
        assert!(Arc::ptr_eq(&alice, &catalogues.of(&profile("alice", None))));
        for other in [profile("bob", None), profile("alice", Some("a")), profile("alice", Some("b"))] {
            assert!(!Arc::ptr_eq(&alice, &catalogues.of(&other)), "{other:?}");
        }
        for number in 0..2 * MOST {
            catalogues.of(&profile(&number.to_string(), None));
        }
        assert!(catalogues.0.read().len() <= MOST);
    }
}
