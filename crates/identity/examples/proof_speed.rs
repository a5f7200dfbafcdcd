//! What it costs to look at a proof of possession (DPoP, RFC 9449) beside the one signature check that is in it, and what a
//! signed request costs (RFC 9421). Run with `cargo run --release -p portcullis-identity --example proof_speed`.
//!
//! Both are measured in turns in one run, in processor time, and judged by their ratio: with `--check` the program fails above
//! 1.3. The token is known, as it is from its second request on; each proof is new, as it has to be.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measuring program for developers"
)]

use std::{
    hint::black_box,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use http::{HeaderMap, HeaderValue, Method, header};
use portcullis_core::{Channel, Secret, ServerName};
use portcullis_identity::{
    Algorithm, AuthConfig, Authenticator, Head, Issuer, KeySet, KeySource, MessageSigner, OauthConfig,
    Resource, Signatures,
};
use portcullis_testkit::issuer::{self, decode, encode, message_key, sha256};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

const URL: &str = "https://as.test";
const AUDIENCE: &str = "https://gw.test/mcp/git";
const BATCHES: usize = 40;
const BATCH: usize = 100;
/// Of the issue: a proof within this of its one signature check.
const MOST: f64 = 1.3;

fn main() -> ExitCode {
    let server: ServerName = "git".parse().expect("a name");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs();
    let (issuer, holder) = (issuer::Issuer::new(URL), issuer::Issuer::new(""));
    let gate = gate(&issuer);
    let token = bound(&issuer, &holder);
    let proofs: Vec<String> = (0..=BATCHES * BATCH).map(|n| proof(&holder, &token, now, n)).collect();
    let requests: Vec<HeaderMap> = proofs.iter().map(|proof| headers(&token, proof)).collect();
    let ask = |headers: &HeaderMap| {
        let head = head(headers, &server, now);
        let authenticated = gate.authenticate(&head);
        match pin!(authenticated).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(caller) => caller.is_ok(),
            Poll::Pending => false,
        }
    };
    assert!(ask(&requests[BATCHES * BATCH]), "the token is known from now on");
    let key = key(&holder);
    let signed: Vec<(&[u8], Vec<u8>)> = proofs.iter().map(|proof| parts(proof)).collect();

    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for batch in 0..BATCHES {
        let range = batch * BATCH..(batch + 1) * BATCH;
        whole.push(time(|| requests[range.clone()].iter().all(&ask)));
        alone.push(time(|| {
            signed[range].iter().all(|(text, signature)| key.verify_sig(text, signature).is_ok())
        }));
    }
    let ratio =
        report("proof of possession, all of it", &mut whole) / report("its signature check", &mut alone);
    println!("ratio {ratio:.2}, limit {MOST}");
    signatures(&server, now);
    let fails = std::env::args().any(|arg| arg == "--check") && ratio > MOST;
    if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A signed request of 1 KiB, made and looked at.
fn signatures(server: &ServerName, now: u64) {
    let (pem, public) = message_key("P-256", "k");
    let signer = MessageSigner::new(&Secret::new(pem.into_bytes()), "k").expect("a key");
    let keys = KeySet::parse(json!({ "keys": [public] }).to_string().into()).expect("a set of keys");
    let (signatures, body) = (Signatures::new(keys), vec![b'x'; 1024]);
    let uri = AUDIENCE.parse().expect("a URL");
    let (mut making, mut looking) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        let mut made = vec![HeaderMap::new(); BATCH];
        making.push(time(|| {
            made.iter_mut().all(|headers| signer.sign(&Method::POST, &uri, headers, &body, now).is_ok())
        }));
        looking.push(time(|| {
            made.iter().all(|headers| {
                let signed = signatures.check(&head(headers, server, now));
                signed.is_ok_and(|signed| signed.check(&body).is_ok())
            })
        }));
    }
    report("signing 1 KiB", &mut making);
    report("looking at it", &mut looking);
}

fn gate(issuer: &issuer::Issuer) -> Authenticator {
    let keys = KeySet::parse(issuer.jwks().to_string().into()).expect("a set of keys");
    let issuer = Issuer {
        name: "corp".into(),
        url: URL.into(),
        keys: KeySource::Fixed(keys),
        introspection: None,
        algorithms: vec![Algorithm::Es256],
        clients: Vec::new(),
        tenant: None,
        skew: 60,
        max_lifetime: 3_600,
        max_delegation: 0,
        require_dpop: true,
        require_mtls: false,
        danger_accept_untyped: false,
    };
    Authenticator::new(&AuthConfig::Oauth(OauthConfig {
        issuers: vec![issuer],
        required_scopes: Vec::new(),
        dpop_nonces: false,
        client_certificates: false,
        keep_tokens: false,
    }))
}

fn bound(issuer: &issuer::Issuer, holder: &issuer::Issuer) -> String {
    let key = holder.proof_key();
    let member = |name: &str| key[name].as_str().expect("it is there").to_owned();
    // RFC 7638: the members in order, without blanks.
    let canonical = format!(
        r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#,
        member("crv"),
        member("kty"),
        member("x"),
        member("y")
    );
    let mut claims = issuer.claims("alice", AUDIENCE, "mcp");
    claims["cnf"] = json!({ "jkt": encode(sha256(canonical.as_bytes()).as_ref()) });
    issuer.sign("ES256", r#"{"alg":"ES256","typ":"at+jwt","kid":"ES256"}"#, &claims.to_string())
}

fn proof(holder: &issuer::Issuer, token: &str, now: u64, number: usize) -> String {
    let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": holder.proof_key() }).to_string();
    let ath = encode(sha256(token.as_bytes()).as_ref());
    let claims = json!({ "htm": "POST", "htu": AUDIENCE, "iat": now, "jti": number.to_string(), "ath": ath });
    holder.sign("ES256", &header, &claims.to_string())
}

fn headers(token: &str, proof: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("DPoP {token}")).expect("ASCII"));
    headers.insert("dpop", HeaderValue::from_str(proof).expect("ASCII"));
    headers
}

fn head<'h>(headers: &'h HeaderMap, server: &'h ServerName, now: u64) -> Head<'h> {
    Head {
        channel: Channel::Http,
        peer: None,
        certificate: None,
        headers: Some(headers),
        query: None,
        listener_is_loopback: false,
        method: "POST",
        path: "/mcp/git",
        resource: Some(Resource { origin: "https://gw.test", door: "/mcp", server: Some(server) }),
        now_ms: now * 1000,
    }
}

fn key(holder: &issuer::Issuer) -> ParsedPublicKey {
    let key = holder.proof_key();
    let point = |name: &str| decode(key[name].as_str().expect("it is there"));
    let bytes = [&[4][..], &point("x"), &point("y")].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &bytes).expect("a key")
}

/// What is signed, and the signature.
fn parts(jws: &str) -> (&[u8], Vec<u8>) {
    let (signed, signature) = jws.rsplit_once('.').expect("a JWS");
    (signed.as_bytes(), decode(signature))
}

/// Processor time of this thread for one of a batch, in nanoseconds.
fn time(batch: impl FnOnce() -> bool) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    let start = now();
    assert!(black_box(batch()), "every one is good");
    (now() - start) as f64 / BATCH as f64
}

/// Prints the median and returns it.
fn report(label: &str, nanos: &mut [f64]) -> f64 {
    nanos.sort_by(f64::total_cmp);
    let median = nanos[nanos.len() / 2];
    println!("{label:<32} {:>8.1} µs", median / 1000.0);
    median
}
