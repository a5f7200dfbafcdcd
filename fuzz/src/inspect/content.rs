//! Texts of a server: what is released is strict JSON of bounded size, and inspecting it again changes nothing.

use std::sync::OnceLock;

use bytes::Bytes;
use portcullis_core::{
    Answer, Consent, Context, Surface,
    wire::{Limits, decode_one},
};
use portcullis_inspect::{Inspector, InspectorOptions, data::masked};

const SURFACES: [(Surface, &str); 4] = [
    (
        Surface::Result,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":A},{"text":B}]}}"#,
    ),
    (Surface::Resource, r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{},"contents":[{"text":A,"blob":B}]}}"#),
    (Surface::Error, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":A,"data":{"x":B}}}"#),
    (Surface::Notification, r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":[A,B]}}"#),
];

fn release(surface: Surface, bytes: Bytes) -> Option<Bytes> {
    static INSPECTOR: OnceLock<Inspector> = OnceLock::new();
    let inspector =
        INSPECTOR.get_or_init(|| Inspector::new(InspectorOptions::default()).expect("nothing is required"));
    let message = decode_one(bytes, &Limits::default()).expect("strict JSON");
    let answer = Answer { server: "s".parse().ok(), surface, message };
    let released = inspector.response(answer, None, Consent::Absent, &Context { now_ms: 0 });
    released.ok().map(|released| released.message().bytes().clone())
}

pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, second) = text.split_once('\0').unwrap_or((&text, ""));
    let quoted = |text: &str| serde_json::to_string(text).expect("a string");
    for (surface, json) in SURFACES {
        let json = json.replacen('A', &quoted(first), 1);
        let place = json.rfind('B').expect("the place of the second text");
        let json = format!("{}{}{}", &json[..place], quoted(second), &json[place + 1..]);
        let size = json.len();
        let Some(once) = release(surface, Bytes::from(json)) else { continue };
        assert!(once.len() <= 4 * size + 1024, "{size} bytes became {}", once.len());
        assert_eq!(release(surface, once.clone()).as_ref(), Some(&once), "{text:?}");
    }
    let once = masked(&text).into_owned();
    assert_eq!(masked(&once), once, "{text:?}");
}
