//! On whose behalf a server is called.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{Details, Digest, Grant, Principal, Secret};

/// The access token that a grant was read from, kept for one purpose: to be exchanged for what a server is shown
/// (RFC 8693). It cannot be printed or serialised, and is told from others by its digest.
#[derive(Clone)]
pub struct SubjectToken {
    token: Secret,
    digest: Digest,
}

impl SubjectToken {
    /// Takes a token that was verified.
    pub fn new(token: &str) -> Self {
        let bytes = token.as_bytes();
        Self { token: Secret::new(bytes.to_vec()), digest: Digest::of(bytes) }
    }

    /// The token, for the authorization server alone.
    pub fn secret(&self) -> &Secret {
        &self.token
    }

    /// Which token it is.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl PartialEq for SubjectToken {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for SubjectToken {}

impl Hash for SubjectToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for SubjectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectToken(…)")
    }
}

/// Who a server is called for, by whom and with which grant. Two tokens of one principal, actor and client with the
/// same scopes and details are told from each other by nothing, so a new token does not end what the one before it began.
#[derive(Clone, Debug)]
pub struct OnBehalf {
    /// On whose behalf.
    pub principal: Principal,
    /// Who acts for the principal.
    pub actor: Option<Principal>,
    /// What the credential grants, when there was one.
    pub grant: Option<Arc<Grant>>,
}

/// What two are told apart by.
type Key<'a> = (&'a Principal, Option<&'a Principal>, Option<GrantKey<'a>>);

type GrantKey<'a> = (&'a str, Option<&'a str>, &'a [Arc<str>], &'a Details);

impl OnBehalf {
    /// A principal without actor and grant.
    pub fn of(principal: Principal) -> Self {
        Self { principal, actor: None, grant: None }
    }

    fn key(&self) -> Key<'_> {
        let grant = self.grant.as_deref();
        let grant = grant.map(|it| (&*it.issuer, it.client.as_deref(), &*it.scopes, &it.details));
        (&self.principal, self.actor.as_ref(), grant)
    }
}

impl PartialEq for OnBehalf {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for OnBehalf {}

impl Hash for OnBehalf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrincipalKind;

    fn on_behalf(id: &str, actor: Option<&str>, client: &str, scopes: &[&str], token: &str) -> OnBehalf {
        let principal = |id: &str| Principal { kind: PrincipalKind::Oauth, id: id.into() };
        let grant = Grant {
            issuer: "https://as.test".into(),
            client: Some(client.into()),
            scopes: scopes.iter().map(|scope| Arc::from(*scope)).collect(),
            details: Details::default(),
            token_id: Some(token.into()),
            token: Some(SubjectToken::new(token)),
        };
        OnBehalf { principal: principal(id), actor: actor.map(principal), grant: Some(Arc::new(grant)) }
    }

    #[test]
    fn another_token_is_the_same_and_another_grant_is_not() {
        let alice = on_behalf("alice", None, "editor", &["a"], "t1");
        assert_eq!(alice, on_behalf("alice", None, "editor", &["a"], "t2"));
        for other in [
            on_behalf("bob", None, "editor", &["a"], "t1"),
            on_behalf("alice", Some("agent"), "editor", &["a"], "t1"),
            on_behalf("alice", None, "console", &["a"], "t1"),
            on_behalf("alice", None, "editor", &["a", "b"], "t1"),
            on_behalf("alice", None, "editor", &[], "t1"),
            OnBehalf { grant: None, ..alice.clone() },
        ] {
            assert_ne!(alice, other);
        }
    }

    #[test]
    fn a_subject_token_is_seen_nowhere() {
        let alice = on_behalf("alice", None, "editor", &["a"], "c4n4ry");
        let grant = alice.grant.as_deref().map(|grant| Grant { token_id: None, ..grant.clone() });
        let shown = format!("{grant:?} {}", serde_json::to_string(&grant).unwrap_or_default());
        assert!(shown.contains("SubjectToken(…)") && !shown.contains("c4n4ry"), "{shown}");
    }
}
