//! The keys of an issuer over time, with a network that says what a test wants.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod setup;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, Uri, header};
use portcullis_core::{BoxFuture, Channel, RefusalKind, ServerName};
use portcullis_identity::{
    Algorithm, Authenticator, Fetch, FetchFault, Fetched, Head, Issuer, KeySource, Resource,
};
use portcullis_testkit::issuer;
use serde_json::json;

const AUDIENCE: &str = "https://gw.test/mcp/git";

/// Documents by URL, and what was asked for.
#[derive(Default)]
struct Net {
    documents: Mutex<BTreeMap<String, (u16, String)>>,
    asked: Mutex<Vec<String>>,
}

impl Net {
    fn put(&self, url: &str, status: u16, body: impl ToString) {
        self.documents.lock().unwrap().insert(url.to_owned(), (status, body.to_string()));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn clear(&self) {
        self.documents.lock().unwrap().clear();
    }
}

impl Fetch for Net {
    fn get<'f>(&'f self, url: &'f Uri, _: &'f Uri) -> BoxFuture<'f, Result<Fetched, FetchFault>> {
        self.asked.lock().unwrap().push(url.to_string());
        let found = self.documents.lock().unwrap().get(&url.to_string()).cloned();
        let (status, body) = found.unwrap_or((404, String::new()));
        Box::pin(async move { Ok(Fetched { status, body: body.into() }) })
    }
}

/// A gateway, an issuer and the time.
struct House {
    net: Arc<Net>,
    gate: Authenticator,
    url: String,
    start: u64,
}

impl House {
    fn new(url: &str) -> Self {
        let net = Arc::new(Net::default());
        let fetch: Arc<dyn Fetch> = net.clone();
        let issuer = Issuer {
            keys: KeySource::Discovered { fetch, fresh_ms: 300_000, grace_ms: 600_000 },
            algorithms: vec![Algorithm::Es256],
            max_lifetime: 86_400,
            ..setup::issuer(url, &json!({ "keys": [issuer::Issuer::new(url).proof_key()] }))
        };
        let gate = setup::gate(&setup::trusting(issuer));
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self { net, gate, url: url.to_owned(), start }
    }

    /// Publishes `keys` where RFC 8414 says, for an issuer without a path.
    fn publish(&self, issuer: &issuer::Issuer) {
        let keys_at = format!("{}/keys", self.url);
        let metadata = json!({ "issuer": self.url, "jwks_uri": keys_at });
        self.net.put(&format!("{}/.well-known/oauth-authorization-server", self.url), 200, metadata);
        self.net.put(&keys_at, 200, issuer.jwks());
    }

    /// Asks `later` seconds after the start: the principal, or kind and detail of the refusal.
    async fn ask(&self, token: &str, later: u64) -> Result<String, (RefusalKind, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
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
            now_ms: (self.start + later) * 1000,
        };
        let asked = self.gate.authenticate(&head).await;
        asked.map(|caller| caller.principal.id.to_string()).map_err(|it| (it.kind(), it.detail().to_owned()))
    }

    /// A token that lives long enough for the whole test, signed with the key called `kid`.
    fn token(&self, issuer: &issuer::Issuer, kid: &str) -> String {
        let mut claims = issuer.claims("alice", AUDIENCE, "");
        claims["exp"] = json!(self.start + 3_600);
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
        issuer.sign("ES256", &header.to_string(), &claims.to_string())
    }
}

const ACCEPTED: Result<&str, (RefusalKind, &str)> = Ok("corp:alice");

fn check(found: Result<String, (RefusalKind, String)>, expected: Result<&str, (RefusalKind, &str)>) {
    match (&found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected),
        (Err((kind, detail)), Err((expected, part))) => {
            assert_eq!(*kind, expected, "{detail}");
            assert!(detail.contains(part), "{detail}");
        }
        (_, expected) => assert!(found.is_ok() == expected.is_ok(), "{found:?}, not {expected:?}"),
    }
}

#[tokio::test]
async fn metadata_is_looked_for_where_the_standards_say() {
    for (url, places) in [
        (
            "https://as.test",
            &[
                "https://as.test/.well-known/oauth-authorization-server",
                "https://as.test/.well-known/openid-configuration",
            ][..],
        ),
        (
            "https://as.test/a/b",
            &[
                "https://as.test/.well-known/oauth-authorization-server/a/b",
                "https://as.test/.well-known/openid-configuration/a/b",
                "https://as.test/a/b/.well-known/openid-configuration",
            ],
        ),
    ] {
        let keys = issuer::Issuer::new(url);
        let house = House::new(url);
        check(
            house.ask(&house.token(&keys, "ES256"), 0).await,
            Err((RefusalKind::UpstreamUnavailable, "status 404")),
        );
        assert_eq!(house.net.asked(), places);
        for (at, place) in places.iter().enumerate() {
            let house = House::new(url);
            house.net.put(place, 200, json!({ "issuer": url, "jwks_uri": "https://keys.test/set" }));
            house.net.put("https://keys.test/set", 200, keys.jwks());
            check(house.ask(&house.token(&keys, "ES256"), 0).await, ACCEPTED);
            assert_eq!(house.net.asked().len(), at + 2);
        }
    }
}

#[tokio::test]
async fn documents_that_are_not_the_issuers_are_refused() {
    let (url, place) = ("https://as.test", "https://as.test/.well-known/openid-configuration");
    let keys = issuer::Issuer::new(url);
    let good = json!({ "issuer": url, "jwks_uri": "https://as.test/keys" }).to_string();
    for (status, metadata, set, why) in [
        (
            200,
            good.replace("as.test\"", "evil.test\""),
            keys.jwks(),
            "`issuer` is not the one that was asked for",
        ),
        (
            200,
            good.replace("as.test\"", "as.test/\""),
            keys.jwks(),
            "`issuer` is not the one that was asked for",
        ),
        (200, json!({ "issuer": url }).to_string(), keys.jwks(), "no `jwks_uri`"),
        (200, json!({ "issuer": url, "jwks_uri": "/keys" }).to_string(), keys.jwks(), "no `jwks_uri`"),
        (
            200,
            good.replacen('{', "{\"issuer\":\"https://evil.test\",", 1),
            keys.jwks(),
            "duplicate object key",
        ),
        (200, "<html>".to_owned(), keys.jwks(), "malformed JSON"),
        (302, good.clone(), keys.jwks(), "status 302"),
        (200, good.clone(), json!({}), "no array `keys`"),
        (200, good.clone(), json!({ "keys": [{ "kty": "oct", "k": "AA" }] }), "private or shared"),
    ] {
        let house = House::new(url);
        house.net.put(place, status, metadata);
        house.net.put("https://as.test/keys", 200, set);
        let token = house.token(&keys, "ES256");
        check(house.ask(&token, 0).await, Err((RefusalKind::UpstreamUnavailable, why)));
        // The next attempt after a failure has to wait, and then it counts.
        house.net.put(place, 200, &good);
        house.net.put("https://as.test/keys", 200, keys.jwks());
        house.net.asked();
        check(house.ask(&token, 4).await, Err((RefusalKind::UpstreamUnavailable, "a moment ago")));
        assert_eq!(house.net.asked().len(), 0);
        check(house.ask(&token, 5).await, ACCEPTED);
    }
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_and_nobody_can_make_that_a_flood() {
    let (old, new) = (issuer::Issuer::new("https://as.test"), issuer::Issuer::new("https://as.test"));
    let house = House::new("https://as.test");
    house.publish(&old);
    check(house.ask(&house.token(&old, "ES256"), 0).await, ACCEPTED);
    assert_eq!(house.net.asked().len(), 2);
    for n in 0..100 {
        let unknown = house.token(&old, &format!("key-{n}"));
        check(house.ask(&unknown, 29).await, Err((RefusalKind::Unauthenticated, "no key of that `kid`")));
    }
    assert_eq!(house.net.asked().len(), 0);
    // The issuer adds a key: both are good as soon as somebody may look.
    let mut both = old.jwks();
    let mut added = new.jwks()["keys"][0].clone();
    added["kid"] = json!("second");
    both["keys"].as_array_mut().unwrap().push(added);
    house.net.put("https://as.test/keys", 200, both);
    check(house.ask(&house.token(&new, "second"), 30).await, ACCEPTED);
    check(house.ask(&house.token(&old, "ES256"), 30).await, ACCEPTED);
    assert_eq!(house.net.asked().len(), 2);
}

#[tokio::test]
async fn a_key_that_is_taken_back_takes_its_tokens_with_it() {
    let (old, new) = (issuer::Issuer::new("https://as.test"), issuer::Issuer::new("https://as.test"));
    let house = House::new("https://as.test");
    house.publish(&old);
    let token = house.token(&old, "ES256");
    check(house.ask(&token, 0).await, ACCEPTED);
    house.publish(&new);
    check(house.ask(&token, 300).await, ACCEPTED);
    assert_eq!(house.net.asked().len(), 2, "nothing is fetched before its time");
    check(house.ask(&token, 301).await, Err((RefusalKind::Unauthenticated, "signature is wrong")));
    check(house.ask(&house.token(&new, "ES256"), 301).await, ACCEPTED);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_waited_for_and_not_for_ever() {
    let keys = issuer::Issuer::new("https://as.test");
    let house = House::new("https://as.test");
    house.publish(&keys);
    let token = house.token(&keys, "ES256");
    check(house.ask(&token, 0).await, ACCEPTED);
    house.net.clear();
    check(house.ask(&token, 301).await, ACCEPTED);
    check(house.ask(&token, 900).await, ACCEPTED);
    check(house.ask(&token, 906).await, Err((RefusalKind::UpstreamUnavailable, "status 404")));
    house.publish(&keys);
    check(house.ask(&token, 911).await, ACCEPTED);
}
