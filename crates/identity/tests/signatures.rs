//! Signed requests, from the gateway's own signer to its verifier, and each way in which one is not good.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use portcullis_core::{Channel, ControlId, RefusalKind, Secret, ServerName};
use portcullis_identity::{Head, KeySet, MessageSigner, Resource, Signatures};
use portcullis_testkit::issuer::message_key;
use serde_json::json;

const NOW: u64 = 1_800_000_000;
const BODY: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const URL: &str = "https://gw.test/mcp/git";

/// One request as it arrives.
#[derive(Clone)]
struct Request {
    method: Method,
    path: &'static str,
    query: Option<&'static str>,
    headers: HeaderMap,
    body: Vec<u8>,
    now: u64,
}

fn signed(
    signer: &MessageSigner,
    method: Method,
    url: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let mut headers: HeaderMap = headers.iter().map(line).collect();
    let uri: Uri = url.parse().unwrap();
    signer.sign(&method, &uri, &mut headers, body, NOW).unwrap();
    headers
}

fn check(signatures: &Signatures, request: &Request) -> Result<(), String> {
    let server: ServerName = "git".parse().unwrap();
    let head = Head {
        channel: Channel::Http,
        peer: None,
        certificate: None,
        headers: Some(&request.headers),
        query: request.query,
        listener_is_loopback: false,
        method: request.method.as_str(),
        path: request.path,
        resource: Some(Resource { origin: "https://gw.test", door: "/mcp", server: Some(&server) }),
        now_ms: request.now * 1000,
    };
    let checked = signatures.check(&head).and_then(|body| body.check(&request.body));
    checked.map_err(|refusal| {
        assert_eq!((refusal.kind(), refusal.control()), (RefusalKind::Denied, Some(ControlId::Net06)));
        refusal.detail().to_owned()
    })
}

fn pair(curve: &str) -> (MessageSigner, Signatures) {
    let (pem, public) = message_key(curve, "k1");
    let signer = MessageSigner::new(&Secret::new(pem.into_bytes()), "k1").unwrap();
    let keys = KeySet::parse(json!({ "keys": [public] }).to_string().into()).unwrap();
    (signer, Signatures::new(keys))
}

const USUAL: &[(&str, &str)] = &[
    ("authorization", "Bearer t"),
    ("mcp-protocol-version", "2026-07-28"),
    ("content-type", "application/json"),
];

fn post(signer: &MessageSigner) -> Request {
    let headers = signed(signer, Method::POST, URL, USUAL, BODY);
    Request { method: Method::POST, path: "/mcp/git", query: None, headers, body: BODY.to_vec(), now: NOW }
}

#[test]
fn a_signed_request_is_good_once_with_either_algorithm() {
    for curve in ["P-256", "Ed25519"] {
        let (signer, signatures) = pair(curve);
        let request = post(&signer);
        assert_eq!(check(&signatures, &request), Ok(()), "{curve}");
        assert!(check(&signatures, &request).unwrap_err().contains("used before"), "{curve}");
        assert_eq!(check(&signatures, &post(&signer)), Ok(()), "another nonce");
        let headers = signed(&signer, Method::GET, "https://GW.test:443/mcp/git?a=b", &[], b"");
        let get =
            Request { method: Method::GET, query: Some("a=b"), headers, body: Vec::new(), ..post(&signer) };
        assert_eq!(check(&signatures, &get), Ok(()), "{curve}");
    }
}

#[test]
fn whatever_is_changed_on_the_way_shows() {
    let (signer, signatures) = pair("P-256");
    let header = |name: &'static str, value: &'static str| {
        move |it: &mut Request| drop(it.headers.insert(name, HeaderValue::from_static(value)))
    };
    let without = |name: &'static str| move |it: &mut Request| drop(it.headers.remove(name));
    type Change<'c> = Box<dyn Fn(&mut Request) + 'c>;
    let rows: Vec<(&str, Change<'_>)> = vec![
        ("the body is not", Box::new(|it| it.body.push(b' '))),
        ("the body is not", Box::new(|it| it.body.clear())),
        ("signature is wrong", Box::new(|it| it.path = "/mcp/other")),
        ("signature is wrong", Box::new(|it| it.query = Some("a=b"))),
        ("signature is wrong", Box::new(|it| it.method = Method::PUT)),
        ("signature is wrong", Box::new(header("authorization", "Bearer other"))),
        ("signature is wrong", Box::new(header("mcp-protocol-version", "2025-11-25"))),
        ("signature is wrong", Box::new(header("content-type", "text/plain"))),
        ("signature is wrong", Box::new(header("content-digest", "sha-256=:AAAA:"))),
        ("does not cover `mcp-session-id`", Box::new(header("mcp-session-id", "s"))),
        ("does not cover `last-event-id`", Box::new(header("last-event-id", "s"))),
        ("covers `authorization`", Box::new(without("authorization"))),
        ("no header `signature`", Box::new(without("signature"))),
        ("no header `signature-input`", Box::new(without("signature-input"))),
        ("`signature` is not in its form", Box::new(header("signature", "portcullis=abc;"))),
        ("not in its form", Box::new(header("signature", "portcullis=1"))),
        ("signature is wrong", Box::new(header("signature", "portcullis=:AAAA:"))),
        ("different labels", Box::new(header("signature", "other=:AAAA:"))),
        ("not in its form", Box::new(header("signature-input", "portcullis=?1"))),
        ("does not cover `@method`", Box::new(header("signature-input", "portcullis=()"))),
        (
            "more than one header `signature`",
            Box::new(|it| {
                it.headers.append("signature", HeaderValue::from_static("b=:AAAA:"));
            }),
        ),
        ("within 60 s", Box::new(|it| it.now = NOW + 61)),
        ("within 60 s", Box::new(|it| it.now = NOW - 61)),
        ("expired", Box::new(|it| it.now = NOW + 60)),
    ];
    for (why, change) in rows {
        let mut request = post(&signer);
        change(&mut request);
        let fault = check(&signatures, &request).unwrap_err();
        assert!(fault.contains(why), "{why}: {fault}");
    }
    let (stranger, _) = pair("P-256");
    assert!(check(&signatures, &post(&stranger)).unwrap_err().contains("signature is wrong"));
    let (pem, _) = message_key("P-256", "k1");
    let renamed = MessageSigner::new(&Secret::new(pem.into_bytes()), "k2").unwrap();
    assert!(check(&signatures, &post(&renamed)).unwrap_err().contains("none of the configured keys"));
    // A key of one curve verifies no signature that says it is of the other.
    let (ed, _) = pair("Ed25519");
    assert!(check(&signatures, &post(&ed)).unwrap_err().contains("not for `alg`"));
}

#[test]
fn what_a_signature_says_of_itself_has_to_be_there() {
    let (signer, signatures) = pair("Ed25519");
    for (from, to, why) in [
        (";created=1800000000", "", "`created`"),
        (";created=1800000000", ";created=\"1800000000\"", "`created`"),
        (";created=1800000000", ";created=-1", "`created`"),
        (";expires=1800000060", ";expires=1.5", "`expires`"),
        (";nonce=", ";n=", "`nonce`"),
        (";keyid=\"k1\"", "", "`keyid`"),
        (";keyid=\"k1\"", ";keyid=\"\"", "`keyid`"),
        (";alg=\"ed25519\"", ";alg=ed25519", "`alg`"),
        (";alg=\"ed25519\"", ";alg=\"hmac-sha256\"", "not for `alg`"),
        ("\"@target-uri\"", "\"@authority\"", "does not cover `@path`"),
        ("\"content-digest\"", "\"content-type\"", "does not cover `content-digest`"),
    ] {
        let mut request = post(&signer);
        let input = request.headers["signature-input"].to_str().unwrap().to_owned();
        assert!(input.contains(from), "{input}");
        request.headers.insert("signature-input", HeaderValue::from_str(&input.replace(from, to)).unwrap());
        let fault = check(&signatures, &request).unwrap_err();
        assert!(fault.contains(why), "{why}: {fault}");
    }
}
