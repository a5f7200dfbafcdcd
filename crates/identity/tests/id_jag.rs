//! Tokens that an identity provider vouches for, with a provider and an authorization server that answer as the test says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::sync::Arc;

use portcullis_core::{Details, FakeClock, Grant, OnBehalf, Principal, PrincipalKind, Secret, SubjectToken};
use portcullis_identity::{
    ClientAuthentication, Credential, CredentialConfig, CredentialFault, HttpFetch, IdJagConfig,
    IssuedConfig, OauthClient,
};
use portcullis_testkit::{
    issuer::encode,
    token_server::{Asked, TokenServer},
};
use serde_json::{Value, json};

const RESOURCE: &str = "https://notes.test/mcp";
const NOW: u64 = 1_900_000_000;
const SUBJECT: &str = "c4n4ry-subject";

fn client(issuer: &str, id: &str) -> OauthClient {
    OauthClient {
        fetch: Arc::new(HttpFetch::new(None).unwrap()),
        issuer: issuer.into(),
        client_id: id.into(),
        authentication: ClientAuthentication::Secret(Secret::new(b"secret".to_vec())),
    }
}

fn credential(provider: &TokenServer, server: &TokenServer, scopes: &[&str]) -> Credential {
    let issued = IssuedConfig {
        client: client(server.url(), "at-server"),
        resource: RESOURCE.into(),
        audience: None,
        scopes: scopes.iter().map(|scope| Arc::from(*scope)).collect(),
        details: Details::default(),
        details_of_caller: Vec::new(),
        max_lifetime: 600,
        max_delegation: 2,
    };
    let config = IdJagConfig { provider: client(provider.url(), "at-provider"), issued };
    Credential::new(&CredentialConfig::IdJag(config), Arc::new(FakeClock::at(NOW * 1000)))
}

fn alice(provider: &TokenServer) -> OnBehalf {
    let grant = Grant {
        issuer: provider.url().into(),
        client: None,
        scopes: Arc::from(["read".into()]),
        details: Details::default(),
        token_id: None,
        token: Some(SubjectToken::new(SUBJECT)),
    };
    let principal = Principal { kind: PrincipalKind::Oauth, id: "corp:alice".into() };
    OnBehalf { principal, actor: None, grant: Some(Arc::new(grant)) }
}

/// A JWT that nobody signed: the gateway does not look at the signature of what it was handed directly.
fn jwt(header: &Value, claims: &Value) -> String {
    format!("{}.{}.c2ln", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()))
}

fn provider_says(
    change: impl Fn(&mut Value, &mut Value, &mut Value) + Send + Sync + 'static,
) -> impl Fn(&Asked) -> (u16, Value) + Send + Sync {
    move |asked| {
        let host = asked.headers["host"].clone();
        let mut header = json!({ "alg": "ES256", "typ": "oauth-id-jag+jwt" });
        let mut claims = json!({
            "iss": format!("http://{host}"), "sub": "alice", "aud": asked.field("audience"), "client_id": "at-server",
            "resource": asked.field("resource"), "iat": NOW, "exp": NOW + 300, "jti": "1",
        });
        let mut answer = json!({
            "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A", "expires_in": 300,
        });
        change(&mut header, &mut claims, &mut answer);
        if answer["access_token"].is_null() {
            answer["access_token"] = jwt(&header, &claims).into();
        }
        (200, answer)
    }
}

fn server_says(asked: &Asked) -> (u16, Value) {
    assert!(asked.field("assertion").contains('.'), "{asked:?}");
    (200, json!({ "access_token": "at-the-server", "token_type": "Bearer", "expires_in": 300 }))
}

async fn shown(credential: &Credential, on_behalf: &OnBehalf) -> Result<String, CredentialFault> {
    let shown = credential.shown(on_behalf).await?;
    Ok(shown.header.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_the_provider_says_becomes_a_token_at_the_server() {
    let provider = TokenServer::start(provider_says(|_, _, _| {})).await.unwrap();
    let server = TokenServer::start(server_says).await.unwrap();
    let credential = self::credential(&provider, &server, &["read", "write"]);
    assert!(credential.is_per_caller());
    for _ in 0..2 {
        assert_eq!(shown(&credential, &alice(&provider)).await.unwrap(), "Bearer at-the-server");
    }
    let (asked, then) = (provider.asked(), server.asked());
    let ([asked], [then]) = (asked.as_slice(), then.as_slice()) else {
        panic!("asked once: {asked:?} {then:?}")
    };
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("audience", server.url()),
        ("resource", RESOURCE),
        ("scope", "read"),
        ("subject_token", SUBJECT),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ] {
        assert_eq!(asked.field(name), value, "{name}");
    }
    assert_eq!(then.field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(then.field("scope"), "read");
    // `at-provider:secret` and `at-server:secret`: each is shown its own, and the caller's token to the provider alone.
    assert_eq!(asked.headers["authorization"], "Basic YXQtcHJvdmlkZXI6c2VjcmV0");
    assert_eq!(then.headers["authorization"], "Basic YXQtc2VydmVyOnNlY3JldA==");
    assert!(!format!("{then:?}").contains(SUBJECT));
}

#[tokio::test]
async fn whose_token_is_of_somebody_else_is_not_asked_about() {
    let provider = TokenServer::start(provider_says(|_, _, _| {})).await.unwrap();
    let server = TokenServer::start(server_says).await.unwrap();
    let credential = self::credential(&provider, &server, &[]);
    let mut stranger = alice(&provider);
    let mut grant = (*stranger.grant.unwrap()).clone();
    grant.issuer = "https://other.test".into();
    stranger.grant = Some(Arc::new(grant));
    assert_eq!(shown(&credential, &stranger).await, Err(CredentialFault::OtherProvider));
    let gateway = OnBehalf::of(Principal { kind: PrincipalKind::Gateway, id: "gateway".into() });
    assert_eq!(shown(&credential, &gateway).await, Err(CredentialFault::NoSubject));
    assert!(provider.asked().is_empty() && server.asked().is_empty());
    assert!(
        shown(&credential, &alice(&provider)).await.is_ok(),
        "without scopes it is the provider's to say"
    );
}

#[tokio::test]
async fn what_is_no_id_jag_for_this_use_goes_nowhere() {
    type Change = fn(&mut Value, &mut Value, &mut Value);
    let rows: [(&str, Change); 13] = [
        ("`typ`", |header, _, _| header["typ"] = json!("JWT")),
        ("`iss`", |_, claims, _| claims["iss"] = json!("https://other.test")),
        ("`aud`", |_, claims, _| claims["aud"] = json!("https://other.test")),
        ("`aud`", |_, claims, _| claims["aud"] = json!(null)),
        ("`client_id`", |_, claims, _| claims["client_id"] = json!("at-provider")),
        ("`resource`", |_, claims, _| claims["resource"] = json!("https://other.test/mcp")),
        ("expired", |_, claims, _| claims["exp"] = json!(NOW)),
        ("lives longer", |_, claims, _| claims["exp"] = json!(NOW + 631)),
        ("`exp`", |_, claims, _| claims["exp"] = json!("soon")),
        ("`issued_token_type`", |_, _, answer| {
            answer["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
        }),
        ("`token_type`", |_, _, answer| answer["token_type"] = json!("Bearer")),
        ("that was sent", |_, _, answer| answer["access_token"] = json!(SUBJECT)),
        ("no signed JWT", |_, _, answer| answer["access_token"] = json!("opaque")),
    ];
    for (why, change) in rows {
        let provider = TokenServer::start(provider_says(change)).await.unwrap();
        let server = TokenServer::start(server_says).await.unwrap();
        let fault = shown(&credential(&provider, &server, &["read"]), &alice(&provider)).await.unwrap_err();
        assert!(fault.to_string().contains(why), "{why}: {fault}");
        assert!(server.asked().is_empty(), "{why}");
        assert!(!fault.to_string().contains(SUBJECT), "{fault}");
    }
    let refusing = |_: &Asked| (400, json!({ "error": "access_denied" }));
    let provider = TokenServer::start(refusing).await.unwrap();
    let server = TokenServer::start(server_says).await.unwrap();
    let fault = shown(&credential(&provider, &server, &["read"]), &alice(&provider)).await.unwrap_err();
    assert!(fault.to_string().contains("400 `access_denied`"), "{fault}");
}
