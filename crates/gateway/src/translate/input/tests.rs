//! Questions and answers in both forms.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use portcullis_core::{
    RefusalKind,
    wire::{Document, Message, decode_one},
};

use super::*;
use crate::outbound::GENEROUS;

fn parsed(json: &str) -> Document {
    Document::parse(Bytes::from(json.to_owned()), &GENEROUS).unwrap()
}

fn question(method: &str, params: &str) -> Question {
    Question { key: "k".into(), method: method.into(), params: Bytes::from(params.to_owned()) }
}

#[test]
fn every_question_that_a_client_can_be_asked_is_read() {
    let asked = |json: &str| questions(parsed(json).root());
    let two = r#"{"inputRequests":{"a":{"method":"roots/list"},"b":{"method":"elicitation/create","params":{"message":"?"}}}}"#;
    let read: Vec<_> = asked(two).unwrap().into_iter().map(|q| (q.key, q.method, q.params)).collect();
    let expected = [
        ("a".to_owned(), "roots/list".to_owned(), Bytes::from_static(b"{}")),
        ("b".to_owned(), "elicitation/create".to_owned(), Bytes::from_static(br#"{"message":"?"}"#)),
    ];
    assert_eq!(read, expected);
    assert_eq!(asked("{}").unwrap(), []);
    for unfit in [
        r#"{"inputRequests":{"a":{"method":"tools/call"}}}"#,
        r#"{"inputRequests":{"a":{}}}"#,
        r#"{"inputRequests":{"a":7}}"#,
    ] {
        assert_eq!(asked(unfit).unwrap_err().kind(), RefusalKind::Untranslatable, "{unfit}");
    }
}

#[test]
fn a_question_becomes_a_request_of_the_clients_version() {
    use Version as V;
    const FORM: &str = r#"{"message":"?","requestedSchema":{}}"#;
    const URL: &str = r#"{"mode":"url","url":"https://a.test/","message":"?"}"#;
    const URL_WITH_ID: &str =
        r#"{"mode":"url","url":"https://a.test/","message":"?","elicitationId":"portcullis-7"}"#;
    const URL_NAMED: &str = r#"{"mode":"url","elicitationId":"own"}"#;
    for (method, version, params, sent) in [
        ("elicitation/create", V::V2025_11_25, FORM, FORM),
        ("elicitation/create", V::V2025_11_25, URL, URL_WITH_ID),
        ("elicitation/create", V::V2025_11_25, URL_NAMED, URL_NAMED),
        ("elicitation/create", V::V2025_06_18, URL, URL),
        ("sampling/createMessage", V::V2025_11_25, URL, URL),
        ("roots/list", V::V2024_11_05, "{}", "{}"),
    ] {
        let request = question(method, params).as_request(&RequestId::from_u64(7), version);
        let expected = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{sent}}}"#);
        assert_eq!(request, expected, "{version}");
    }
}

#[test]
fn a_clients_answer_takes_the_newer_form() {
    let answered = |method: &str, member: &str| {
        let json = format!(r#"{{"jsonrpc":"2.0","id":7,{member}}}"#);
        match decode_one(json.into(), &GENEROUS).unwrap() {
            Message::Response(response) => question(method, "{}").answered(&response),
            other => panic!("not a response: {other:?}"),
        }
    };
    const RESULT: &str = r#""result":{"action":"accept","content":{"n":1.0}}"#;
    const ERROR: &str = r#""error":{"code":-1,"message":"no"}"#;
    for method in ASKABLE {
        assert_eq!(
            answered(method, RESULT).unwrap(),
            r#"{"action":"accept","content":{"n":1.0}}"#,
            "{method}"
        );
    }
    assert_eq!(answered("elicitation/create", ERROR).unwrap(), r#"{"action":"cancel"}"#);
    for method in ["sampling/createMessage", "roots/list"] {
        assert_eq!(answered(method, ERROR).unwrap_err().kind(), RefusalKind::Untranslatable, "{method}");
    }
}

#[test]
fn answers_and_questions_are_written_as_objects() {
    let one = ("a\"".to_owned(), Bytes::from_static(b"{}"));
    let two = ("b".to_owned(), Bytes::from_static(br#"{"x":1}"#));
    assert_eq!(responses(&[]), b"{}");
    assert_eq!(responses(&[one, two]), br#"{"a\"":{},"b":{"x":1}}"#);
    assert_eq!(
        input_required(&question("roots/list", "{}"), "st\"ate"),
        br#"{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list","params":{}}},"requestState":"st\"ate"}"#
    );
}

#[test]
fn every_url_to_visit_is_asked_for_under_a_key_of_its_own() {
    let error = parsed(r#"{"data":{"elicitations":[{"mode":"url"},{"mode":"url","url":"b"}]}}"#);
    let ask =
        |key: u8, params: &str| format!(r#""{key}":{{"method":"elicitation/create","params":{params}}}"#);
    let expected = format!(
        r#"{{"resultType":"input_required","inputRequests":{{{},{}}}}}"#,
        ask(1, r#"{"mode":"url"}"#),
        ask(2, r#"{"mode":"url","url":"b"}"#)
    );
    assert_eq!(url_elicitations(error.root()).unwrap(), expected.as_bytes());
}
