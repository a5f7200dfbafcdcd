//! Prints how fast the strict walk, the indexed document and a full decode go, in MB/s.
//!
//! `cargo run --release -p portcullis-wire --example walk_speed`

#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis_wire::json::{self, Document, Limits};

/// One line of a tool result: text with an escape every few bytes, then a long stretch without.
const LINE: &str = r#"{\"id\": 4711, \"name\": \"benchmark\", \"ok\": true}\nthe quick brown fox jumps over the lazy dog while the gateway copies, scans and forwards these bytes\n"#;
const TOOL: &str = r#"{"name":"echo","title":"Echo","description":"Returns the given text, or a filler text of the given size in bytes.","inputSchema":{"type":"object","properties":{"text":{"type":"string","description":"Text to return"},"size":{"type":"integer","minimum":0}}},"annotations":{"readOnlyHint":true}}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello, world"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"probe","version":"1.0"}}}}"#;

fn main() {
    println!("{:<30} {:>9} {:>10} {:>10} {:>10}", "document", "bytes", "walk", "document", "decode");
    for (name, text) in samples() {
        let bytes = Bytes::from(text);
        let limits = Limits { max_bytes: bytes.len(), max_string: bytes.len(), ..Limits::default() };
        let walk = rate(&bytes, || json::walk(black_box(&bytes), &limits, &mut ()).is_ok());
        let document = rate(&bytes, || Document::parse(black_box(&bytes).clone(), &limits).is_ok());
        let decode = rate(&bytes, || portcullis_wire::decode_one(black_box(&bytes).clone(), &limits).is_ok());
        println!("{name:<30} {:>9} {walk:>10.0} {document:>10.0} {decode:>10.0}", bytes.len());
    }
}

fn samples() -> Vec<(&'static str, String)> {
    let text = |filler: String| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{filler}"}}]}}}}"#)
    };
    let list = |tools: usize| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, vec![TOOL; tools].join(","))
    };
    let small = (0..180).map(|i| format!(r#"{{"id":{i},"name":"item-{i}","ok":true,"at":[1.5,-2]}}"#));
    vec![
        ("1 MB text, escape per 16-100 B", text(LINE.repeat(1_000_000 / LINE.len()))),
        ("1 MB text, escape per 64 B", text(format!(r"{}\n", "x".repeat(62)).repeat(1_000_000 / 64))),
        ("1 MB text, no escape", text("x".repeat(1_000_000))),
        ("1 MB text, all escapes", text(r"\n".repeat(500_000))),
        ("1 MB text, no ASCII", text("日本語".repeat(111_111))),
        ("10 KB text", text(LINE.repeat(10_000 / LINE.len()))),
        (
            "10 KB small objects",
            text(String::new()).replace(r#"{"type":"text","text":""}"#, &small.collect::<Vec<_>>().join(",")),
        ),
        ("tools/list, 100 tools", list(100)),
        ("tools/call", CALL.to_owned()),
        (
            "object with 10,000 keys",
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"result":{{{}}}}}"#,
                (0..10_000).map(|i| format!(r#""key{i}":{i}"#)).collect::<Vec<_>>().join(",")
            ),
        ),
    ]
}

/// Best of many short rounds, in MB (10⁶ bytes) per second: on a busy machine some fit between interruptions.
fn rate(bytes: &[u8], mut work: impl FnMut() -> bool) -> f64 {
    let rounds = (200_000 / bytes.len()).max(1);
    let once = |work: &mut dyn FnMut() -> bool| {
        let start = Instant::now();
        for _ in 0..rounds {
            assert!(work(), "the sample is not valid");
        }
        start.elapsed()
    };
    let best = (0..500).map(|_| once(&mut work)).min().unwrap_or(Duration::MAX);
    (rounds * bytes.len()) as f64 / best.as_secs_f64() / 1e6
}
