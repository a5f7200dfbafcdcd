//! What a server is shown where that depends on the caller, on each transport.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::AUTHORIZATION;
use portcullis_core::{
    Clock, Grant, LinkProfile, OnBehalf, Principal, PrincipalKind, SubjectToken, SystemClock,
};
use portcullis_identity::{
    ClientAuthentication, Credential, CredentialConfig, HttpFetch, IssuedConfig, OauthClient,
};

use super::*;

/// An authorization server that gives out `t1`, `t2` and so on.
async fn authorization_server() -> Arc<FakeHttp> {
    let given = Arc::new(AtomicUsize::new(0));
    FakeHttp::start(move |seen| {
        let given = Arc::clone(&given);
        async move {
            let url = format!("http://{}", seen.header("host").unwrap_or_default());
            if seen.method == "GET" {
                return Reply::json(&json!({"issuer": url, "token_endpoint": format!("{url}/token")}));
            }
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            Reply::json(&json!({
                "access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": 60,
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }))
        }
    })
    .await
}

fn exchange(server: &FakeHttp) -> Arc<Credential> {
    let issuer = server.url("").to_string();
    let issued = IssuedConfig {
        client: OauthClient {
            fetch: Arc::new(HttpFetch::new(None).unwrap()),
            issuer: issuer.trim_end_matches('/').into(),
            client_id: "gateway".into(),
            authentication: ClientAuthentication::Secret(Secret::new(b"secret".to_vec())),
        },
        resource: "https://s.test/mcp".into(),
        audience: None,
        scopes: vec!["a".into()],
        details: portcullis_core::Details::default(),
        details_of_caller: Vec::new(),
        max_lifetime: 600,
        max_delegation: 1,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = CredentialConfig::Exchange { issued, actor: false, danger_beyond_caller_scopes: false };
    Arc::new(Credential::new(&config, clock))
}

fn caller(token: &str) -> LinkProfile {
    let grant = Grant {
        issuer: "https://as.test".into(),
        client: None,
        scopes: vec!["a".into()].into(),
        details: portcullis_core::Details::default(),
        token_id: None,
        token: Some(SubjectToken::new(token)),
    };
    let principal = Principal { kind: PrincipalKind::Oauth, id: "alice".into() };
    LinkProfile {
        on_behalf: OnBehalf { principal, actor: None, grant: Some(Arc::new(grant)) },
        ..profile(&json!({}), None)
    }
}

fn shown(bench: &Bench) -> Vec<(String, String)> {
    let calls = bench.server.seen().into_iter().filter(|seen| seen.body["method"] == "tools/call");
    calls
        .map(|seen| {
            let value = seen.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
            (seen.path.clone(), value.unwrap_or_default())
        })
        .collect()
}

/// A server of this era that takes every token but `t1` in a call.
async fn bench(modern: bool, credential: Arc<Credential>, executed: Arc<AtomicUsize>) -> Bench {
    let handler = move |seen: Seen| {
        let executed = Arc::clone(&executed);
        async move {
            let greeting = if modern { discovered(&seen) } else { greeted(&seen, "2025-11-25") };
            if let Some(reply) = greeting {
                return reply;
            }
            if seen.header("authorization") == Some("Bearer t1") {
                return Reply::status(401);
            }
            executed.fetch_add(1, Ordering::SeqCst);
            Reply::json(&result(&seen.body["id"], &json!({"ok": true})))
        }
    };
    Bench::showing(Some(credential), handler).await
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_replaced_once_and_the_call_done_once() {
    for modern in [true, false] {
        let server = authorization_server().await;
        let executed = Arc::new(AtomicUsize::new(0));
        let bench = bench(modern, exchange(&server), executed.clone()).await;
        let link = bench.upstream.connect(&caller("subject")).await.unwrap();
        let mut exchange = link.request(call("1")).await.unwrap();
        assert_eq!(next(&mut exchange).await.1["result"]["ok"], true, "{modern}");
        let path = "/mcp".to_owned();
        let expected = ["Bearer t1", "Bearer t2"].map(|token| (path.clone(), token.to_owned()));
        assert_eq!(shown(&bench), expected, "{modern}");
        assert_eq!(executed.load(Ordering::SeqCst), 1);
        let posts = server.seen().iter().filter(|seen| seen.method == "POST").count();
        assert_eq!(posts, 2, "exchanges");

        // Another token of the same caller: the same link, and a token made from it.
        link.renew(&caller("newer").on_behalf);
        let mut exchange = link.request(call("2")).await.unwrap();
        next(&mut exchange).await;
        assert_eq!(shown(&bench).pop().unwrap().1, "Bearer t3");
    }
}

#[tokio::test]
async fn a_server_that_takes_no_token_is_asked_no_more_than_twice() {
    let server = authorization_server().await;
    let handler = |seen: Seen| async move { discovered(&seen).unwrap_or(Reply::status(401)) };
    let bench = Bench::showing(Some(exchange(&server)), handler).await;
    let link = bench.upstream.connect(&caller("subject")).await.unwrap();
    let error = link.request(call("1")).await.err().unwrap();
    assert!(matches!(error, UpstreamError::Http { status: 401, .. }), "{error}");
    assert_eq!(shown(&bench).len(), 2);
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent() {
    let server = authorization_server().await;
    let bench = Bench::showing(Some(exchange(&server)), |_| async { Reply::status(500) }).await;
    let error = bench.connect().await.err().unwrap();
    assert!(matches!(error, UpstreamError::NoCredential { .. }), "{error}");
    assert!(bench.server.seen().is_empty());
}
