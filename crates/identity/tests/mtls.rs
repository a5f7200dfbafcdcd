//! Tokens that are bound to the certificate their caller connects with (RFC 8705 section 3).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod setup;

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, header};
use portcullis_core::{AuthMethod, Channel, ControlId, Digest, Refusal, ServerName};
use portcullis_identity::{Authenticated, Authenticator, Head, Issuer, Resource};
use portcullis_testkit::issuer::{self, encode};
use serde_json::{Value, json};

const URL: &str = "https://as.test";
const AUDIENCE: &str = "https://gw.test/mcp/git";

static AS: LazyLock<issuer::Issuer> = LazyLock::new(|| issuer::Issuer::new(URL));

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn gate(require_dpop: bool) -> Authenticator {
    requiring(require_dpop, false)
}

fn requiring(require_dpop: bool, require_mtls: bool) -> Authenticator {
    let issuer = Issuer { require_dpop, require_mtls, skew: 60, ..setup::issuer(URL, &AS.jwks()) };
    setup::gate(&setup::trusting(issuer))
}

fn thumbprint(certificate: &[u8]) -> String {
    encode(Digest::of(certificate).as_bytes())
}

fn token(confirmation: Value) -> String {
    let mut claims = AS.claims("alice", AUDIENCE, "");
    if let (Some(claims), false) = (claims.as_object_mut(), confirmation.is_null()) {
        claims.insert("cnf".to_owned(), confirmation);
    }
    AS.sign("ES256", r#"{"alg":"ES256","typ":"at+jwt","kid":"ES256"}"#, &claims.to_string())
}

fn ask(
    gate: &Authenticator,
    scheme: &str,
    token: &str,
    certificate: Option<&[u8]>,
) -> Result<Authenticated, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("{scheme} {token}")).unwrap());
    let server: ServerName = "git".parse().unwrap();
    let head = Head {
        channel: Channel::Http,
        peer: None,
        certificate: certificate.map(Digest::of),
        headers: Some(&headers),
        query: None,
        listener_is_loopback: false,
        method: "POST",
        path: "/mcp/git",
        resource: Some(Resource { origin: "https://gw.test", door: "/mcp", server: Some(&server) }),
        now_ms: now() * 1000,
    };
    let future = gate.authenticate(&head);
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(asked) => asked,
        Poll::Pending => panic!("it waits"),
    }
}

const CERTIFICATE: &[u8] = b"the certificate of alice's agent";
const OTHER: &[u8] = b"somebody else's";

#[test]
fn a_bound_token_is_good_with_its_certificate_only() {
    let gate = gate(false);
    let bound = token(json!({ "x5t#S256": thumbprint(CERTIFICATE) }));
    // The second time it is remembered.
    for _ in 0..2 {
        let caller = ask(&gate, "Bearer", &bound, Some(CERTIFICATE)).unwrap();
        assert_eq!(caller.method, AuthMethod::MtlsToken);
        for (scheme, certificate) in [("Bearer", None), ("Bearer", Some(OTHER)), ("DPoP", Some(CERTIFICATE))]
        {
            let refusal = ask(&gate, scheme, &bound, certificate).unwrap_err();
            assert_eq!(
                refusal.control(),
                Some(ControlId::Az04),
                "{scheme} {certificate:?}: {}",
                refusal.detail()
            );
            assert!(!refusal.public().contains("certificate"), "{}", refusal.public());
        }
    }
    let free = token(Value::Null);
    for certificate in [None, Some(CERTIFICATE)] {
        assert_eq!(ask(&gate, "Bearer", &free, certificate).unwrap().method, AuthMethod::BearerToken);
    }
}

#[test]
fn an_issuer_can_be_taken_with_bound_tokens_only() {
    let gate = requiring(false, true);
    let right = thumbprint(CERTIFICATE);
    let bound = token(json!({ "x5t#S256": right }));
    assert_eq!(ask(&gate, "Bearer", &bound, Some(CERTIFICATE)).unwrap().method, AuthMethod::MtlsToken);
    assert!(ask(&gate, "Bearer", &bound, Some(OTHER)).is_err());
    for (token, scheme) in [(token(Value::Null), "Bearer"), (token(json!({ "jkt": right })), "DPoP")] {
        let refusal = ask(&gate, scheme, &token, Some(CERTIFICATE)).unwrap_err();
        assert_eq!(refusal.control(), Some(ControlId::Az04));
        assert!(refusal.detail().contains("`require_mtls`"), "{}", refusal.detail());
    }
}

#[test]
fn what_is_bound_in_another_way_is_refused_whatever_certificate_there_is() {
    let (right, cut) = (thumbprint(CERTIFICATE), thumbprint(CERTIFICATE).split_at(42).0.to_owned());
    for (confirmation, says) in [
        (json!({ "x5t#S256": right, "jkt": right }), "neither"),
        (json!({ "x5t#S256": right, "kid": "x" }), "neither"),
        (json!({ "x5t#S256": cut }), "neither"),
        (json!({ "x5t": right }), "neither"),
        (json!({}), "neither"),
        (json!({ "jkt": right }), "`DPoP` and a proof"),
    ] {
        let refusal =
            ask(&gate(false), "Bearer", &token(confirmation.clone()), Some(CERTIFICATE)).unwrap_err();
        assert!(refusal.detail().contains(says), "{confirmation}: {}", refusal.detail());
    }
    let bound = token(json!({ "x5t#S256": right }));
    let refusal = ask(&gate(true), "Bearer", &bound, Some(CERTIFICATE)).unwrap_err();
    assert!(refusal.detail().contains("`require_dpop`"), "{}", refusal.detail());
}

#[test]
fn clients_are_told_that_tokens_can_be_bound() {
    let server: ServerName = "git".parse().unwrap();
    let resource = Resource { origin: "https://gw.test", door: "/mcp", server: Some(&server) };
    let metadata = gate(false).resource_metadata(resource).unwrap();
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(metadata.get("tls_client_certificate_bound_access_tokens"), Some(&json!(true)));
}
