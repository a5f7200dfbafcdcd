//! Every limit holds, to the byte, and no input makes the walk slow.

use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis_wire::json::{Document, FaultKind, Limits};

fn check(text: &str, limits: Limits, expected: Option<(FaultKind, usize)>) {
    let got = Document::parse(Bytes::copy_from_slice(text.as_bytes()), &limits).err();
    assert_eq!(got.map(|fault| (fault.kind, fault.at)), expected, "`{text}` with {limits:?}");
}

#[test]
fn limits_are_inclusive() {
    let base = Limits::default();
    let bytes = |max_bytes| Limits { max_bytes, ..base };
    check("[1,2]", bytes(5), None);
    check("[1,2]", bytes(4), Some((FaultKind::TooLong, 4)));

    let depth = |max_depth| Limits { max_depth, ..base };
    check("1", depth(0), None);
    check("[]", depth(0), Some((FaultKind::TooDeep, 0)));
    check("[[{}]]", depth(3), None);
    check("[[{}]]", depth(2), Some((FaultKind::TooDeep, 2)));
    check("[[],[],[{}]]", depth(2), Some((FaultKind::TooDeep, 8)));

    let string = |max_string| Limits { max_string, ..base };
    check(r#"{"abc":"\n\n"}"#, string(4), None);
    check(r#"{"abc":"\n\n"}"#, string(3), Some((FaultKind::StringTooLong, 7)));
    check(r#"{"abc":"\n\n"}"#, string(2), Some((FaultKind::StringTooLong, 1)));

    let members = |max_members| Limits { max_members, ..base };
    check(r#"[1,{"a":1,"b":2}]"#, members(2), None);
    check(r#"[1,{"a":1,"b":2}]"#, members(1), Some((FaultKind::TooManyMembers, 3)));
    check(r#"{"a":1,"b":2}"#, members(1), Some((FaultKind::TooManyMembers, 7)));
    check("[1,2,3]", members(2), Some((FaultKind::TooManyMembers, 5)));

    let nodes = |max_nodes| Limits { max_nodes, ..base };
    check(r#"[1,{"a":1}]"#, nodes(4), None);
    check(r#"[1,{"a":1}]"#, nodes(3), Some((FaultKind::TooManyNodes, 8)));
}

/// A million levels neither overflow the stack nor take memory beyond the limit.
#[test]
fn depth_needs_no_stack() {
    let levels = 1_000_000;
    let limits = Limits { max_depth: u16::MAX, ..Limits::default() };
    check_deep("[", "]", levels, &Limits::default(), 64);
    check_deep("[", "]", levels, &limits, usize::from(u16::MAX));
    let text = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    let document = Document::parse(text.into(), &limits).unwrap();
    let mut node = document.root();
    let mut depth = 0;
    while let Some(inner) = node.elements().next() {
        (node, depth) = (inner, depth + 1);
        if depth == 50 {
            break;
        }
    }
    assert_eq!(node.raw().len(), 2 * (60_000 - 50));
}

fn check_deep(open: &str, close: &str, levels: usize, limits: &Limits, stops_at: usize) {
    let text = format!("{}{}", open.repeat(levels), close.repeat(levels));
    let fault = Document::parse(text.into(), limits).unwrap_err();
    assert_eq!((fault.kind, fault.at), (FaultKind::TooDeep, stops_at * open.len()));
}

/// Shapes that are quadratic for a careless reader. The bound is generous: what is quadratic takes minutes.
#[test]
fn no_shape_is_slow() {
    let limits = Limits {
        max_bytes: usize::MAX,
        max_string: usize::MAX,
        max_members: u32::MAX,
        max_nodes: u32::MAX,
        max_depth: u16::MAX,
    };
    let object = |keys: Vec<String>| {
        format!("{{{}}}", keys.iter().map(|k| format!("\"{k}\":0")).collect::<Vec<_>>().join(","))
    };
    let shapes: Vec<(&str, String)> = vec![
        ("keys with equal digests", object((0..60_000).map(|i| format!("aaaaaaaa{i:08}bbbbbbbb")).collect())),
        ("keys with escapes", object((0..60_000).map(|i| format!(r"\u0061aaaaaaa{i:08}bbbbbbbb")).collect())),
        (
            "long keys that differ in the middle",
            object((0..2_000).map(|i| format!("{}{i:08}{}", "a".repeat(300), "b".repeat(300))).collect()),
        ),
        ("escapes only", format!("\"{}\"", r"\u0000".repeat(300_000))),
        ("many small objects in one", object((0..200_000).map(|i| i.to_string()).collect())),
        ("long numbers", format!("[{}]", vec!["1".repeat(128); 10_000].join(","))),
        (
            "long fractions with exponents",
            format!("[{}]", vec![format!("0.{}e-300", "7".repeat(120)); 10_000].join(",")),
        ),
        ("whitespace", format!("[{}]", " ".repeat(2_000_000))),
    ];
    for (name, text) in shapes {
        let start = Instant::now();
        assert!(Document::parse(text.into(), &limits).is_ok(), "{name}");
        assert!(start.elapsed() < Duration::from_secs(20), "{name} took {:?}", start.elapsed());
    }
}
