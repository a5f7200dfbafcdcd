//! Tokens that are bound to a key, and the proof of having it (RFC 9449): the good proof, and each bad one with its
//! own reason.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod setup;

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, header};
use portcullis_core::{AuthMethod, Challenge, Channel, ControlId, Digest, Refusal, ServerName};
use portcullis_identity::{Algorithm, Authenticated, Authenticator, Head, Issuer, OauthConfig, Resource};
use portcullis_testkit::issuer::{self, encode};
use serde_json::{Value, json};

const URL: &str = "https://as.test";
const AUDIENCE: &str = "https://gw.test/mcp/git";

static AS: LazyLock<issuer::Issuer> = LazyLock::new(|| issuer::Issuer::new(URL));
/// Who has the key, and somebody who has another.
static HOLDER: LazyLock<issuer::Issuer> = LazyLock::new(|| issuer::Issuer::new(""));
static THIEF: LazyLock<issuer::Issuer> = LazyLock::new(|| issuer::Issuer::new(""));

/// The time stands still.
fn now() -> u64 {
    static NOW: LazyLock<u64> =
        LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    *NOW
}

fn gate(require_dpop: bool, dpop_nonces: bool) -> Authenticator {
    let algorithms = vec![Algorithm::Es256];
    let issuer = Issuer { algorithms, require_dpop, ..setup::issuer(URL, &AS.jwks()) };
    setup::gate(&OauthConfig { dpop_nonces, ..setup::trusting(issuer) })
}

/// The public key called `kid`, without what a proof has no use for.
fn jwk(of: &issuer::Issuer, kid: &str) -> Value {
    let jwks = of.jwks();
    let mut key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone();
    key.as_object_mut().unwrap().retain(|name, _| !["kid", "use"].contains(&name.as_str()));
    key
}

/// RFC 7638: the members in order, without blanks.
fn thumbprint(jwk: &Value) -> String {
    let sorted: BTreeMap<_, _> = jwk.as_object().unwrap().iter().collect();
    encode(Digest::of(json!(sorted).to_string().as_bytes()).as_bytes())
}

fn token(bound_to: Option<&str>) -> String {
    let mut claims = AS.claims("alice", AUDIENCE, "");
    (claims["iat"], claims["exp"]) = (json!(now()), json!(now() + 600));
    if let Some(thumbprint) = bound_to {
        claims["cnf"] = json!({ "jkt": thumbprint });
    }
    AS.sign("ES256", r#"{"alg":"ES256","typ":"at+jwt","kid":"ES256"}"#, &claims.to_string())
}

fn bound() -> String {
    token(Some(&thumbprint(&jwk(&HOLDER, "ES256"))))
}

/// A proof in the making: header and claims that are right for `token`.
fn proof(token: &str) -> (Value, Value) {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let id = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    let ath = encode(Digest::of(token.as_bytes()).as_bytes());
    let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk(&HOLDER, "ES256") });
    (header, json!({ "htm": "POST", "htu": AUDIENCE, "iat": now(), "jti": id, "ath": ath }))
}

fn sign((header, claims): &(Value, Value)) -> String {
    HOLDER.sign("ES256", &header.to_string(), &claims.to_string())
}

fn ask(
    gate: &Authenticator,
    scheme: &str,
    token: &str,
    proofs: &[&str],
    later: u64,
) -> Result<Authenticated, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("{scheme} {token}")).unwrap());
    for proof in proofs {
        headers.append("dpop", HeaderValue::from_str(proof).unwrap());
    }
    let server: ServerName = "git".parse().unwrap();
    let head = Head {
        channel: Channel::Http,
        peer: None,
        certificate: None,
        headers: Some(&headers),
        query: None,
        listener_is_loopback: false,
        method: "POST",
        path: "/mcp/git",
        resource: Some(Resource { origin: "https://gw.test", door: "/mcp", server: Some(&server) }),
        now_ms: (now() + later) * 1000,
    };
    let future = gate.authenticate(&head);
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(asked) => asked,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn the_holder_of_the_key_is_let_in() {
    let gate = gate(true, false);
    for kid in ["ES256", "ES384", "EdDSA", "RSA"] {
        let key = jwk(&HOLDER, kid);
        let token = token(Some(&thumbprint(&key)));
        let algorithm = if kid == "RSA" { "PS256" } else { kid };
        let (mut header, claims) = proof(&token);
        (header["alg"], header["jwk"]) = (json!(algorithm), key);
        let proof = HOLDER.sign(algorithm, &header.to_string(), &claims.to_string());
        let caller = ask(&gate, "DPoP", &token, &[&proof], 0).unwrap();
        assert_eq!(caller.method, AuthMethod::DpopToken, "{kid}");
    }
}

#[test]
fn bad_proofs_are_refused_each_for_its_reason() {
    let (gate, token) = (gate(false, false), bound());
    let claim = |name: &str, value: Value| {
        let mut made = proof(&token);
        made.1[name] = value;
        sign(&made)
    };
    let head = |name: &str, value: Value| {
        let mut made = proof(&token);
        made.0[name] = value;
        sign(&made)
    };
    let stolen = {
        let (mut header, claims) = proof(&token);
        header["jwk"] = jwk(&THIEF, "ES256");
        THIEF.sign("ES256", &header.to_string(), &claims.to_string())
    };
    let forged = {
        let (header, claims) = proof(&token);
        THIEF.sign("ES256", &header.to_string(), &claims.to_string())
    };
    let mut private = jwk(&HOLDER, "ES256");
    private["d"] = json!("AA");
    let good = sign(&proof(&token));
    for (proofs, why) in [
        (vec![], "no proof"),
        (vec![good.clone(), good.clone()], "more than one"),
        (vec![token.clone()], "`typ` of the proof"),
        (vec!["x".to_owned()], "not a signed JWT"),
        (vec![stolen], "not the one the token is bound to"),
        (vec![forged], "signature is wrong"),
        (vec![head("typ", json!("at+jwt"))], "`typ` of the proof"),
        (vec![head("alg", json!("none"))], "not signed"),
        (vec![head("alg", json!("HS256"))], "shared secret"),
        (vec![head("alg", json!("ES384"))], "is not for the algorithm"),
        (vec![head("jwk", Value::Null)], "`kty` is missing"),
        (vec![head("jwk", private)], "is a private one"),
        (vec![head("jwk", json!({ "kty": "oct", "k": "AA" }))], "is a private one"),
        (vec![head("jku", json!("https://evil.test"))], "its own key to be used (`jku`)"),
        (vec![head("crit", json!(["jwk"]))], "`crit`"),
        (vec![claim("htm", json!("GET"))], "`htm`"),
        (vec![claim("htm", json!("post"))], "`htm`"),
        (vec![claim("htm", Value::Null)], "`htm`"),
        (vec![claim("htu", json!("https://gw.test/mcp"))], "`htu`"),
        (vec![claim("htu", json!("https://evil.test/mcp/git"))], "`htu`"),
        (vec![claim("htu", Value::Null)], "`htu`"),
        (vec![claim("ath", Value::Null)], "`ath`"),
        (vec![claim("ath", json!(encode(&[0; 32])))], "`ath`"),
        (vec![claim("iat", json!(now() - 61))], "`iat`"),
        (vec![claim("iat", json!(now() + 61))], "`iat`"),
        (vec![claim("iat", json!("now"))], "`iat`"),
        (vec![claim("jti", Value::Null)], "`jti`"),
        (vec![claim("jti", json!("x".repeat(256)))], "`jti`"),
    ] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let refusal = ask(&gate, "DPoP", &token, &proofs, 0).unwrap_err();
        assert!(refusal.detail().contains(why), "{why}: {}", refusal.detail());
        assert_eq!(
            (refusal.control(), refusal.challenge()),
            (Some(ControlId::Az04), Some(&Challenge::Proof))
        );
    }
    assert!(ask(&gate, "DPoP", &token, &[&good], 0).is_ok(), "none of that used it up");
}

#[test]
fn a_proof_works_once() {
    let (gate, token) = (gate(false, false), bound());
    let made = sign(&proof(&token));
    assert!(ask(&gate, "DPoP", &token, &[&made], 0).is_ok());
    for later in [0, 1, 60] {
        let again = ask(&gate, "DPoP", &token, &[&made], later).unwrap_err();
        assert!(again.detail().contains("used before"), "{later}: {}", again.detail());
    }
    assert!(ask(&gate, "DPoP", &token, &[&made], 61).unwrap_err().detail().contains("`iat`"));
    // For another token of the same key it proves nothing.
    let made = sign(&proof(&token));
    assert!(ask(&gate, "DPoP", &bound(), &[&made], 0).unwrap_err().detail().contains("`ath`"));
}

#[test]
fn a_bound_token_is_no_bearer_token_and_the_other_way_round() {
    let (lax, strict) = (gate(false, false), gate(true, false));
    let check = |gate: &Authenticator, scheme: &str, token: &str, challenge: Option<Challenge>| {
        let made = sign(&proof(token));
        let asked = ask(gate, scheme, token, &[&made], 0);
        assert_eq!(asked.err().and_then(|refusal| refusal.challenge().cloned()), challenge, "{scheme}");
    };
    check(&lax, "DPoP", &bound(), None);
    check(&lax, "dpop", &bound(), None);
    check(&lax, "Bearer", &bound(), Some(Challenge::BoundToken));
    check(&lax, "Bearer", &token(None), None);
    check(&lax, "DPoP", &token(None), Some(Challenge::AnotherToken));
    check(&strict, "Bearer", &token(None), Some(Challenge::BoundToken));
    check(&strict, "DPoP", &bound(), None);
}

#[test]
fn where_nonces_are_asked_for_a_proof_made_in_advance_is_refused() {
    let (gate, token) = (gate(true, true), bound());
    let with = |nonce: Option<&str>, later: u64| {
        let mut made = proof(&token);
        made.1["iat"] = json!(now() + later);
        if let Some(nonce) = nonce {
            made.1["nonce"] = json!(nonce);
        }
        ask(&gate, "DPoP", &token, &[&sign(&made)], later)
    };
    let nonce = |refused: Result<Authenticated, Refusal>| match refused.unwrap_err().challenge() {
        Some(Challenge::Nonce(nonce)) => nonce.to_string(),
        other => panic!("{other:?}"),
    };
    let first = nonce(with(None, 0));
    assert!(with(Some(&first), 0).is_ok());
    assert!(with(Some(&first), 30).is_ok(), "for several proofs");
    nonce(with(Some("guess"), 0));
    assert_ne!(nonce(with(Some(&first), 240)), first, "no longer");
}
