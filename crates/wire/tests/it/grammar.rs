//! The JSON grammar, case by case.

use bytes::Bytes;
use portcullis_wire::json::{self, Document, Fault, FaultKind, Kind, Limits};

fn parse(text: impl AsRef<[u8]>) -> Result<Document, Fault> {
    Document::parse(Bytes::copy_from_slice(text.as_ref()), &Limits::default())
}

#[test]
fn accepts_every_form_of_every_type() {
    let accepted: &[(&str, Kind)] = &[
        ("null", Kind::Null),
        (" true ", Kind::Bool),
        ("false\n", Kind::Bool),
        ("0", Kind::Number),
        ("-0", Kind::Number),
        ("-0.0e-0", Kind::Number),
        ("10.01E+2", Kind::Number),
        ("1e-400", Kind::Number),
        ("1.7976931348623157e308", Kind::Number),
        ("\"\"", Kind::String),
        (r#""\" \\ \/ \b \f \n \r \t \u0000 \uFFFF""#, Kind::String),
        (r#""\uD800\uDC00 \uDBFF\uDFFF""#, Kind::String),
        ("\"\u{7f}\u{80}\u{10FFFF}\u{feff}\"", Kind::String),
        ("[]", Kind::Array),
        ("\t[ ]\r\n", Kind::Array),
        ("[[],{},\"\",0,null]", Kind::Array),
        ("{}", Kind::Object),
        (r#"{"":{"":{"":{}}}}"#, Kind::Object),
        (r#"{ "a" : 1 , "A" : 1 , "a " : 1 }"#, Kind::Object),
    ];
    for (text, kind) in accepted {
        let document = parse(text).unwrap_or_else(|fault| panic!("`{text}`: {fault}"));
        assert_eq!(document.root().kind(), *kind, "`{text}`");
        assert_eq!(document.root().raw(), text.trim().as_bytes());
    }
}

/// Refused, with the byte the fault has to point at.
fn check(text: impl AsRef<[u8]>, is: fn(FaultKind) -> bool, at: usize) {
    let text = text.as_ref();
    let shown = String::from_utf8_lossy(text);
    let fault = parse(text).expect_err(&format!("`{shown}` was accepted"));
    assert!(is(fault.kind), "`{shown}`: {fault}");
    assert_eq!(fault.at, at, "`{shown}`: {fault}");
}

fn syntax(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Syntax(_))
}

#[test]
fn refuses_what_is_not_the_grammar() {
    let refused: &[(&str, usize)] = &[
        ("nul", 0),
        ("True", 0),
        ("NaN", 0),
        ("Infinity", 0),
        ("-Infinity", 1),
        ("undefined", 0),
        ("+1", 0),
        (".5", 0),
        ("-", 1),
        ("1.", 2),
        ("-.1", 1),
        ("1e", 2),
        ("1e+", 3),
        ("0x1", 1 /* trailing, see below */),
        ("'a'", 0),
        ("\"", 0),
        ("\"a", 0),
        ("\"\\", 1),
        ("\"\\\"", 0),
        (r#""\x41""#, 1),
        (r#""\U0041""#, 1),
        (r#""\u004""#, 1),
        (r#""\u00g0""#, 1),
        (r#""\u+041""#, 1),
        ("\"a\nb\"", 0),
        ("\"\u{0}\"", 0),
        ("\"\u{1f}\"", 0),
        ("\"tab\there\"", 0),
        ("[", 1),
        ("[1", 2),
        ("[1,", 3),
        ("[1,]", 3),
        ("[,1]", 1),
        ("[1 2]", 3),
        ("[1}", 2),
        ("]", 0),
        ("{", 1),
        ("{]", 1),
        ("{1:2}", 1),
        ("{a:1}", 1),
        (r#"{"a"}"#, 4),
        (r#"{"a":}"#, 5),
        (r#"{"a"=1}"#, 4),
        (r#"{"a":1,}"#, 7),
        (r#"{"a":1 "b":2}"#, 7),
        (r#"{"a":1]"#, 6),
        ("{,}", 1),
        ("// x\n1", 0),
        ("[1]/**/", 3),
        ("\u{feff}1", 0),
        ("\u{a0}1", 0),
        ("\u{c}1", 0),
        ("\u{b}[]", 0),
        ("[\u{2028}]", 1),
    ];
    for (text, at) in refused {
        let trailing = |kind| syntax(kind) || matches!(kind, FaultKind::TrailingData);
        check(text, trailing, *at);
    }
}

#[test]
fn refuses_what_readers_disagree_about() {
    let lone = |kind| matches!(kind, FaultKind::LoneSurrogate);
    for (text, at) in [
        (r#""\ud800""#, 1),
        (r#""x\udc00""#, 2),
        (r#""\ud800\ud800""#, 1),
        (r#""\ud800\n""#, 1),
        (r#""\ud800 \udc00""#, 1),
        (r#""\udc00\ud800""#, 1),
        (r#"{"\udfff":1}"#, 2),
    ] {
        check(text, lone, at);
    }
    let number = |kind| matches!(kind, FaultKind::NumberForm);
    for text in [
        "1e309",
        "-1e309",
        "1.8e308",
        &"9".repeat(129),
        &format!("0.{}", "0".repeat(127)),
        "1e99999999999999999999",
    ] {
        check(format!("[{text}]"), number, 1);
    }
    let trailing = |kind| matches!(kind, FaultKind::TrailingData);
    for (text, at) in [
        ("1 2", 2),
        ("{}{}", 2),
        ("00", 1),
        ("01", 1),
        ("-00", 2),
        ("1\0", 1),
        ("truefalse", 4),
        ("nullx", 4),
    ] {
        check(text, trailing, at);
    }
    for text in ["", " ", "\r\n\t "] {
        check(text, |kind| matches!(kind, FaultKind::Empty), 0);
    }
    let utf8 = |kind| matches!(kind, FaultKind::InvalidUtf8);
    let bytes: [(&[u8], usize); 6] = [
        (b"\"\xff\"", 1),
        (b"\"\xc0\xaf\"", 1),
        (b"\"\xed\xa0\x80\"", 1),
        (b"\"ab\xf5\x80\x80\x80\"", 3),
        (b"\"\xe2\x82\"", 1),
        (b"\xff\xfe{\x00}\x00", 0),
    ];
    for (text, at) in bytes {
        check(text, utf8, at);
    }
}

/// Duplicates at every size of object, at every position, spelled with and without escapes.
#[test]
fn refuses_duplicate_keys() {
    let duplicate = |kind| matches!(kind, FaultKind::DuplicateKey);
    for size in 1..40 {
        for first in 0..size {
            let mut members: Vec<String> =
                (0..size).map(|i| format!(r#""a-rather-long-key-{i}":{i}"#)).collect();
            for twin in [
                format!(r#""a-rather-long-key-{first}":0"#),
                format!(r#""\u0061-rather-long-key-{first}":0"#),
            ] {
                members.push(twin);
                let text = format!("{{{}}}", members.join(","));
                let at = text.rfind("\"a-rather").max(text.rfind("\"\\u0061")).unwrap() + 1;
                check(&text, duplicate, at);
                members.pop();
            }
            assert!(parse(format!("{{{}}}", members.join(","))).is_ok());
        }
    }
    check(r#"{"":1,"":2}"#, duplicate, 7);
    check(r#"{"a":{"b":1,"b":2},"c":1}"#, duplicate, 13);
    check(r#"{"b":{"b":1},"b":2}"#, duplicate, 14);
    check(r#"{"\u00e9":1,"é":2}"#, duplicate, 13);
    check(r#"{"\ud83d\ude00":1,"😀":2}"#, duplicate, 19);
    assert!(parse("{\"\u{e9}\":1,\"e\u{301}\":2}").is_ok(), "normalisation forms are different names");
    assert!(parse(r#"[{"a":1},{"a":1,"b":{"a":1}}]"#).is_ok());
}

/// Keys that agree in length, head and tail get the same digest and are told apart by their bytes.
#[test]
fn tells_colliding_keys_apart() {
    let key = |i: usize| format!("same-head-{i:06}-same-tail");
    let members = |n: usize| (0..n).map(|i| format!("\"{}\":0", key(i))).collect::<Vec<_>>();
    for n in [2, 8, 9, 10, 1_000] {
        let mut all = members(n);
        assert!(parse(format!("{{{}}}", all.join(","))).is_ok());
        all.push(format!("\"{}\":1", key(n / 2)));
        let text = format!("{{{}}}", all.join(","));
        check(&text, |kind| matches!(kind, FaultKind::DuplicateKey), text.rfind("same-head").unwrap());
    }
}

#[test]
fn navigation_reaches_below_the_index() {
    let text = r#" {"a":[{"b":{"c":{"d":[1,{"e":["x\"]}\\",{"f\n":"\u0067","g":-7,"h":18446744073709551615,"i":4.0}]}]}}}], "z" : null} "#;
    let document = parse(text).unwrap();
    let a = document.root().get("a").unwrap().elements().next().unwrap();
    let deep = a.path(&["b", "c", "d"]).unwrap().elements().nth(1).unwrap().get("e").unwrap();
    let last = deep.elements().last().unwrap();
    assert_eq!((deep.len(), last.len(), last.kind()), (2, 4, Kind::Object));
    assert_eq!(last.get("f\n").unwrap().as_str().unwrap(), "g");
    assert_eq!(last.get("g").unwrap().as_i64(), Some(-7));
    assert_eq!((last.get("g").unwrap().as_u64(), last.get("h").unwrap().as_i64()), (None, None));
    assert_eq!(last.get("h").unwrap().as_u64(), Some(u64::MAX));
    assert_eq!(last.get("h").unwrap().as_integer(), None);
    assert_eq!((last.get("i").unwrap().as_i64(), last.get("i").unwrap().as_integer()), (None, Some(4)));
    assert_eq!(last.to_bytes(), last.raw());
    assert!(document.root().get("z").unwrap().is_null() && document.root().get("y").is_none());
    assert!(document.root().get("z").unwrap().get("x").is_none());
    assert_eq!(format!("{document:?}"), format!("Document({} bytes)", text.len()));
}

#[test]
fn integers_are_exact_for_every_reader() {
    for (text, integer) in [
        ("9007199254740991", Some(9_007_199_254_740_991)),
        ("-9007199254740991", Some(-9_007_199_254_740_991)),
        ("9007199254740992", None),
        ("-9007199254740992", None),
        ("9007199254740992.0", None),
        ("-0.0", Some(0)),
        ("1.5", None),
        ("15e-1", None),
        ("150e-1", Some(15)),
        ("1e308", None),
        ("\"1\"", None),
        ("true", None),
    ] {
        assert_eq!(parse(text).unwrap().root().as_integer(), integer, "{text}");
    }
}

#[test]
fn names_that_differ_only_in_case_are_found() {
    for (text, found) in [
        (r#"{"path":1,"Path":2}"#, true),
        ("{\"\u{17f}\":1,\"S\":2}", true),
        ("{\"k\":1,\"x\":0,\"\u{212a}\":2}", true),
        ("{\"\u{3c2}\":1,\"\u{3a3}\":2}", true),
        ("{\"\u{130}d\":1,\"id\":2}", true),
        (r#"{"a":1,"b":{"a":1,"A":1}}"#, false),
        (r#"{"stra\u00dfe":1,"strasse":2}"#, false),
        ("[]", false),
    ] {
        assert_eq!(parse(text).unwrap().root().case_collision().is_some(), found, "{text}");
    }
    assert_eq!(json::fold("Stra\u{df}E \u{17f}"), "stra\u{df}e s");
}
