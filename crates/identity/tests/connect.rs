//! Whose connection is used, and by whom, without any network: what is kept decides.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::{any::Any, collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Digest, FakeClock, Grant, OnBehalf, Principal, PrincipalKind, Secret};
use portcullis_identity::{
    ConnectConfig, ConnectionStore, Credential, CredentialConfig, CredentialFault, HttpFetch, Remedy,
    StoreFault,
};
use serde_json::json;

const SERVER: &str = "https://s.test/mcp";
const ISSUER: &str = "https://as.test";

#[derive(Debug, Default)]
struct Memory(Mutex<HashMap<Digest, Secret>>);

impl ConnectionStore for Memory {
    fn load(&self, key: &Digest) -> Result<Option<Secret>, StoreFault> {
        Ok(self.0.lock().get(key).cloned())
    }

    fn save(&self, key: &Digest, content: &Secret) -> Result<(), StoreFault> {
        self.0.lock().insert(*key, content.clone());
        Ok(())
    }

    fn remove(&self, key: &Digest) -> Result<bool, StoreFault> {
        Ok(self.0.lock().remove(key).is_some())
    }

    fn lock<'s>(&'s self, _: &'s Digest) -> BoxFuture<'s, Result<Box<dyn Any + Send>, StoreFault>> {
        Box::pin(std::future::ready(Ok(Box::new(()) as Box<dyn Any + Send>)))
    }
}

impl Memory {
    /// A connection of `owner` through `issuer` that these clients may use.
    fn with(owner: &str, issuer: &str, clients: &[&str]) -> Arc<Self> {
        let kept = json!({
            "server": SERVER, "owner": owner, "resource": SERVER,
            "client": { "issuer": issuer, "client_id": "c", "redirect_uri": "https://gw.test/connect/connected", "method": "none" },
            "token_endpoint": format!("{issuer}/token"), "access_token": "opened", "expires_ms": 1_000_000, "scopes": ["a"],
            "clients": clients, "connected_ms": 1,
        });
        let memory = Self::default();
        let key = Digest::of_parts(["connection", SERVER, owner].map(str::as_bytes));
        memory.save(&key, &Secret::new(kept.to_string().into_bytes())).unwrap();
        Arc::new(memory)
    }
}

fn credential(store: Arc<Memory>, is_shared: bool) -> Credential {
    let command = Remedy::Command("run it".into());
    let page = Remedy::Page { origin: "https://gw.test".into(), server: "notes".into() };
    let config = ConnectConfig {
        fetch: Arc::new(HttpFetch::new(None).unwrap()),
        server: SERVER.parse().unwrap(),
        issuer: Some(ISSUER.into()),
        client: None,
        document: None,
        registers: false,
        scopes: Vec::new(),
        remedy: if is_shared { page } else { command },
        store,
    };
    Credential::new(&CredentialConfig::AuthorizationCode(config), Arc::new(FakeClock::at(1_000)))
}

fn through(id: &str, client: Option<&str>) -> OnBehalf {
    let grant = Grant {
        issuer: "https://login.test".into(),
        client: client.map(Into::into),
        scopes: Arc::new([]),
        details: portcullis_core::Details::default(),
        token_id: None,
        token: None,
    };
    let principal = Principal { kind: PrincipalKind::Oauth, id: id.into() };
    OnBehalf { grant: Some(Arc::new(grant)), ..OnBehalf::of(principal) }
}

#[tokio::test]
async fn a_connection_is_used_for_its_owner_and_the_clients_that_were_agreed_to() {
    let editor = "https://login.test editor";
    let store = || Memory::with("oauth:corp:alice", ISSUER, &[editor]);
    let rows = [
        ("the owner", store(), through("corp:alice", Some("editor")), true),
        ("another client of the owner", store(), through("corp:alice", Some("other")), false),
        ("a client without a name", store(), through("corp:alice", None), false),
        ("somebody else", store(), through("corp:bob", Some("editor")), false),
        (
            "another issuer than is configured",
            Memory::with("oauth:corp:alice", "https://evil.test", &[editor]),
            through("corp:alice", Some("editor")),
            false,
        ),
    ];
    for (name, store, on_behalf, is_shown) in rows {
        match credential(store, true).shown(&on_behalf).await {
            Ok(shown) => assert!(is_shown && shown.header.as_bytes() == b"Bearer opened", "{name}"),
            Err(fault) => {
                assert!(!is_shown, "{name}: {fault}");
                let page = fault.page().unwrap();
                assert!(page.starts_with("https://gw.test/connect/notes?ticket="), "{name}: {page}");
                assert!(!page.contains("alice") && !page.contains("bob"), "{name}: {page}");
            }
        }
    }
}

#[tokio::test]
async fn the_user_of_this_machine_is_one_and_needs_no_page() {
    for id in ["uid:1000", "loopback"] {
        let local = OnBehalf::of(Principal { kind: PrincipalKind::LocalUser, id: id.into() });
        assert!(
            credential(Memory::with("local-user", ISSUER, &[]), false).shown(&local).await.is_ok(),
            "{id}"
        );
        let fault = credential(Arc::default(), false).shown(&local).await.err().unwrap();
        assert!(matches!(&fault, CredentialFault::NotConnected { url: None, .. }), "{fault:?}");
        assert_eq!(&**fault.remedy().unwrap(), "run it");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_no_connection() {
    let store = Memory::with("local-user", ISSUER, &[]);
    store.0.lock().values_mut().for_each(|it| *it = Secret::new(b"{\"access_token\":\"opened\"}".to_vec()));
    let local = OnBehalf::of(Principal { kind: PrincipalKind::LocalUser, id: "loopback".into() });
    let fault = credential(store, false).shown(&local).await.err().unwrap();
    assert!(matches!(fault, CredentialFault::Unkept(_)) && !fault.to_string().contains("opened"), "{fault}");
}
