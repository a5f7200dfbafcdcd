//! Access tokens: the good ones, and each known attack with its own reason (RFC 8725, RFC 9068).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod setup;

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use portcullis_core::{Challenge, Channel, ControlId, Refusal, RefusalKind, ServerName};
use portcullis_identity::{
    Algorithm, Authenticated, Authenticator, Head, Issuer, KeySet, KeySource, OauthConfig, Resource,
};
use portcullis_testkit::issuer::{self, encode};
use serde_json::{Value, json};

const URL: &str = "https://as.test";
const AUDIENCE: &str = "https://gw.test/mcp/git";

static AS: LazyLock<issuer::Issuer> = LazyLock::new(|| issuer::Issuer::new(URL));
/// Has the same name, and other keys.
static EVIL: LazyLock<issuer::Issuer> = LazyLock::new(|| issuer::Issuer::new(URL));

fn trusted(change: impl Fn(&mut Issuer)) -> Authenticator {
    let usual = setup::issuer(URL, &AS.jwks());
    let mut issuer = Issuer { tenant: Some("acme".into()), skew: 30, max_delegation: 1, ..usual };
    change(&mut issuer);
    setup::gate(&OauthConfig { required_scopes: vec!["mcp".into()], ..setup::trusting(issuer) })
}

fn ask(with: &Authenticator, authorization: &[&str], later: u64) -> Result<Authenticated, Refusal> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    let server: ServerName = "git".parse().unwrap();
    now_or_never(with.authenticate(&Head {
        channel: Channel::Http,
        peer: "192.0.2.1".parse().ok(),
        certificate: None,
        headers: Some(&headers),
        query: None,
        listener_is_loopback: false,
        method: "POST",
        path: "/mcp/git",
        resource: Some(Resource { origin: "https://gw.test", door: "/mcp", server: Some(&server) }),
        now_ms: (now() + later) * 1000,
    }))
}

/// Nothing has to be waited for: keys are there, or nobody is asked for them.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// The principal, or the operator's detail.
fn check(with: &Authenticator, token: &str) -> Result<String, String> {
    let asked = ask(with, &[&format!("Bearer {token}")], 0);
    asked.map(|caller| caller.principal.id.to_string()).map_err(|refusal| {
        assert_eq!(refusal.challenge(), Some(&Challenge::AnotherToken), "{refusal:?}");
        assert_eq!(refusal.kind(), RefusalKind::Unauthenticated);
        assert!(refusal.public().starts_with("the access token "), "{}", refusal.public());
        assert!(!refusal.detail().contains(token));
        refusal.detail().to_owned()
    })
}

fn claims(change: impl Fn(&mut Value)) -> Value {
    let mut claims = AS.claims("alice", AUDIENCE, "mcp");
    (claims["iat"], claims["exp"]) = (json!(now()), json!(now() + 300));
    change(&mut claims);
    claims
}

fn signed(algorithm: &str, header: Value, claims: &Value) -> String {
    AS.sign(algorithm, &header.to_string(), &claims.to_string())
}

fn with_header(header: Value) -> String {
    signed("ES256", header, &claims(|_| {}))
}

fn with_claims(change: impl Fn(&mut Value)) -> String {
    signed("ES256", json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ES256" }), &claims(change))
}

/// The time stands still.
fn now() -> u64 {
    static NOW: LazyLock<u64> =
        LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    *NOW
}

#[test]
fn good_tokens_of_every_kind_are_accepted() {
    let with = trusted(|_| {});
    for (algorithm, kid) in
        [("ES256", "ES256"), ("ES384", "ES384"), ("EdDSA", "EdDSA"), ("PS256", "RSA"), ("RS256", "RSA")]
    {
        for typ in ["at+jwt", "application/at+jwt", "AT+JWT"] {
            let token =
                signed(algorithm, json!({ "alg": algorithm, "typ": typ, "kid": kid }), &claims(|_| {}));
            assert_eq!(check(&with, &token).as_deref(), Ok("corp:alice"), "{algorithm} {typ}");
        }
        // Without a `kid`, the one key that fits.
        let token = signed(algorithm, json!({ "alg": algorithm, "typ": "at+jwt" }), &claims(|_| {}));
        assert_eq!(check(&with, &token).as_deref(), Ok("corp:alice"), "{algorithm}");
    }
    let several = with_claims(|c| c["aud"] = json!(["https://other.test", AUDIENCE]));
    assert_eq!(check(&with, &several).as_deref(), Ok("corp:alice"));
}

#[test]
fn a_caller_is_what_the_token_says() {
    let token = with_claims(|c| {
        c["scope"] = json!("mcp git:read mcp");
        c["act"] = json!({ "sub": "planner", "iss": URL });
    });
    let caller = ask(&trusted(|_| {}), &[&format!("bearer  {token}")], 0).unwrap();
    let actor = caller.actor.as_ref().map(|actor| actor.id.to_string());
    assert_eq!(actor.as_deref(), Some("corp:planner"));
    assert_eq!(caller.tenant.as_deref(), Some("acme"));
    let grant = caller.grant.as_deref().unwrap();
    assert_eq!((&*grant.issuer, grant.client.as_deref()), (URL, Some("editor")));
    assert_eq!(grant.scopes.iter().map(|it| &**it).collect::<Vec<_>>(), ["mcp", "git:read"]);
    assert!(grant.token_id.as_deref().is_some_and(|id| id.starts_with("token-")));
}

/// Attacks by way of the header.
fn headers() -> Vec<(Value, &'static str)> {
    let jwk = EVIL.jwks()["keys"][0].clone();
    let es256 = |more: Value| {
        let mut header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ES256" });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header
    };
    vec![
        (es256(json!({ "alg": "none" })), "not signed"),
        (es256(json!({ "alg": "nOnE" })), "not signed"),
        (es256(json!({ "alg": "HS256" })), "shared secret"),
        (es256(json!({ "alg": "es256" })), "not known here"),
        (es256(json!({ "alg": "ES512" })), "not known here"),
        (es256(json!({ "alg": ["ES256"] })), "names no algorithm"),
        (es256(json!({ "alg": null })), "names no algorithm"),
        (es256(json!({ "alg": "RS512" })), "not on the list"),
        (es256(json!({ "alg": "ES384" })), "not for the algorithm `ES384`"),
        (es256(json!({ "alg": "RS256" })), "not for the algorithm `RS256`"),
        (es256(json!({ "kid": "RSA" })), "not for the algorithm `ES256`"),
        (es256(json!({ "kid": "EdDSA" })), "not for the algorithm `ES256`"),
        (es256(json!({ "kid": "nobody" })), "no key of that `kid`"),
        (es256(json!({ "kid": "../../etc/passwd" })), "no key of that `kid`"),
        (es256(json!({ "kid": "ES256' OR '1'='1" })), "no key of that `kid`"),
        (es256(json!({ "kid": "" })), "`kid` is not a string"),
        (es256(json!({ "kid": 1 })), "`kid` is not a string"),
        (es256(json!({ "kid": "x".repeat(257) })), "`kid` is not a string"),
        (es256(json!({ "jwk": jwk })), "its own key to be used (`jwk`)"),
        (es256(json!({ "jku": "https://evil.test/jwks" })), "its own key to be used (`jku`)"),
        (es256(json!({ "x5u": "https://evil.test/cert" })), "its own key to be used (`x5u`)"),
        (es256(json!({ "x5c": [] })), "its own key to be used (`x5c`)"),
        (es256(json!({ "crit": ["exp"], "exp": 1 })), "`crit`"),
        (es256(json!({ "b64": false })), "`b64`"),
        (es256(json!({ "zip": "DEF" })), "`zip`"),
        (es256(json!({ "enc": "A256GCM" })), "`enc`"),
        (es256(json!({ "cty": "JWT" })), "another one inside"),
        (es256(json!({ "typ": "JWT" })), "`typ` is not `at+jwt`"),
        (es256(json!({ "typ": "dpop+jwt" })), "`typ` is not `at+jwt`"),
        (es256(json!({ "typ": "application/application/at+jwt" })), "`typ` is not `at+jwt`"),
        (es256(json!({ "typ": null })), "`typ` is not `at+jwt`"),
        (json!({ "alg": "ES256", "kid": "ES256" }), "`typ` is not `at+jwt`"),
        (json!("ES256"), "header of the token is not a JSON object"),
        (es256(json!({ "deep": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]] })), "nesting too deep"),
    ]
}

/// Attacks by way of the claims: a member, its value (null takes it away), the reason.
fn claim_attacks() -> Vec<(&'static str, Value, &'static str)> {
    let now = now();
    let id = "a string of 1 to 255 bytes";
    vec![
        ("iss", json!("https://evil.test"), "not one of the configured issuers"),
        ("iss", json!("https://as.test/"), "not one of the configured issuers"),
        ("iss", json!("https://AS.test"), "not one of the configured issuers"),
        ("iss", json!([URL]), id),
        ("iss", Value::Null, "`iss` is missing"),
        ("aud", json!("https://gw.test/mcp"), "`aud` does not name this endpoint, https://gw.test/mcp/git"),
        ("aud", json!("https://gw.test/mcp/git/"), "`aud` does not name"),
        ("aud", json!("https://gw.test/mcp/gitlab"), "`aud` does not name"),
        ("aud", json!("http://gw.test/mcp/git"), "`aud` does not name"),
        ("aud", json!([["https://gw.test/mcp/git"]]), id),
        ("aud", json!([]), "an array of 1 to 32 strings"),
        ("aud", json!(vec!["x"; 33]), "an array of 1 to 32 strings"),
        ("aud", json!({ "a": AUDIENCE }), "an array of 1 to 32 strings"),
        ("aud", Value::Null, "`aud` is missing"),
        ("sub", Value::Null, "`sub` is missing"),
        ("sub", json!(""), id),
        ("sub", json!("a\u{0}b"), id),
        ("sub", json!("x".repeat(256)), id),
        ("exp", Value::Null, "`exp` is missing"),
        ("exp", json!((now + 300).to_string()), "a number of seconds"),
        ("exp", json!(-1), "a number of seconds"),
        ("exp", json!(1e300), "a number of seconds"),
        ("exp", json!(now - 31), "expired 31 s ago"),
        ("exp", json!(now + 3_601), "lives 3601 s, more than 3600"),
        ("nbf", json!(now + 60), "not valid before 60 s"),
        ("nbf", json!("soon"), "a number of seconds"),
        ("iat", json!(now + 60), "issued 60 s from now"),
        ("iat", Value::Null, "`iat` is missing"),
        ("client_id", Value::Null, "`client_id` is missing"),
        ("client_id", json!({}), id),
        ("jti", Value::Null, "`jti` is missing"),
        ("scope", json!(["mcp"]), "at most 64 scopes"),
        ("scope", json!("mcp \"x"), "at most 64 scopes"),
        ("scope", json!((0..65).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")), "at most 64 scopes"),
        ("cnf", json!({ "jkt": "x" }), "bound in a way"),
        ("cnf", json!({ "x5t#S256": "x".repeat(43) }), "bound to a certificate"),
        ("cnf", json!({ "jkt": "x".repeat(43), "x5t#S256": "x".repeat(43) }), "bound in a way"),
        ("cnf", json!(1), "bound in a way"),
        ("act", json!("admin"), "`act` is not an object with `sub`"),
        ("act", json!({ "sub": "a", "iss": "https://evil.test" }), "an actor of the token's own issuer"),
        ("act", json!({ "sub": "a", "act": { "sub": "admin" } }), "delegated 2 times, more than 1"),
    ]
}

#[test]
fn attacks_on_the_header_are_refused_each_for_its_reason() {
    let with = trusted(|_| {});
    for (header, why) in headers() {
        let detail = check(&with, &with_header(header.clone())).unwrap_err();
        assert!(detail.contains(why), "{header}: {detail}");
    }
    assert_eq!(
        check(&with, &with_header(json!({ "alg": "ES256", "typ": "at+jwt", "x5t": "a" }))).as_deref(),
        Ok("corp:alice")
    );
}

#[test]
fn attacks_on_the_claims_are_refused_each_for_its_reason() {
    let with = trusted(|_| {});
    for (name, value, why) in claim_attacks() {
        let token = with_claims(|claims| {
            let members = claims.as_object_mut().unwrap();
            match &value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.to_owned(), value.clone())),
            }
        });
        let detail = check(&with, &token).unwrap_err();
        assert!(detail.contains(why), "{name} {value}: {detail}");
    }
}

#[test]
fn broken_tokens_are_refused_each_for_its_reason() {
    let with = trusted(|_| {});
    let good = with_claims(|_| {});
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { return };
    let text = claims(|_| {}).to_string();
    let twice = |member: &str| {
        AS.sign("ES256", r#"{"alg":"ES256","typ":"at+jwt"}"#, &text.replacen('{', &format!("{{{member},"), 1))
    };
    let es256 = r#"{"alg":"ES256","typ":"at+jwt"}"#;
    let rows: Vec<(String, &str)> = vec![
        ("opaque".to_owned(), "not a signed JWT of three parts"),
        (format!("{header}.{payload}"), "not a signed JWT of three parts"),
        (format!("{good}.more"), "not a signed JWT of three parts"),
        (format!("{header}.{payload}.{signature}.a.b"), "encrypted"),
        (format!("{header}.{payload}."), "signature is wrong"),
        (format!("{header}.{payload}.{}", encode(&[0; 64])), "signature is wrong"),
        (format!("{header}.{payload}.{}", encode(b"x")), "signature is wrong"),
        (format!("{header}.{payload}.{signature}="), "signature of the token is not base64url"),
        (
            format!("{header}.{}.{signature}", encode(text.replace("alice", "admin").as_bytes())),
            "signature is wrong",
        ),
        (EVIL.token("alice", AUDIENCE, "mcp"), "signature is wrong"),
        (twice(r#""sub":"admin""#), "duplicate object key"),
        (twice(r#""\u0073ub":"admin""#), "duplicate object key"),
        (twice(r#""scope":"admin""#), "duplicate object key"),
        (AS.sign("ES256", r#"{"alg":"ES256","typ":"at+jwt","alg":"none"}"#, &text), "duplicate object key"),
        (AS.sign("ES256", es256, &good), "malformed JSON"),
        (AS.sign("ES256", es256, &json!(good).to_string()), "claims of the token is not a JSON object"),
        (AS.sign("ES256", es256, "{} {}"), "trailing data"),
        (AS.sign("ES256", es256, &format!("{{\"a\":\"{}\"}}", "x".repeat(9_000))), "string too long"),
        (AS.sign("ES256", es256, &format!("[{}1]", "1,".repeat(3_000))), "too many"),
        (AS.sign("ES256", es256, &format!("{{\"a\":\"{}\"}}", "x".repeat(20_000))), "more than 16384"),
    ];
    for (token, why) in rows {
        let detail = check(&with, &token).unwrap_err();
        assert!(detail.contains(why), "{why}: {detail}");
    }
    assert_eq!(check(&with, &good).as_deref(), Ok("corp:alice"));
}

#[test]
fn an_issuer_is_trusted_with_no_more_than_configured() {
    let good = with_claims(|_| {});
    let untyped = signed(
        "ES256",
        json!({ "alg": "ES256", "typ": "JWT", "kid": "ES256" }),
        &claims(|c| c["jti"] = Value::Null),
    );
    let es384_only = trusted(|issuer| issuer.algorithms = vec![Algorithm::Es384]);
    assert!(check(&es384_only, &good).unwrap_err().contains("`ES256` is not on the list"));
    let listed = |client: &str| trusted(|issuer| issuer.clients = vec![client.to_owned()]);
    assert_eq!(check(&listed("editor"), &good).as_deref(), Ok("corp:alice"));
    assert!(check(&listed("other"), &good).unwrap_err().contains("client"));
    let lax = trusted(|issuer| issuer.danger_accept_untyped = true);
    assert!(check(&lax, &untyped).unwrap_err().contains("`jti`"), "there, so it has its form");
    let plain = signed(
        "ES256",
        json!({ "alg": "ES256", "typ": "JWT" }),
        &claims(|c| drop(c.as_object_mut().unwrap().remove("jti"))),
    );
    assert_eq!(check(&lax, &plain).as_deref(), Ok("corp:alice"));
    assert!(check(&trusted(|_| {}), &plain).is_err());
}

/// RFC 9396 section 9.1. What holds at one endpoint covers nothing at another.
#[test]
fn details_of_a_token_become_the_callers() {
    let with = trusted(|_| {});
    let details = json!([
        { "type": "payment", "to": "a" },
        { "type": "mcp_tool_call", "tools": ["push"] },
        { "type": "mcp_tool_call", "locations": [AUDIENCE] },
        { "type": "mcp_tool_call", "locations": ["https://gw.test/mcp"] },
    ]);
    let token = format!("Bearer {}", with_claims(|c| c["authorization_details"] = details.clone()));
    // The second time it is remembered.
    for _ in 0..2 {
        let caller = ask(&with, &[&token], 0).unwrap();
        let granted = &caller.grant.as_ref().unwrap().details;
        assert_eq!(serde_json::from_str::<Value>(&granted[0].json).unwrap(), details[0]);
        assert_eq!(granted[0].calls, None);
        assert_eq!(granted.calls().map(|calls| calls.is_elsewhere).collect::<Vec<_>>(), [false, false, true]);
    }
    for bad in [json!({}), json!([{}]), json!("x"), json!([{ "type": "mcp_tool_call", "until": 5 }])] {
        let detail = check(&with, &with_claims(|c| c["authorization_details"] = bad.clone())).unwrap_err();
        assert!(detail.contains("`authorization_details` is not"), "{detail}");
    }
}

#[test]
fn a_remembered_token_is_still_checked() {
    let with = trusted(|_| {});
    let token = format!("Bearer {}", with_claims(|_| {}));
    let first = ask(&with, &[&token], 0).unwrap();
    let again = ask(&with, &[&token], 0).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first.into_caller(), &again.into_caller()), "verified once");
    let over = ask(&with, &[&token], 331).unwrap_err();
    assert_eq!((over.control(), over.public()), (Some(ControlId::Iam06), "the access token has expired"));
    // Verified and remembered, and still not for this endpoint.
    let elsewhere = format!("Bearer {}", with_claims(|c| c["aud"] = json!("https://gw.test/mcp/other")));
    for _ in 0..2 {
        assert_eq!(ask(&with, &[&elsewhere], 0).unwrap_err().control(), Some(ControlId::Az06));
    }
}

#[test]
fn a_request_says_once_which_token_it_means() {
    let with = trusted(|_| {});
    let good = with_claims(|_| {});
    let bearer = format!("Bearer {good}");
    let check = |values: &[&str], expected: Challenge| {
        let refusal = ask(&with, values, 0).unwrap_err();
        assert_eq!(refusal.challenge(), Some(&expected), "{values:?}: {refusal:?}");
        assert!(!refusal.detail().contains(&good));
    };
    check(&[], Challenge::Token);
    check(&["Basic YWxpY2U6eA=="], Challenge::Token);
    for unclear in [&[&*bearer, &*bearer][..], &["Bearer"], &["Bearer a,b"], &["Bearer a b"], &["Bearer =="]]
    {
        check(unclear, Challenge::OneToken);
    }
    let poor = format!("Bearer {}", with_claims(|c| c["scope"] = json!("mcp:read")));
    check(&[&poor], Challenge::Scopes("mcp".into()));
    assert!(ask(&with, &[&bearer], 0).is_ok());
}

#[test]
fn sets_of_keys_are_read_strictly() {
    let jwks = AS.jwks();
    let set = |keys: Value| KeySet::parse(Bytes::from(json!({ "keys": keys }).to_string()));
    let with = |index: usize, name: &str, value: Value| {
        let mut key = jwks["keys"][index].clone();
        key[name] = value;
        json!([key])
    };
    for (keys, why) in [
        (with(0, "d", json!("AA")), "private or shared one (`d`)"),
        (json!([{ "kty": "oct", "k": "c2VjcmV0" }]), "private or shared one (`k`)"),
        (with(0, "y", jwks["keys"][0]["x"].clone()), "not a point of its curve"),
        (with(0, "x", json!("AA")), "`x` is not as long"),
        (with(3, "n", json!("AQAB")), "2048 to 8192 bits"),
        (with(3, "e", json!("AQ")), "exponent"),
        (with(3, "e", json!("Ag")), "exponent"),
        (with(0, "use", json!("enc")), "none of its keys"),
        (with(0, "key_ops", json!(["sign"])), "none of its keys"),
        (with(0, "alg", json!("HS256")), "none of its keys"),
        (with(0, "crv", json!("secp256k1")), "none of its keys"),
        (json!([{}]), "`kty` is missing"),
        (json!([]), "none of its keys"),
        (json!({}), "no array `keys`"),
        (Value::from(vec![jwks["keys"][0].clone(); 65]), "more than 64 keys"),
    ] {
        let fault = set(keys.clone()).unwrap_err().to_string();
        assert!(fault.contains(why), "{keys}: {fault}");
    }
    assert!(KeySet::parse(Bytes::from_static(b"{\"keys\":[],\"keys\":[]}")).is_err());
    assert!(set(jwks["keys"].clone()).is_ok());
    // Two keys of one name: it is not clear which is meant.
    let twins = trusted(|issuer| {
        let keys = json!([jwks["keys"][0], EVIL.jwks()["keys"][0]]);
        issuer.keys = KeySource::Fixed(set(keys).unwrap());
    });
    assert!(check(&twins, &with_claims(|_| {})).unwrap_err().contains("several"));
    let only_384 =
        trusted(|issuer| issuer.keys = KeySource::Fixed(set(with(0, "alg", json!("ES384"))).unwrap()));
    assert!(check(&only_384, &with_claims(|_| {})).unwrap_err().contains("not for the algorithm"));
}
