//! The echo tools: their listing, and the texts they return.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Above this, a filler is sent as a chunk of its own; below, one copy is cheaper than a chunk.
const LARGE: usize = 4096;
/// One escape in every 64 bytes or so, as in source code or serialized JSON that a tool returns.
const LINE: &str = r#"{\"id\": 4711, \"name\": \"benchmark\", \"ok\": true}\nthe quick brown fox jumps over the lazy dog while the gateway copies, scans and forwards these bytes\n"#;
const TAIL: &str = r#"}],"isError":false}}"#;
const LARGE_TAIL: &[u8] = b"\"}],\"isError\":false}}";

#[derive(Deserialize)]
struct CallParams<'a> {
    #[serde(borrow)]
    name: &'a str,
    #[serde(borrow, default)]
    arguments: Option<CallArguments<'a>>,
}

#[derive(Deserialize)]
struct CallArguments<'a> {
    #[serde(default)]
    size: Option<usize>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

pub(crate) struct Tools {
    names: Vec<String>,
    /// The result of `tools/list`.
    pub(crate) listing: String,
    fillers: RefCell<HashMap<usize, Bytes>>,
}

impl Tools {
    pub(crate) fn new(count: usize) -> Tools {
        let names: Vec<String> =
            (0..count.max(1)).map(|i| if i == 0 { "echo".into() } else { format!("echo_{i}") }).collect();
        let definitions: Vec<String> = names.iter().map(|name| definition(name)).collect();
        let listing = format!(
            r#"{{"resultType":"complete","tools":[{}],"ttlMs":300000,"cacheScope":"public"}}"#,
            definitions.join(",")
        );
        Tools { names, listing, fillers: RefCell::default() }
    }

    /// The whole answer to a `tools/call`, or `None` when no such tool exists.
    pub(crate) fn call(&self, id: &str, params: &str) -> Option<VecDeque<Bytes>> {
        let call = serde_json::from_str::<CallParams>(params).ok()?;
        if !self.names.iter().any(|name| name == call.name) {
            return None;
        }
        let head = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[{{"type":"text","text":"#
        );
        Some(match call.arguments.as_ref().and_then(|args| args.size) {
            Some(size) if size > LARGE => {
                [(head + "\"").into(), self.filler(size), Bytes::from_static(LARGE_TAIL)].into()
            }
            Some(size) => {
                let filler = self.filler(size);
                let filler = std::str::from_utf8(&filler).unwrap_or_default();
                [format!("{head}\"{filler}\"{TAIL}").into()].into()
            }
            None => {
                let text = call.arguments.and_then(|args| args.text).map_or("\"\"", RawValue::get);
                [format!("{head}{text}{TAIL}").into()].into()
            }
        })
    }

    /// JSON-escaped text whose decoded length is `size` bytes.
    fn filler(&self, size: usize) -> Bytes {
        self.fillers.borrow_mut().entry(size).or_insert_with(|| make_filler(size).into()).clone()
    }
}

fn make_filler(size: usize) -> String {
    let mut out = String::with_capacity(size + size / 8);
    let mut chars = LINE.chars().cycle();
    for _ in 0..size {
        let c = chars.next().unwrap_or('x');
        out.push(c);
        if c == '\\' {
            out.push(chars.next().unwrap_or('n'));
        }
    }
    out
}

fn definition(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","title":"Echo","description":"Returns the given text, or a filler text of the given size in bytes. Does not read or change anything else.","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string","description":"Text to return"}},"size":{{"type":"integer","minimum":0,"description":"Bytes of filler to return instead"}}}}}},"annotations":{{"readOnlyHint":true}}}}"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn text_of(params: &str) -> Option<String> {
        let whole: Vec<u8> = Tools::new(2).call("7", params)?.iter().flatten().copied().collect();
        let answer: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(answer.get("id"), Some(&7.into()));
        answer.pointer("/result/content/0/text")?.as_str().map(str::to_owned)
    }

    #[test]
    fn texts_have_the_size_asked_for() {
        for size in [0, 1, 100, LARGE, LARGE + 1, 10_240, 1 << 20] {
            let text = text_of(&format!(r#"{{"name":"echo_1","arguments":{{"size":{size}}}}}"#)).unwrap();
            assert_eq!(text.len(), size);
        }
    }

    #[test]
    fn texts_are_echoed_and_unknown_tools_refused() {
        let echoed = text_of(r#"{"name":"echo","arguments":{"text":"a\"b"}}"#);
        assert_eq!(echoed.as_deref(), Some("a\"b"));
        assert_eq!(text_of(r#"{"name":"echo_2"}"#), None);
    }

    #[test]
    fn the_listing_names_every_tool() {
        let listing: serde_json::Value = serde_json::from_str(&Tools::new(20).listing).unwrap();
        assert_eq!(listing.pointer("/tools/19/name"), Some(&"echo_19".into()));
    }
}
