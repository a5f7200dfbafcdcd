//! Tokens that were found good.

use std::{collections::HashMap, mem, sync::Arc};

use parking_lot::RwLock;
use portcullis_core::Digest;

use super::issuer::Verified;

/// Tokens of one generation.
const GENERATION: usize = 4_096;

/// A bounded memory of good tokens, by digest: no token is kept. Each remembers which keys it was
/// verified with, so that a key that is taken back takes its tokens with it. Only good ones are kept, so nobody can fill it
/// without an issuer's help.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<Generations>);

/// When the younger is full it becomes the older, and the older is dropped.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Digest, Arc<Verified>>,
    old: HashMap<Digest, Arc<Verified>>,
}

impl Cache {
    pub(super) fn get(&self, token: &Digest, now: u64) -> Option<Arc<Verified>> {
        let generations = self.0.read();
        let found = generations.young.get(token).or_else(|| generations.old.get(token))?;
        (now < found.until).then(|| Arc::clone(found))
    }

    pub(super) fn put(&self, token: Digest, verified: Arc<Verified>) {
        let mut generations = self.0.write();
        if generations.young.len() >= GENERATION {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(token, verified);
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{AuthMethod, Caller, Principal, PrincipalKind};

    use super::*;
    use crate::Authenticated;

    fn until(until: u64) -> Arc<Verified> {
        let principal = Principal { kind: PrincipalKind::Oauth, id: "a:b".into() };
        let (method, grant) = (AuthMethod::BearerToken, None);
        let caller = Caller { principal, actor: None, tenant: None, method, grant };
        Arc::new(Verified {
            caller: Authenticated::new(caller),
            audiences: Vec::new(),
            binding: None,
            epoch: None,
            until,
        })
    }

    #[test]
    fn it_forgets_what_is_over_and_what_is_too_much() {
        let cache = Cache::default();
        let digest = |n: usize| Digest::of(&n.to_be_bytes());
        cache.put(digest(0), until(10));
        assert!(cache.get(&digest(0), 9).is_some());
        assert!(cache.get(&digest(0), 10).is_none(), "over");
        assert!(cache.get(&digest(1), 9).is_none(), "another");
        (1..=2 * GENERATION).for_each(|n| cache.put(digest(n), until(10)));
        assert!(cache.get(&digest(0), 9).is_none(), "pushed out");
        assert!(cache.get(&digest(2 * GENERATION), 9).is_some());
        let generations = cache.0.read();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
