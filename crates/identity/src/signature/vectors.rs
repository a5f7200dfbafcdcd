//! The examples of RFC 9421 appendix B for the algorithms there are here, with their keys.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{Dictionary, InnerList, ListEntry, Parser};

use super::{
    base::{Message, Subject, Target},
    digest::ContentDigest,
};
use crate::{Algorithm, KeySet, TokenFault};

/// B.1.3 and B.1.4, public.
const KEYS: &str = r#"{"keys":[
    {"kty":"EC","crv":"P-256","kid":"test-key-ecc-p256","x":"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",
     "y":"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"},
    {"kty":"OKP","crv":"Ed25519","kid":"test-key-ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}
]}"#;

/// B.2, `test-request`.
const REQUEST: &[(&str, &str)] = &[
    ("host", "example.com"),
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    ("content-length", "18"),
];

/// B.2, `test-response`.
const RESPONSE: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
    ),
    ("content-length", "23"),
];

const B24: &str = r#"("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#;
const B24_SIGNATURE: &str =
    "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==";
const B26: &str = r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
const B26_SIGNATURE: &str =
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
const B26_BASE: &str = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
    \"@authority\": example.com\n\"content-type\": application/json\n\"content-length\": 18\n\
    \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
    ;created=1618884473;keyid=\"test-key-ed25519\"";

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

fn covered(text: &str) -> InnerList {
    let fields: Dictionary = Parser::new(&format!("sig={text}")).parse().unwrap();
    match fields.get("sig") {
        Some(ListEntry::InnerList(list)) => list.clone(),
        other => panic!("{other:?}"),
    }
}

fn verify(id: &str, algorithm: &str, base: &str, signature: &str) -> Result<(), TokenFault> {
    let keys = KeySet::parse(KEYS.into()).unwrap();
    let algorithm = Algorithm::parse(algorithm).unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    keys.find(Some(id), algorithm)?.verify(algorithm, base.as_bytes(), &signature)
}

#[test]
fn the_examples_of_the_rfc_verify() {
    let (request, response) = (headers(REQUEST), headers(RESPONSE));
    let uri = "https://example.com/foo?param=Value&Pet=dog".parse().unwrap();
    let target = Target::of(&uri).unwrap();
    let request =
        Message { subject: Subject::Request { method: "POST", target: &target }, headers: &request };
    let response = Message { subject: Subject::Response(200), headers: &response };
    let base = request.base(&covered(B26)).unwrap();
    assert_eq!(base, B26_BASE);
    assert_eq!(verify("test-key-ed25519", "EdDSA", &base, B26_SIGNATURE), Ok(()), "B.2.6");
    let base = response.base(&covered(B24)).unwrap();
    assert_eq!(verify("test-key-ecc-p256", "ES256", &base, B24_SIGNATURE), Ok(()), "B.2.4");
    let other = base.replace("200", "201");
    assert_eq!(verify("test-key-ecc-p256", "ES256", &other, B24_SIGNATURE), Err(TokenFault::Signature));
}

#[test]
fn derived_components_are_those_of_the_rfc() {
    let (request, none) = (headers(REQUEST), HeaderMap::new());
    let uri = "HTTPS://EXAMPLE.com:443/path?param=value&foo=bar&baz=batman".parse().unwrap();
    let target = Target::of(&uri).unwrap();
    let message =
        Message { subject: Subject::Request { method: "POST", target: &target }, headers: &request };
    for (name, value) in [
        ("@method", "POST"),
        ("@target-uri", "https://example.com/path?param=value&foo=bar&baz=batman"),
        ("@authority", "example.com"),
        ("@scheme", "https"),
        ("@request-target", "/path?param=value&foo=bar&baz=batman"),
        ("@path", "/path"),
        ("@query", "?param=value&foo=bar&baz=batman"),
    ] {
        let base = message.base(&covered(&format!("(\"{name}\")"))).unwrap();
        assert_eq!(base.lines().next().unwrap(), format!("\"{name}\": {value}"));
    }
    for unfit in [
        r#"("@status")"#,
        r#"("@query-param";name="foo")"#,
        r#"("x-absent")"#,
        r#"("Date")"#,
        r#"("date" "date")"#,
        r#"("date";bs)"#,
        "(date)",
        r#"("@signature-params")"#,
    ] {
        assert!(message.base(&covered(unfit)).is_err(), "{unfit}");
    }
    let bare = "https://example.com".parse().unwrap();
    let target = Target::of(&bare).unwrap();
    let message = Message { subject: Subject::Request { method: "GET", target: &target }, headers: &none };
    let base = message.base(&covered(r#"("@path" "@query")"#)).unwrap();
    assert!(base.starts_with("\"@path\": /\n\"@query\": ?\n"), "RFC 9421 sections 2.2.6 and 2.2.7: {base}");
}

#[test]
fn digests_are_those_of_the_bodies() {
    let digest = ContentDigest::read(&headers(REQUEST)).unwrap();
    assert!(digest.fits(br#"{"hello": "world"}"#) && !digest.fits(br#"{"hello": "World"}"#));
    let read = |text: &'static str| ContentDigest::read(&headers(&[("content-digest", text)]));
    // RFC 9530 appendix B: the digest of `{"hello": "world"}` and a line feed.
    let digest = read("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:").unwrap();
    assert!(digest.fits(b"{\"hello\": \"world\"}\n"));
    for bad in
        ["", "md5=:AAAA:", "sha-256=AAAA", "sha-256=(:AAAA:)", "sha-256", "sha-256=:A:=", "sha-256=:!:"]
    {
        assert!(read(bad).is_err(), "{bad}");
    }
    let both = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, sha-512=:AAAA:";
    assert!(!read(both).unwrap().fits(b"{\"hello\": \"world\"}\n"), "all of them have to fit");
}
