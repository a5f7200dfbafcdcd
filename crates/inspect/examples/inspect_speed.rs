//! What inspection costs: `cargo run --release -p portcullis-inspect --example inspect_speed [PART OF A NAME]`.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a measurement run by hand")]

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use portcullis_core::{
    Answer, AuthMethod, Call, Caller, Channel, Consent, Context, Item, Principal, PrincipalKind, Surface,
    Target,
    wire::{Message, Request, Version, decode_one},
};
use portcullis_inspect::{
    Inspected, Inspector, InspectorOptions, ToolSchema,
    detect::{Action, ContentPolicy, SurfacePolicy, TextSurface},
};

const CX: Context = Context { now_ms: 0 };

/// Best of fifty runs, in nanoseconds for each operation. Runs are kept short, so that on a busy machine
/// some of them are not interrupted.
fn measure(name: &str, times: u32, mut operation: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|part| !name.contains(&part)) {
        return;
    }
    let mut best = f64::INFINITY;
    for _ in 0..50 {
        let start = Instant::now();
        for _ in 0..times {
            operation();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(times));
    }
    println!("{name:<52} {best:>12.0} ns");
}

fn call(request: Request) -> Call {
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "u".into() };
    Call {
        caller: Caller { principal, actor: None, tenant: None, method: AuthMethod::StdioPeer, grant: None },
        channel: Channel::Stdio,
        peer: None,
        endpoint: None,
        version: Version::LATEST,
        request,
        target: Target { server: None, item: Item::Tool("t".into()), definition: None },
        put_back: None,
    }
}

const SCHEMA: &[u8] = br#"{"type":"object","properties":{"path":{"type":"string","pattern":"^/[A-Za-z0-9_./-]{1,200}$"},
    "content":{"type":"string"},"mode":{"enum":["create","append","replace"]},"limit":{"type":"integer","minimum":0}},
    "required":["path","content"],"additionalProperties":false}"#;

fn requests(inspector: &Inspector, schema: &ToolSchema) {
    for (name, content) in [("100 B", 10), ("1 KB", 930), ("10 KB", 10_150), ("100 KB", 102_300)] {
        let arguments = format!(
            r#"{{"path":"/srv/notes/today.md","content":"{}","mode":"append","limit":7}}"#,
            "lorem ipsum ".repeat(1 + content / 12)
        );
        let raw: Bytes =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#).into();
        let limits = inspector.limits().request;
        let Ok(Message::Request(request)) = decode_one(raw.clone(), &limits) else { panic!("not a request") };
        let mut held = Some(call(request));
        let times = 200_000 / (200 + u32::try_from(content).unwrap());
        measure(&format!("request(), {name} arguments"), times, || {
            let subject = held.take().unwrap();
            let Ok(Inspected::Cleared(cleared)) =
                inspector.request(subject, Some(schema), Consent::Absent, &CX)
            else {
                panic!("refused")
            };
            held = Some(black_box(cleared).into_inner());
        });
        measure("  decode of the same", times, || {
            drop(black_box(decode_one(raw.clone(), &limits)));
        });
    }
}

fn responses(inspector: &Inspector) {
    let limits = inspector.limits().response;
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(1 << 20 >> 6);
    let one =
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#);
    let row = r#"{"id":17,"name":"lorem","tags":["a","b"],"ok":true}"#;
    let rows = vec![row; (1 << 20) / row.len()].join(",");
    let many = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"structuredContent":{{"rows":[{rows}]}}}}}}"#);
    for (name, json) in [("one text", one), ("20,000 rows", many)] {
        let raw = Bytes::from(json);
        let label = format!("response(), {} KiB in {name}, decode included", raw.len() >> 10);
        measure(&label, 2, || {
            let message = decode_one(raw.clone(), &limits).unwrap();
            let answer = Answer { server: None, surface: Surface::Result, message };
            black_box(inspector.response(answer, None, Consent::Absent, &CX).unwrap());
        });
    }
    let small = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    let mut held = Some(decode_one(small, &limits).unwrap());
    measure("response() without the decode", 10_000, || {
        let answer = Answer { server: None, surface: Surface::Result, message: held.take().unwrap() };
        held =
            Some(black_box(inspector.response(answer, None, Consent::Absent, &CX).unwrap()).into_message());
    });
}

const GREEK: &str = "Η αναφορά του τριμήνου είναι έτοιμη και μπορεί να σταλεί στους συνεργάτες. ";
const JAPANESE: &str = "四半期の報告書ができましたので、関係者に送ることができます。";

fn of_size(text: &str, bytes: usize) -> String {
    text.repeat(1 + bytes / text.len())
}

/// What looking at the text of an answer of a server adds: prose, the rows of a table, and other alphabets.
fn texts(inspector: &Inspector, off: &Inspector) {
    const PROSE: &str =
        concat!(include_str!("../../../docs/egress.md"), include_str!("../../../docs/audit.md"));
    let row = r#"{"id":17,"title":"Quarterly report","owner":"finance","tags":["a","b"],"done":true}"#;
    for size in [1 << 10, 10 << 10] {
        let prose: String = PROSE.chars().filter(|c| !matches!(c, '"' | '\\' | '\n')).take(size).collect();
        let rows = vec![row; size / row.len()].join(",");
        let answers = [
            ("prose", format!(r#"{{"content":[{{"type":"text","text":"{prose}"}}]}}"#)),
            ("rows", format!(r#"{{"structuredContent":{{"rows":[{rows}]}}}}"#)),
            ("Greek", format!(r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#, of_size(GREEK, size))),
            (
                "Japanese",
                format!(r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#, of_size(JAPANESE, size)),
            ),
        ];
        for (name, result) in answers {
            let raw = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
            for (how, inspector) in [("", inspector), ("  with detection off", off)] {
                let message = decode_one(raw.clone(), &inspector.limits().response).unwrap();
                let server = "srv".parse().ok();
                let mut held = Some(message);
                measure(&format!("response(), {} KiB of {name}{how}", size >> 10), 200, || {
                    let answer = Answer {
                        server: server.clone(),
                        surface: Surface::Result,
                        message: held.take().unwrap(),
                    };
                    held = Some(
                        black_box(inspector.response(answer, None, Consent::Absent, &CX).unwrap())
                            .into_message(),
                    );
                });
            }
        }
    }
}

fn nothing_found() -> ContentPolicy {
    let pass = Action::Pass;
    let row = SurfacePolicy { unusual: pass, suspicious: pass, attack: pass, hidden: pass };
    TextSurface::ALL.into_iter().fold(ContentPolicy::default(), |policy, surface| policy.with(surface, row))
}

fn schemas() {
    measure("ToolSchema::compile, 400 B schema with a pattern", 20, || {
        drop(black_box(ToolSchema::compile(SCHEMA)));
    });
    let doubling: String = (0..30)
        .map(|at| {
            format!(r##","d{at}":{{"allOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}}"##, at + 1)
        })
        .collect();
    let bomb = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{"d30":{{}}{doubling}}}}}"##);
    measure("ToolSchema::compile, 2^30 bomb refused", 20, || {
        drop(black_box(ToolSchema::compile(bomb.as_bytes())));
    });
    let unruly = br#"{"properties":{"a":{"pattern":"^(?:[ab]*a[ab]{1500}c|x)$"}}}"#;
    let unruly = ToolSchema::compile(unruly).unwrap();
    let mut state = 12_345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 0 { 'a' } else { 'b' }
    };
    let text = format!(r#"{{"a":"{}"}}"#, (0..1_000_000).map(|_| next()).collect::<String>());
    measure("validate(), 1 MB against a hostile pattern, refused", 1, || {
        drop(black_box(unruly.validate(Some(text.as_bytes()))));
    });
}

fn main() {
    let inspector = Inspector::new(InspectorOptions::default()).unwrap();
    let schema = ToolSchema::compile(SCHEMA).unwrap();
    requests(&inspector, &schema);
    responses(&inspector);
    let off = InspectorOptions { content: nothing_found(), ..InspectorOptions::default() };
    texts(&inspector, &Inspector::new(off).unwrap());
    schemas();
}
