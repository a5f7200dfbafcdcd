//! Tokens that their issuer is asked about (RFC 7662), over real sockets: believed for a while, and never without an
//! answer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, reason = "test code")]

mod setup;

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use http::{HeaderMap, HeaderValue, header};
use portcullis_core::{AuthMethod, Channel, RefusalKind, Secret, ServerName};
use portcullis_identity::{
    Authenticated, Authenticator, ClientAuthentication, Head, HttpFetch, Introspection, Issuer, OauthClient,
    Resource,
};
use portcullis_testkit::{issuer, token_server::TokenServer};
use serde_json::{Value, json};

const NOW: u64 = 1_900_000_000;
const AUDIENCE: &str = "https://gw.test/mcp/git";
static KEYS: LazyLock<issuer::Issuer> = LazyLock::new(|| issuer::Issuer::new("https://as.test"));

fn gate(url: &str) -> Authenticator {
    let client = OauthClient {
        fetch: Arc::new(HttpFetch::new(None).unwrap()),
        issuer: url.into(),
        client_id: "gateway".into(),
        authentication: ClientAuthentication::Secret(Secret::new(b"secret".to_vec())),
    };
    let introspection = Some(Introspection { client, seconds: 30 });
    let issuer = Issuer { introspection, max_delegation: 1, ..setup::issuer(url, &KEYS.jwks()) };
    setup::gate(&setup::trusting(issuer))
}

/// The caller, or kind and detail of the refusal.
async fn ask(gate: &Authenticator, token: &str, later: u64) -> Result<Authenticated, (RefusalKind, String)> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    let server: ServerName = "git".parse().unwrap();
    let head = Head {
        channel: Channel::Http,
        peer: "192.0.2.1".parse().ok(),
        certificate: None,
        headers: Some(&headers),
        query: None,
        listener_is_loopback: false,
        method: "POST",
        path: "/mcp/git",
        resource: Some(Resource { origin: "https://gw.test", door: "/mcp", server: Some(&server) }),
        now_ms: (NOW + later) * 1000,
    };
    gate.authenticate(&head).await.map_err(|refusal| (refusal.kind(), refusal.detail().to_owned()))
}

/// What an issuer says about a good token, with changes: a null takes a member away.
fn said(changes: Value) -> Value {
    let mut said = json!({
        "active": true, "sub": "alice", "client_id": "editor", "scope": "mcp notes", "aud": AUDIENCE,
        "exp": NOW + 3_000, "iat": NOW,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(said.as_object_mut().unwrap().remove(name)),
            value => said[name] = value.clone(),
        }
    }
    said
}

#[tokio::test]
async fn an_answer_is_believed_for_its_seconds_and_no_longer() {
    let active = Arc::new(AtomicBool::new(true));
    let known = Arc::clone(&active);
    let answer = move |_: &_| {
        (
            200,
            if known.load(Ordering::SeqCst) {
                said(json!({ "authorization_details": [{ "type": "a" }] }))
            } else {
                json!({ "active": false })
            },
        )
    };
    let server = TokenServer::start(answer).await.unwrap();
    let gate = gate(server.url());
    let caller = ask(&gate, "opaque-1", 0).await.unwrap();
    assert_eq!((&*caller.principal.id, caller.method), ("corp:alice", AuthMethod::BearerToken));
    let grant = caller.grant.clone().unwrap();
    assert_eq!((grant.client.as_deref(), grant.scopes.len(), grant.details.len()), (Some("editor"), 2, 1));
    active.store(false, Ordering::SeqCst);
    ask(&gate, "opaque-1", 29).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "it is remembered");
    assert_eq!((asked[0].path.as_str(), asked[0].field("token")), ("/introspect", "opaque-1"));
    assert_eq!(asked[0].headers["authorization"], "Basic Z2F0ZXdheTpzZWNyZXQ=");
    for later in [30, 59] {
        let (kind, detail) = ask(&gate, "opaque-1", later).await.unwrap_err();
        assert_eq!(kind, RefusalKind::Unauthenticated, "taken back");
        assert!(detail.contains("not active"), "{detail}");
    }
    assert_eq!(server.asked().len(), 2, "that it is bad is remembered too");
    active.store(true, Ordering::SeqCst);
    ask(&gate, "opaque-1", 60).await.unwrap();
}

#[tokio::test]
async fn what_is_not_clearly_good_is_refused() {
    use RefusalKind::{Unauthenticated as U, UpstreamUnavailable as Unknown};
    for (status, body, kind, why) in [
        (200, json!({ "active": false }), U, "not active"),
        (200, said(json!({ "active": "true" })), Unknown, "does not say"),
        (200, said(json!({ "active": null })), Unknown, "does not say"),
        (200, json!([true]), Unknown, "does not say"),
        (200, said(json!({ "aud": null })), U, "`aud`"),
        (200, said(json!({ "aud": "https://gw.test/mcp" })), U, "`aud`"),
        (200, said(json!({ "exp": null })), U, "`exp`"),
        (200, said(json!({ "exp": NOW })), U, "expired"),
        (200, said(json!({ "exp": NOW + 86_400 })), U, "lives"),
        (200, said(json!({ "nbf": NOW + 60 })), U, "not valid before"),
        (200, said(json!({ "sub": null, "client_id": null })), U, "`sub`"),
        (200, said(json!({ "sub": 1 })), U, "`sub`"),
        (200, said(json!({ "iss": "https://other.test" })), U, "`iss`"),
        (200, said(json!({ "cnf": { "x5t#S256": "x" } })), U, "`cnf`"),
        (200, said(json!({ "authorization_details": [{}] })), U, "`authorization_details`"),
        (200, said(json!({ "act": { "sub": "a", "act": { "sub": "b" } } })), U, "delegated 2 times"),
        (401, json!({ "error": "invalid_client" }), Unknown, "answered 401"),
        (302, said(json!({})), Unknown, "answered 302"),
        (500, json!({}), Unknown, "answered 500"),
    ] {
        let server = {
            let body = body.clone();
            TokenServer::start(move |_| (status, body.clone())).await.unwrap()
        };
        let refused = ask(&gate(server.url()), "opaque", 0).await.unwrap_err();
        assert_eq!(refused.0, kind, "{body}: {}", refused.1);
        assert!(refused.1.contains(why), "{body}: {}", refused.1);
    }
}

#[tokio::test]
async fn a_jwt_is_never_asked_about_and_nobody_there_lets_nobody_in() {
    let server = TokenServer::start(|_| (200, said(json!({ "sub": null })))).await.unwrap();
    let gate = gate(server.url());
    let refused = ask(&gate, "a.b.c", 0).await.unwrap_err();
    assert_eq!(refused.0, RefusalKind::Unauthenticated);
    assert!(server.asked().is_empty(), "a JWT says what it is");
    // A client's own token is its own.
    assert_eq!(&*ask(&gate, "opaque", 0).await.unwrap().principal.id, "corp:editor");
    drop(server);
    ask(&gate, "opaque", 29).await.unwrap();
    let (kind, detail) = ask(&gate, "opaque", 30).await.unwrap_err();
    assert_eq!(kind, RefusalKind::UpstreamUnavailable, "{detail}");
}
