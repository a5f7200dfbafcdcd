//! What servers are shown, over real sockets: what is asked of an authorization server and a store, and which of their
//! answers are not used.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use portcullis_core::{Details, FakeClock, Grant, OnBehalf, Principal, PrincipalKind, Secret, SubjectToken};
use portcullis_identity::{
    ClientAuthentication, Credential, CredentialConfig, CredentialFault, HttpFetch, IssuedConfig,
    OauthClient, StoredConfig, authorization_details,
};
use portcullis_testkit::{
    issuer::{decode, encode},
    token_server::{Answer, Asked, TokenServer},
};
use serde_json::{Value, json};

const RESOURCE: &str = "https://notes.test/mcp";
const NOW: u64 = 1_900_000_000_000;
/// Of nobody: what may be seen nowhere.
const SUBJECT: &str = "c4n4ry-subject";
const SECRET: &str = "c4n4ry:secret%";

fn client(issuer: &str, authentication: ClientAuthentication) -> OauthClient {
    let fetch = Arc::new(HttpFetch::new(None).unwrap());
    OauthClient { fetch, issuer: issuer.into(), client_id: "gate way".into(), authentication }
}

fn issued(server: &TokenServer) -> IssuedConfig {
    IssuedConfig {
        client: client(server.url(), ClientAuthentication::Secret(Secret::new(SECRET.into()))),
        resource: RESOURCE.into(),
        audience: None,
        scopes: vec!["read".into(), "write".into()],
        details: Details::default(),
        details_of_caller: Vec::new(),
        max_lifetime: 600,
        max_delegation: 2,
    }
}

fn exchanging(server: &TokenServer) -> CredentialConfig {
    CredentialConfig::Exchange { issued: issued(server), actor: true, danger_beyond_caller_scopes: false }
}

fn credential(config: &CredentialConfig) -> (Credential, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::at(NOW));
    (Credential::new(config, clock.clone()), clock)
}

fn caller(id: &str, scopes: &[&str], token: Option<&str>) -> OnBehalf {
    let principal = Principal { kind: PrincipalKind::Oauth, id: id.into() };
    let scopes = scopes.iter().map(|scope| Arc::from(*scope)).collect();
    let token = token.map(SubjectToken::new);
    let details = Details::default();
    let grant =
        Grant { issuer: "https://as.test".into(), client: None, scopes, details, token_id: None, token };
    OnBehalf { principal, actor: None, grant: Some(Arc::new(grant)) }
}

fn alice() -> OnBehalf {
    caller("corp:alice", &["read"], Some(SUBJECT))
}

fn gateway() -> OnBehalf {
    OnBehalf::of(Principal { kind: PrincipalKind::Gateway, id: "gateway".into() })
}

/// A good answer whose token says what it was made from and is like no other.
fn good(asked: &Asked) -> Answer {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let kind = if asked.field("subject_token").is_empty() { "own" } else { "exchanged" };
    (200, answer(&format!("{kind}-{number}"), json!({})))
}

/// A good answer with changes: a null takes a member away.
fn answer(token: &str, changes: Value) -> Value {
    let mut answer = json!({
        "access_token": token, "token_type": "bearer", "expires_in": 300,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(answer.as_object_mut().unwrap().remove(name)),
            value => answer[name] = value.clone(),
        }
    }
    answer
}

async fn shown(credential: &Credential, on_behalf: &OnBehalf) -> Result<String, CredentialFault> {
    let shown = credential.shown(on_behalf).await?;
    assert!(shown.header.is_sensitive());
    Ok(shown.header.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned())
}

#[tokio::test]
async fn a_callers_token_is_exchanged_and_only_its_own_scopes_are_asked_for() {
    let server = TokenServer::start(good).await.unwrap();
    let (credential, clock) = credential(&exchanging(&server));
    assert!(credential.is_per_caller());
    let first = shown(&credential, &alice()).await.unwrap();
    assert!(first.starts_with("exchanged"), "{first}");
    assert_eq!(shown(&credential, &alice()).await.unwrap(), first, "kept");

    let asked = server.asked();
    let [actor, exchange] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(actor.field("grant_type"), "client_credentials");
    assert_eq!((actor.field("resource"), actor.field("scope")), ("", ""));
    assert_eq!(exchange.field("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!((exchange.field("subject_token"), exchange.field("scope")), (SUBJECT, "read"));
    assert!(exchange.field("actor_token").starts_with("own"), "{exchange:?}");
    assert_eq!(exchange.field("resource"), RESOURCE);
    // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
    assert_eq!(exchange.headers["authorization"], "Basic Z2F0ZSt3YXk6YzRuNHJ5JTNBc2VjcmV0JTI1");

    // Another token, another scope, and the time make another; forgetting does too.
    for other in [
        caller("corp:alice", &["read"], Some("another")),
        caller("corp:bob", &["read", "write"], Some(SUBJECT)),
    ] {
        assert_ne!(shown(&credential, &other).await.unwrap(), first);
    }
    let kept = credential.shown(&alice()).await.unwrap();
    credential.forget(&alice(), &kept).await;
    let second = shown(&credential, &alice()).await.unwrap();
    assert_ne!(second, first);
    credential.forget(&alice(), &kept).await;
    assert_eq!(shown(&credential, &alice()).await.unwrap(), second, "what took its place stays");
    clock.advance_ms(284_999);
    assert_eq!(shown(&credential, &alice()).await.unwrap(), second);
    clock.advance_ms(1);
    assert_ne!(shown(&credential, &alice()).await.unwrap(), second, "a quarter of a minute before its end");
}

/// RFC 9396: what is configured is asked for, and what the caller's token says of the types that are taken over.
#[tokio::test]
async fn details_are_asked_for_and_have_to_be_granted() {
    let details = |json: &str| authorization_details(json.as_bytes()).unwrap();
    let said = |asked: &Asked| {
        let granted = asked.form.get("authorization_details").map(|it| serde_json::from_str(it).unwrap());
        let granted = granted.unwrap_or(Value::Null);
        let (_, mut body) = good(asked);
        body["authorization_details"] = granted;
        (200, body)
    };
    let server = TokenServer::start(said).await.unwrap();
    let issued = IssuedConfig {
        details: details(r#"[{"type":"notes","actions":["read"]}]"#),
        details_of_caller: vec!["pay".into()],
        ..issued(&server)
    };
    let config = CredentialConfig::Exchange {
        issued: issued.clone(),
        actor: false,
        danger_beyond_caller_scopes: false,
    };
    let with = |json: &str| {
        let mut alice = alice();
        let mut grant = (*alice.grant.unwrap()).clone();
        grant.details = details(json);
        alice.grant = Some(Arc::new(grant));
        alice
    };
    let (credential, _) = credential(&config);
    let first = shown(&credential, &with(r#"[{"type":"pay","eur":5},{"type":"other"}]"#)).await.unwrap();
    let asked = server.asked().pop().unwrap();
    assert_eq!(
        asked.field("authorization_details"),
        r#"[{"type":"notes","actions":["read"]},{"type":"pay","eur":5}]"#
    );
    // Another authorisation is another token.
    let second = shown(&credential, &with(r#"[{"type":"pay","eur":50}]"#)).await.unwrap();
    assert_ne!(first, second);
    let fault = shown(&credential, &with(r#"[{"type":"other"}]"#)).await.unwrap_err();
    assert_eq!((fault.lacking_details(), fault.lacking_scopes()), (Some("pay"), None), "{fault}");
    assert_eq!(server.asked().len(), 2, "nobody is asked for less than that");

    for (granted, why) in [
        (Value::Null, "does not say"),
        (json!([{ "type": "notes", "actions": ["read", "write"] }]), "not asked for"),
        (json!([{ "type": "admin" }]), "not asked for"),
    ] {
        let answering =
            move |_: &Asked| (200, answer("t", json!({ "authorization_details": granted.clone() })));
        let server = TokenServer::start(answering).await.unwrap();
        let client = client(server.url(), ClientAuthentication::Secret(Secret::new(SECRET.into())));
        let config = CredentialConfig::ClientCredentials(IssuedConfig { client, ..issued.clone() });
        let fault = shown(&self::credential(&config).0, &alice()).await.unwrap_err();
        assert!(fault.to_string().contains(why), "{fault}");
    }
}

#[tokio::test]
async fn without_a_token_or_a_scope_there_is_no_credential() {
    let server = TokenServer::start(good).await.unwrap();
    let (strict, _) = credential(&exchanging(&server));
    for (on_behalf, fault) in [
        (caller("corp:alice", &["read"], None), CredentialFault::NoSubject),
        (OnBehalf { grant: None, ..alice() }, CredentialFault::NoSubject),
        (caller("corp:alice", &["admin"], Some(SUBJECT)), CredentialFault::Scopes("read write".into())),
    ] {
        assert_eq!(shown(&strict, &on_behalf).await.unwrap_err(), fault);
    }
    assert!(server.asked().is_empty());
    // The gateway's own questions are asked in its own name.
    assert!(shown(&strict, &gateway()).await.unwrap().starts_with("own"));
    assert_eq!(server.asked()[0].field("scope"), "read write");
    let config = CredentialConfig::Exchange {
        issued: issued(&server),
        actor: false,
        danger_beyond_caller_scopes: true,
    };
    let (wide, _) = credential(&config);
    shown(&wide, &caller("corp:alice", &["admin"], Some(SUBJECT))).await.unwrap();
    let last = server.asked().pop().unwrap();
    assert_eq!((last.field("scope"), last.field("actor_token")), ("read write", ""));
}

fn jwt(claims: &Value) -> String {
    format!("{}.{}.c2ln", encode(b"{}"), encode(claims.to_string().as_bytes()))
}

/// What an authorization server must not answer to an exchange, and why it is not used.
fn bad_answers() -> Vec<(Answer, &'static str)> {
    let ok = |changes| (200, answer("new", changes));
    let token = |claims: Value| (200, answer(&jwt(&claims), json!({})));
    vec![
        (ok(json!({ "access_token": SUBJECT })), "a token that was sent"),
        (ok(json!({ "access_token": "actor" })), "a token that was sent"),
        (ok(json!({ "access_token": null })), "no `access_token`"),
        (ok(json!({ "access_token": "" })), "not a token"),
        (ok(json!({ "access_token": "a b" })), "not a token"),
        (ok(json!({ "access_token": "a\r\nx: y" })), "not a token"),
        (ok(json!({ "access_token": "a".repeat(20_000) })), "not a token"),
        (ok(json!({ "token_type": "DPoP" })), "`token_type`"),
        (ok(json!({ "token_type": null })), "`token_type`"),
        (ok(json!({ "issued_token_type": null })), "`issued_token_type`"),
        (
            ok(json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:id_token" })),
            "`issued_token_type`",
        ),
        (ok(json!({ "scope": "read admin" })), "scopes that were not asked for"),
        (ok(json!({ "scope": "write" })), "scopes that were not asked for"),
        (ok(json!({ "expires_in": null })), "`expires_in`"),
        (ok(json!({ "expires_in": -1 })), "`expires_in`"),
        (ok(json!({ "expires_in": "300" })), "`expires_in`"),
        (ok(json!({ "expires_in": 601 })), "lives longer"),
        (token(json!({ "aud": RESOURCE, "sub": "alice" })), "does not say who acts"),
        (
            token(json!({ "aud": RESOURCE, "sub": "gate way", "act": { "sub": "gate way" } })),
            "the gateway's own",
        ),
        (token(json!({ "aud": RESOURCE, "exp": NOW / 1000 + 631, "act": { "sub": "a" } })), "lives longer"),
        (token(json!({ "aud": "https://other.test/mcp" })), "for somebody else"),
        (token(json!({ "sub": "corp:alice" })), "for somebody else"),
        (token(json!({ "aud": ["https://other.test", "x"] })), "for somebody else"),
        (
            token(
                json!({ "aud": RESOURCE, "act": { "sub": "a", "act": { "sub": "b", "act": { "sub": "c" } } } }),
            ),
            "longer chain",
        ),
        ((200, json!("text")), "`token_type`"),
        ((400, json!({ "error": "invalid_grant", "error_description": SUBJECT })), "400 `invalid_grant`"),
        ((400, json!({ "error": SUBJECT })), "400"),
        ((302, json!({})), "302"),
        ((500, json!({})), "500"),
    ]
}

#[tokio::test]
async fn an_answer_that_does_not_keep_to_the_question_is_not_used() {
    for (bad, why) in bad_answers() {
        let shows = bad.clone();
        let server = TokenServer::start(move |asked| match asked.field("subject_token") {
            "" => (200, answer("actor", json!({}))),
            _ => bad.clone(),
        });
        let server = server.await.unwrap();
        let (credential, _) = credential(&exchanging(&server));
        let fault = shown(&credential, &alice()).await.unwrap_err();
        assert!(fault.to_string().contains(why), "{shows:?}: {fault}");
        // Nor is it asked again at once, and nothing secret is in what is said.
        assert_eq!(shown(&credential, &alice()).await.unwrap_err(), fault);
        assert_eq!(server.asked().len(), 2);
        let said = format!("{fault} {fault:?} {credential:?}");
        assert!(!said.contains(SUBJECT) && !said.contains("c4n4ry"), "{said}");
    }
    // What a good JWT says is no obstacle.
    let good = json!({ "aud": ["x", RESOURCE], "act": { "sub": "a", "act": { "sub": "b" } } });
    let server =
        TokenServer::start(move |_| (200, answer(&jwt(&good), json!({ "scope": "read" })))).await.unwrap();
    let config = CredentialConfig::Exchange {
        issued: issued(&server),
        actor: false,
        danger_beyond_caller_scopes: false,
    };
    shown(&credential(&config).0, &alice()).await.unwrap();
}

#[tokio::test]
async fn a_key_proves_the_client_for_a_minute_and_one_server() {
    for (kind, algorithm) in [("EC", "ES256"), ("ED25519", "EdDSA"), ("RSA", "PS256")] {
        let server = TokenServer::start(good).await.unwrap();
        let pem = Secret::new(key(kind).into_bytes());
        let authentication = ClientAuthentication::key(&pem, Some("k1".into())).unwrap();
        let config = CredentialConfig::ClientCredentials(IssuedConfig {
            client: client(server.url(), authentication),
            ..issued(&server)
        });
        let (credential, _) = credential(&config);
        assert!(!credential.is_per_caller());
        let token = shown(&credential, &alice()).await.unwrap();
        assert_eq!(shown(&credential, &caller("corp:bob", &[], None)).await.unwrap(), token, "for everybody");
        let asked = server.asked().pop().unwrap();
        assert!(!asked.headers.contains_key("authorization"));
        assert_eq!(asked.field("client_id"), "gate way");
        let parts: Vec<&str> = asked.field("client_assertion").split('.').collect();
        let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
        let (header, claims) = (read(parts[0]), read(parts[1]));
        assert_eq!((&header["alg"], &header["kid"]), (&json!(algorithm), &json!("k1")));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("gate way"), &json!(server.url())));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    }
    for pem in ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        assert!(ClientAuthentication::key(&Secret::new(pem.into()), None).is_err(), "{pem}");
    }
}

/// A new private key of this kind in PEM.
fn key(kind: &str) -> String {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::{KeyPair, KeySize},
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
    };
    let random = aws_lc_rs::rand::SystemRandom::new();
    let der = match kind {
        "EC" => {
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
            made.unwrap().as_ref().to_vec()
        }
        "RSA" => {
            let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
            AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec()
        }
        _ => Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec(),
    };
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[tokio::test]
async fn a_store_is_read_in_both_versions_and_its_failure_is_ours() {
    let in_version_2 = json!({ "data": { "data": { "token": SECRET }, "metadata": { "version": 3 } } });
    for (status, body, wanted) in [
        (200, in_version_2, Ok(SECRET)),
        (200, json!({ "data": { "token": SECRET } }), Ok(SECRET)),
        (200, json!({ "data": { "token": "" } }), Err("no such `field`")),
        (200, json!({ "data": { "data": { "token": SECRET } } }), Err("no such `field`")),
        (200, json!({ "data": { "other": SECRET } }), Err("no such `field`")),
        (200, json!({ "errors": [] }), Err("no `data`")),
        (403, json!({ "errors": [SECRET] }), Err("answered 403")),
        (404, json!({ "errors": [] }), Err("answered 404")),
    ] {
        let server = TokenServer::start(move |_| (status, body.clone())).await.unwrap();
        let stored = StoredConfig {
            fetch: Arc::new(HttpFetch::new(None).unwrap()),
            url: format!("{}/v1/secret/data/notes", server.url()).parse().unwrap(),
            token: Secret::new(b"store-token".to_vec()),
            namespace: Some("team".into()),
            field: "token".into(),
            fresh_ms: 1_000,
        };
        let (credential, clock) = credential(&CredentialConfig::Stored(stored));
        let seen = shown(&credential, &alice()).await.map_err(|fault| fault.to_string());
        match wanted {
            Ok(secret) => assert_eq!(seen.as_deref(), Ok(secret)),
            Err(why) => {
                let fault = seen.unwrap_err();
                assert!(fault.contains(why) && !fault.contains("c4n4ry"), "{fault}");
                continue;
            }
        }
        shown(&credential, &gateway()).await.unwrap();
        assert_eq!(server.asked().len(), 1);
        clock.advance_ms(1_000);
        shown(&credential, &alice()).await.unwrap();
        let asked = server.asked();
        assert_eq!((asked.len(), asked[1].path.as_str()), (2, "/v1/secret/data/notes"));
        assert_eq!(asked[1].headers["x-vault-token"], "store-token");
        assert_eq!(asked[1].headers["x-vault-namespace"], "team");
    }
}

#[tokio::test]
async fn nobody_there_is_no_credential() {
    let url = {
        let server = TokenServer::start(good).await.unwrap();
        server.url().to_owned()
    };
    // The port was just given back; nobody listens there.
    let server = TokenServer::start(good).await.unwrap();
    let config = CredentialConfig::ClientCredentials(IssuedConfig {
        client: client(&url, ClientAuthentication::Secret(Secret::new(SECRET.into()))),
        ..issued(&server)
    });
    let fault = shown(&credential(&config).0, &alice()).await.unwrap_err();
    assert!(matches!(fault, CredentialFault::Unreachable(_)), "{fault}");
}
