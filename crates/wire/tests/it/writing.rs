//! Writing and editing JSON.

use bytes::Bytes;
use portcullis_wire::json::write::{Object, push_str};
use portcullis_wire::json::{self, Document, Limits, Patch, PatchFault};

fn parse(text: &str) -> Document {
    Document::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap()
}

#[test]
fn strings_are_escaped() {
    for (text, json) in [
        ("", r#""""#),
        ("a\"b\\c/", r#""a\"b\\c/""#),
        ("\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}", "\"\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}\""),
        ("é世😀", "\"é世😀\""),
    ] {
        let mut out = Vec::new();
        push_str(&mut out, text);
        assert_eq!(std::str::from_utf8(&out).unwrap(), json);
        assert_eq!(parse(json).root().as_str().unwrap(), text);
    }
}

#[test]
fn escapes_are_decoded() {
    for (raw, text) in [
        ("", ""),
        ("plain é", "plain é"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"a\u0041\u00e9\u4E16z", "aA\u{e9}\u{4e16}z"),
        (r"\ud800\udc00\uD83D\uDE00\ud840\udc00\udbff\udfff", "\u{10000}\u{1f600}\u{20000}\u{10ffff}"),
    ] {
        assert_eq!(json::unescape(raw.as_bytes()).unwrap(), text);
    }
    assert_eq!(json::unescape(b"\xff"), None);
}

#[test]
fn objects_are_written() {
    let mut out = Vec::new();
    let mut object = Object::start(&mut out);
    object.str("a\"", "x").int("n", i64::MIN).bool("t", true);
    Object::start(object.key("o")).end();
    object.raw("r", b"[1]");
    object.end();
    assert_eq!(out, br#"{"a\"":"x","n":-9223372036854775808,"t":true,"o":{},"r":[1]}"#);
}

/// Applies edits written as `+path=json`, `-path` or `=path=json`, the path being member names.
fn check(text: &str, edits: &[&str], expected: &str) {
    let document = parse(text);
    let mut patch = Patch::new(&document);
    for edit in edits {
        let (path, json) = edit[1..].split_once('=').unwrap_or((&edit[1..], ""));
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        let parents: Vec<_> = parents.split('.').filter(|name| !name.is_empty()).collect();
        let parent = document.root().path(&parents).unwrap();
        match &edit[..1] {
            "+" => patch.set(parent, key, json.to_owned()).map(|_| ()).unwrap(),
            "-" => patch.remove(parent, key).map(|_| ()).unwrap(),
            _ => {
                patch.replace(parent.get(key).unwrap(), json.to_owned());
            }
        }
    }
    assert_eq!(std::str::from_utf8(&patch.apply()).unwrap(), expected, "{edits:?}");
}

#[test]
fn patches_keep_everything_else() {
    let text = r#" { "a" : 1 , "b":{"c" : 2,"d":3} , "e":[ 4 ] } "#;
    check(text, &[], text);
    check(text, &["=a=9"], r#" { "a" : 9 , "b":{"c" : 2,"d":3} , "e":[ 4 ] } "#);
    check(text, &["+a=9", "+f=0", "+g=0"], r#" { "a" : 9 , "b":{"c" : 2,"d":3} , "e":[ 4 ],"f":0,"g":0 } "#);
    check(text, &["-a"], r#" { "b":{"c" : 2,"d":3} , "e":[ 4 ] } "#);
    check(text, &["-b"], r#" { "a" : 1 , "e":[ 4 ] } "#);
    check(text, &["-e"], r#" { "a" : 1 , "b":{"c" : 2,"d":3} } "#);
    check(text, &["-a", "-b", "-e"], " {  } ");
    check(text, &["-a", "-b", "-e", "+n=0"], r#" {"n":0  } "#);
    check(text, &["-a", "-e", "+n=0"], r#" { "b":{"c" : 2,"d":3},"n":0 } "#);
    check(text, &["-b.c", "+b.x=1", "-a"], r#" { "b":{"d":3,"x":1} , "e":[ 4 ] } "#);
    check(text, &["+b.c=9", "=b=0"], r#" { "a" : 1 , "b":0 , "e":[ 4 ] } "#);
    check(text, &["=b=0", "+b.c=9"], r#" { "a" : 1 , "b":0 , "e":[ 4 ] } "#);
    check(text, &["-b", "+b.c=9"], r#" { "a" : 1 , "e":[ 4 ] } "#);
    check(text, &["-a", "+a=5"], r#" { "a" : 5 , "b":{"c" : 2,"d":3} , "e":[ 4 ] } "#);
    check(text, &["+a=5", "-a"], r#" { "b":{"c" : 2,"d":3} , "e":[ 4 ] } "#);
    check(text, &["+n=5", "+n=6"], r#" { "a" : 1 , "b":{"c" : 2,"d":3} , "e":[ 4 ],"n":6 } "#);
    check(text, &["+n=5", "-n", "-zz"], text);
    check(r#"{"\u0061":1}"#, &["+a=2"], r#"{"\u0061":2}"#);
    check("{}", &["+a=1", "+\"=2"], r#"{"a":1,"\"":2}"#);
}

#[test]
fn patches_edit_below_the_index_and_whole_documents() {
    let document = parse(r#"{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}"#);
    let deep = document.root().path(&["a", "b", "c", "d", "e"]).unwrap();
    let mut patch = Patch::new(&document);
    patch.set(deep, "g", "2").unwrap().remove(deep, "f").unwrap();
    assert_eq!(patch.apply(), br#"{"a":{"b":{"c":{"d":{"e":{"g":2}}}}}}"#.as_slice());
    let mut patch = Patch::new(&document);
    patch.replace(document.root(), "[]").replace(deep, "1");
    assert_eq!(patch.apply(), b"[]".as_slice());
    let list = parse("[1]");
    let mut patch = Patch::new(&list);
    assert_eq!(patch.set(list.root(), "a", "1").map(|_| ()), Err(PatchFault::NotAnObject));
    assert_eq!(patch.remove(list.root(), "a").map(|_| ()), Err(PatchFault::NotAnObject));
    assert_eq!(patch.apply().as_ptr(), list.bytes().as_ptr());
}
