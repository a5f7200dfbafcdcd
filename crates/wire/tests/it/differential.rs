//! Generated and damaged documents through the fuzz targets, which compare with a reference.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::targets;

/// JSON text: every type, whitespace anywhere, escapes of every kind, keys that often repeat.
fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
        Just("-0".to_owned()),
        Just("1e308".to_owned()),
        Just("1e309".to_owned()),
    ];
    let leaf = prop_oneof![select(vec!["null", "true", "false"]).prop_map(str::to_owned), number, string()];
    let tree = leaf.prop_recursive(7, 64, 12, |value| {
        let member =
            (key(), space(), value.clone()).prop_map(|(key, space, value)| format!("{key}{space}:{value}"));
        prop_oneof![
            (space(), vec(value, 0..8))
                .prop_map(|(space, items)| format!("[{space}{}]", items.join(&format!("{space},")))),
            (space(), vec(member, 0..14))
                .prop_map(|(space, items)| format!("{{{}{space}}}", items.join(&format!(",{space}")))),
        ]
    });
    // Half of them are moved below the index, where nodes are found by scanning.
    (tree, select(vec![0, 0, 0, 1, 3, 5]))
        .prop_map(|(text, levels)| format!("{}{text}{}", r#"[{"":"#.repeat(levels), "}]".repeat(levels)))
}

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", " ", "\n", "\t\r "])
}

/// Few and confusable, so that duplicates, with and without escapes, are common.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            r#""a""#,
            r#""\u0061""#,
            r#""b""#,
            r#""""#,
            r#""\/""#,
            r#""/""#,
            r#""key-0001""#,
            r#""key-0002""#
        ])
        .prop_map(str::to_owned),
        "\"[a-z]{1,20}\"",
        string(),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ !#-\\[\\]-~]{1,12}",
        "[^\u{0}-\u{1f}\"\\\\]{1,3}",
        select(vec![
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\u0041",
            "\\u00e9",
            "\\u0000",
            "\\ud83d\\ude00",
            "\\uD834\\uDD1E"
        ])
        .prop_map(str::to_owned),
    ];
    vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// A change to a byte or two, from the bytes that matter to the grammar.
fn damage() -> impl Strategy<Value = (prop::sample::Index, Option<u8>, bool)> {
    let byte = prop_oneof![
        select(b"{}[],:\"\\u/0123456789+-.eEtfn \n\t\x00\x1f\x7f\x80\xc3\xed\xa0\xff".to_vec()),
        any::<u8>()
    ];
    (any::<prop::sample::Index>(), prop::option::of(byte), any::<bool>())
}

fn damaged(mut text: Vec<u8>, changes: Vec<(prop::sample::Index, Option<u8>, bool)>) -> Vec<u8> {
    for (at, byte, insert) in changes {
        let at = at.index(text.len() + 1);
        if !insert && at < text.len() {
            text.remove(at);
        }
        if let Some(byte) = byte {
            text.insert(at, byte);
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_documents_read_alike(text in json()) {
        targets::document::check(text.as_bytes());
    }

    #[test]
    fn damaged_documents_read_alike(text in json(), changes in vec(damage(), 1..3)) {
        targets::document::check(&damaged(text.into_bytes(), changes));
    }

    #[test]
    fn patches_equal_edits_on_a_tree(edits in vec(any::<[u8; 3]>(), 0..8), text in json()) {
        let mut data = vec![edits.len() as u8];
        data.extend(edits.into_iter().flat_map(|[what, at, which]| [what, at, which % 16]));
        data.extend_from_slice(text.as_bytes());
        targets::patch::check(&data);
    }

    #[test]
    fn streams_read_alike(
        max in prop_oneof![Just(0u8), any::<u8>()],
        chunk in 1u8..40,
        stream in "(\u{FEFF})?((data|event|id|retry|other|)(:? ?)[a-z0-9:\u{0}\u{e9}]{0,12}(\r|\n|\r\n|\n\n|\r\r)){0,16}",
    ) {
        let mut data = vec![max, chunk];
        data.extend_from_slice(stream.as_bytes());
        targets::sse::check(&data);
    }

    #[test]
    fn lines_read_alike(max in 0u8..20, chunk in 1u8..40, stream in "([a-z]{0,24}(\r|\n|\r\n)){0,16}[a-z]{0,30}") {
        let mut data = vec![max, chunk];
        data.extend_from_slice(stream.as_bytes());
        targets::lines::check(&data);
    }

    #[test]
    fn header_values_survive(text in ".{0,40}") {
        targets::header::check(text.as_bytes());
    }

    #[test]
    fn messages_hold_together(
        id in prop_oneof![Just(String::new()), Just(r#""id":null,"#.to_owned()), string().prop_map(|id| format!("\"id\":{id},")), "\"id\":-?[0-9]{1,21},"],
        body in prop_oneof![
            json().prop_map(|json| format!(r#""method":"tools/call","params":{json}"#)),
            json().prop_map(|json| format!(r#""params":{{"name":{json},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}},"method":"tools\/call""#)),
            (string(), json()).prop_map(|(method, json)| format!(r#""method":{method},"x":{json}"#)),
            json().prop_map(|json| format!(r#""result":{json}"#)),
            json().prop_map(|json| format!(r#""error":{{"code":-1,"message":"m","data":{json}}}"#)),
        ],
        changes in vec(damage(), 0..2),
    ) {
        let text = format!(r#"{{"jsonrpc":"2.0",{id}{body}}}"#);
        targets::decode::check(&damaged(text.into_bytes(), changes));
    }
}
