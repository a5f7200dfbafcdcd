//! Secrets and personal data in messages, through a whole inspector.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use bytes::Bytes;
use portcullis_core::{
    Answer, AuthMethod, Call, Caller, Channel, Consent, Context, Item, Principal, PrincipalKind, Secret,
    Surface, Target,
    wire::{Limits, Message, Version, decode_one},
};

use super::*;
use crate::{Inspected, Inspector, InspectorOptions};

const CX: Context = Context { now_ms: 0 };
/// Put together here, so that no scanner takes this file for a leak.
fn token() -> String {
    ["ghp", "_", "kT8vq2LmZx41RwB7c2D4f6A3e5b2C7d6F4a2"].concat()
}

fn message(json: &str) -> Message {
    decode_one(Bytes::copy_from_slice(json.as_bytes()), &Limits::default()).unwrap()
}

fn with(policy: DataPolicy) -> Inspector {
    let canaries = Canaries::new([Secret::new(b"canary-7f3a".to_vec()), Secret::new(b"short".to_vec())]);
    Inspector::new(InspectorOptions { data: policy, canaries, ..InspectorOptions::default() }).unwrap()
}

/// What comes out of an answer and what was found, or why it was withheld.
fn answer(inspector: &Inspector, surface: Surface, json: &str) -> Result<(String, Vec<String>), String> {
    let answer = Answer { server: Some("srv".parse().unwrap()), surface, message: message(json) };
    let released = inspector
        .response(answer, None, Consent::Absent, &CX)
        .map_err(|refusal| refusal.detail().to_owned())?;
    let found = released.findings().iter().map(|finding| finding.detail.to_string()).collect();
    Ok((String::from_utf8(released.message().bytes().to_vec()).unwrap(), found))
}

fn request(inspector: &Inspector, text: &str) -> Result<(Option<String>, Vec<String>), String> {
    let json = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{{"name":"p","arguments":{{"q":{}}}}}}}"#,
        serde_json::to_string(text).unwrap()
    );
    let Message::Request(request) = message(&json) else { panic!("not a request") };
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "u".into() };
    let call = Call {
        caller: Caller { principal, actor: None, tenant: None, method: AuthMethod::StdioPeer, grant: None },
        channel: Channel::Stdio,
        peer: None,
        endpoint: None,
        version: Version::LATEST,
        request,
        target: Target { server: None, item: Item::Server, definition: None },
        put_back: None,
    };
    let details = |findings: &[Finding]| findings.iter().map(|finding| finding.detail.to_string()).collect();
    match inspector
        .request(call, None, Consent::Absent, &CX)
        .map_err(|refusal| refusal.detail().to_owned())?
    {
        Inspected::Cleared(cleared) => Ok((None, details(cleared.findings()))),
        Inspected::Edited(_, bytes, finding) => {
            Ok((Some(String::from_utf8(bytes.to_vec()).unwrap()), details(&[finding])))
        }
        Inspected::Asked(_, refusal) => panic!("asked: {refusal:?}"),
    }
}

/// A word for each value, which is none to take out again; in what is encoded, and without a key, nothing is kept.
#[test]
fn what_is_tokenised_is_kept_beside_the_answer() {
    let results = DataPolicy::default().results.with(DataClass::Token, DataAction::Tokenise);
    let data = DataPolicy { results, ..DataPolicy::default() };
    let token = token();
    for (key, text, words, kept) in [
        (Some(()), format!("a {token} and {token}"), 2, 2),
        (Some(()), scan::encoded(&format!("the token is {token}")), 0, 0),
        (None, token.clone(), 0, 0),
    ] {
        let token_key = key.map(|()| TokenKey::new(Secret::new(vec![1; 32])));
        let inspector =
            Inspector::new(InspectorOptions { data, token_key, ..InspectorOptions::default() }).unwrap();
        let answer = |text: &str| {
            let json = format!(
                r#"{{"jsonrpc":"2.0","id":1,"result":{{"structuredContent":{{"token":"{text}"}}}}}}"#
            );
            let server = Some("srv".parse().unwrap());
            let answer = Answer { server, surface: Surface::Result, message: message(&json) };
            inspector.response(answer, None, Consent::Absent, &CX).unwrap()
        };
        let mut released = answer(&text);
        let out = String::from_utf8(released.message().bytes().to_vec()).unwrap();
        let values = released.take_kept();
        assert_eq!((out.matches("[kept: github-token ").count(), values.len()), (words, kept), "{out}");
        assert!(!out.contains(&token) && !format!("{values:?}").contains(&token), "{out}");
        assert!(values.iter().all(|it| out.contains(&*it.word) && it.value.expose() == token.as_bytes()));
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        let again = answer(document["result"]["structuredContent"]["token"].as_str().unwrap());
        assert_eq!(again.message().bytes(), out.as_bytes());
    }
}

#[test]
fn a_secret_in_any_field_of_an_answer_is_redacted_and_the_rest_stays() {
    let inspector = with(DataPolicy::default());
    let token = token();
    let blob = |text: &str| scan::encoded(text);
    for (surface, json, place) in [
        (
            Surface::Result,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a \"SECRET\"\n b"}]}}"#,
            "/result/content/0/text",
        ),
        (
            Surface::Result,
            r#"{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"rows":[{"k":["SECRET"]}]}}}"#,
            "/result/structuredContent/rows/0/k/0",
        ),
        (
            Surface::Result,
            r#"{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"SECRET":1}}}"#,
            "/result/structuredContent/[github-token]",
        ),
        (
            Surface::Error,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"bad SECRET"}}"#,
            "/error/message",
        ),
        (
            Surface::Error,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"bad","data":{"x":"SECRET"}}}"#,
            "/error/data/x",
        ),
        (
            Surface::Resource,
            r#"{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"f:///x","text":"SECRET"}]}}"#,
            "/result/contents/0/text",
        ),
        (
            Surface::Resource,
            r#"{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"f:///x","blob":"BLOB"}]}}"#,
            "/result/contents/0/blob",
        ),
        (
            Surface::Notification,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"SECRET"}}"#,
            "/params/data",
        ),
        (
            Surface::ServerRequest,
            r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"SECRET"}}"#,
            "/params/message",
        ),
    ] {
        let fill = |text: &str| {
            json.replace("SECRET", text).replace("BLOB", &blob(&format!("key: {text}, and more")))
        };
        let (out, found) = answer(&inspector, surface, &fill(&token)).unwrap();
        assert_eq!(out, fill("[redacted: github-token]"));
        assert_eq!(found, [format!("{}: github-token at `{place}` redacted", surface.as_str())]);
        let benign = fill("ghp_and_nothing_else");
        assert_eq!(answer(&inspector, surface, &benign).unwrap(), (benign, vec![]));
    }
}

#[test]
fn escapes_hide_nothing() {
    let json = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":"{}"}}}}"#,
        token().replace("ghp_", r"\u0067hp\u005f")
    );
    let (out, _) = answer(&with(DataPolicy::default()), Surface::Result, &json).unwrap();
    assert_eq!(out, r#"{"jsonrpc":"2.0","id":1,"result":{"x":"[redacted: github-token]"}}"#);
}

#[test]
fn what_is_done_depends_on_class_and_direction() {
    let inspector = with(DataPolicy::default());
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n".repeat(3)
    );
    let cloud = ["AKIA", "QZ7R2XK5WJ3N6TPB"].concat();
    for (text, what, in_request, in_result) in [
        (key.as_str(), "private-key", "refused", "redacted"),
        (&cloud, "aws-access-key", "refused", "redacted"),
        (&token(), "github-token", "noted", "redacted"),
        ("db://u:s3cr3t@h/x", "url-password", "noted", "redacted"),
        ("card 4111 1111 1111 1111", "card", "noted", "noted"),
        ("DE89 3704 0044 0532 0130 00", "iban", "noted", "noted"),
        ("ssn 536-22-8726", "us-ssn", "noted", "noted"),
        ("nie X1234567L", "nie", "noted", "noted"),
        ("cf RSSMRA85T10A562S", "codice-fiscale", "noted", "noted"),
        ("say canary-7f3a aloud", "canary", "refused", "refused"),
    ] {
        let json = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":{}}}}}"#,
            serde_json::to_string(text).unwrap()
        );
        let result = answer(&inspector, Surface::Result, &json);
        let told = result.as_ref().map_or_else(Clone::clone, |(_, found)| found.concat());
        assert_eq!(told, format!("result: {what} at `/result/x` {in_result}"), "{text}");
        assert_eq!(result.is_err(), in_result == "refused");
        let request = request(&inspector, text);
        let told = request.as_ref().map_or_else(Clone::clone, |(_, found)| found.concat());
        assert_eq!(told, format!("request: {what} at `/params/arguments/q` {in_request}"), "{text}");
        assert_eq!(request.is_err(), in_request == "refused");
    }
}

#[test]
fn a_request_can_be_redacted_and_everything_switched_off() {
    let policy = DataPolicy { requests: DataRow::all(DataAction::Redact), ..DataPolicy::default() };
    let (edited, _) = request(&with(policy), &token()).unwrap();
    assert!(edited.unwrap().contains(r#""q":"[redacted: github-token]""#));
    let off =
        DataPolicy { requests: DataRow::all(DataAction::Pass), results: DataRow::all(DataAction::Pass) };
    assert_eq!(request(&with(off), "canary-7f3a").unwrap(), (None, vec![]));
}

#[test]
fn a_value_is_judged_by_the_name_it_has() {
    let inspector = with(DataPolicy::default());
    for (json, found) in [
        (r#"{"client_secret":"kT8vq2LmZx41RwB7"}"#, 1),
        (r#"{"db":{"password":"kT8vq2LmZx41RwB7"}}"#, 1),
        (r#"{"id":"kT8vq2LmZx41RwB7"}"#, 0),
        (r#"{"secret":"a plain sentence 1"}"#, 0),
        (r#"{"nextToken":"page-2"}"#, 0),
    ] {
        let json = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{json}}}"#);
        assert_eq!(answer(&inspector, Surface::Result, &json).unwrap().1.len(), found, "{json}");
    }
}

#[test]
fn ordinary_messages_hold_nothing() {
    for text in [
        include_str!("../../../../docs/audit.md"),
        include_str!("../../../../docs/egress.md"),
        include_str!("../../../../docs/configuration.md"),
        include_str!("../../../../Cargo.lock"),
        "commit 9f1c2d3e4b5a69788796a5b4c3d2e1f00f1e2d3c, uuid 123e4567-e89b-42d3-a456-426614174000, tel +49 30 901820-0, isbn 978-3-16-148410-0",
    ] {
        let hits = scan::scan(text, None, &Canaries::default());
        let shown: Vec<_> = hits.iter().map(|hit| (hit.what, text.get(hit.at.clone()).unwrap())).collect();
        assert_eq!(shown, [], "{text:.80}");
    }
}

#[test]
fn texts_for_records_are_masked() {
    assert_eq!(masked(&format!("https://x.test/?key={}", token())), "https://x.test/?key=[github-token]");
    assert_eq!(masked("file:///notes/today.md"), "file:///notes/today.md");
}
