//! A refresh token that the authorization server has taken is never shown again, whoever has gone away meanwhile.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::{any::Any, sync::Arc, time::Duration};

use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Digest, FakeClock, OnBehalf, Principal, PrincipalKind, Secret};
use portcullis_identity::{
    ConnectConfig, ConnectionStore, Credential, CredentialConfig, HttpFetch, Remedy, StoreFault,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
struct One {
    kept: Mutex<Secret>,
    saved: Notify,
}

impl ConnectionStore for One {
    fn load(&self, _: &Digest) -> Result<Option<Secret>, StoreFault> {
        Ok(Some(self.kept.lock().clone()))
    }

    fn save(&self, _: &Digest, content: &Secret) -> Result<(), StoreFault> {
        *self.kept.lock() = content.clone();
        self.saved.notify_one();
        Ok(())
    }

    fn remove(&self, _: &Digest) -> Result<bool, StoreFault> {
        Ok(false)
    }

    fn lock<'s>(&'s self, _: &'s Digest) -> BoxFuture<'s, Result<Box<dyn Any + Send>, StoreFault>> {
        Box::pin(std::future::ready(Ok(Box::new(()) as Box<dyn Any + Send>)))
    }
}

impl One {
    fn renewable(origin: &str) -> Arc<Self> {
        let kept = json!({
            "server": format!("{origin}/mcp"), "owner": "local-user", "resource": format!("{origin}/mcp"),
            "client": { "issuer": origin, "client_id": "c", "redirect_uri": "http://127.0.0.1/callback", "method": "none" },
            "token_endpoint": format!("{origin}/token"), "access_token": "before", "refresh_token": "once",
            "expires_ms": 0, "scopes": ["a"], "connected_ms": 1,
        });
        Arc::new(Self { kept: Mutex::new(Secret::new(kept.to_string().into_bytes())), saved: Notify::new() })
    }

    fn text(&self) -> String {
        String::from_utf8(self.kept.lock().expose().to_vec()).unwrap()
    }
}

fn credential(origin: &str, store: Arc<One>) -> Arc<Credential> {
    let config = ConnectConfig {
        fetch: Arc::new(HttpFetch::new(None).unwrap()),
        server: format!("{origin}/mcp").parse().unwrap(),
        issuer: Some(origin.into()),
        client: None,
        document: None,
        registers: false,
        scopes: Vec::new(),
        remedy: Remedy::Command("run it".into()),
        store,
    };
    Arc::new(Credential::new(&CredentialConfig::AuthorizationCode(config), Arc::new(FakeClock::at(1_000))))
}

/// Takes a request with all of its body.
async fn taken(stream: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    while !String::from_utf8_lossy(&asked).contains("refresh_token=once") {
        assert!(stream.read_buf(&mut asked).await.unwrap() > 0, "{}", String::from_utf8_lossy(&asked));
    }
    String::from_utf8(asked).unwrap()
}

async fn grant(stream: &mut TcpStream) {
    let body = r#"{"access_token":"after","token_type":"Bearer","refresh_token":"next","expires_in":3600}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn what_was_renewed_is_kept_when_nobody_waits_for_it() {
    for goes_away in [false, true] {
        let endpoint = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", endpoint.local_addr().unwrap());
        let store = One::renewable(&origin);
        let credential = credential(&origin, Arc::clone(&store));
        let caller = tokio::spawn(async move {
            let local = OnBehalf::of(Principal { kind: PrincipalKind::LocalUser, id: "loopback".into() });
            credential.shown(&local).await.map(|shown| shown.header.as_bytes().to_vec())
        });
        let (mut stream, _) = tokio::time::timeout(PATIENCE, endpoint.accept()).await.unwrap().unwrap();
        taken(&mut stream).await;
        // From here on the old token is spent.
        if goes_away {
            caller.abort();
            assert!(caller.await.unwrap_err().is_cancelled());
            grant(&mut stream).await;
        } else {
            grant(&mut stream).await;
            assert_eq!(caller.await.unwrap().unwrap(), b"Bearer after");
        }
        let saved = tokio::time::timeout(PATIENCE, store.saved.notified()).await;
        assert!(saved.is_ok(), "goes away: {goes_away}: {}", store.text());
        let text = store.text();
        assert!(text.contains("next") && !text.contains("once"), "{text}");
    }
}
