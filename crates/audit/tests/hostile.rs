//! Whatever a peer puts into a record, the log stays one JSON object a line.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod common;

use std::sync::Arc;

use common::{allowed, recorder, refused};
use portcullis_audit::{EventKind, MemorySink};
use portcullis_core::{Decision, DecisionRecord, Grant, Outcome, Principal, PrincipalKind};
use proptest::prelude::*;

/// Text with everything that could end a string, a line or a file.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("\n{\"v\":1}\r\n".to_owned()),
        Just("\u{2028}\u{2029}\u{feff}\u{202e}\u{e0041}".to_owned()),
        Just("\\ud800".to_owned()),
        "[\\x00-\\x1f\\x7f]{1,4}",
        any::<String>(),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn with(mut record: DecisionRecord, text: &str) -> DecisionRecord {
    let caller = Arc::make_mut(record.caller.as_mut().unwrap());
    caller.tenant = Some(text.into());
    caller.actor = Some(Principal { kind: PrincipalKind::Dev, id: text.into() });
    caller.grant = Some(Arc::new(Grant {
        issuer: text.into(),
        client: Some(text.into()),
        scopes: std::iter::repeat_n(Arc::from(text), 100).collect(),
        details: portcullis_core::Details::default(),
        token_id: Some(text.into()),
        token: None,
    }));
    record.method = Some(text.into());
    record.item = Some(text.into());
    record.trace_id = Some(text.into());
    record
}

proptest! {
    #[test]
    fn each_line_is_one_object_that_says_what_was_recorded(text in hostile()) {
        let sink = Arc::new(MemorySink::new());
        let recorder = recorder(sink.clone());
        let mut record = with(allowed(), &text);
        record.decision = Decision::Allow { policies: [text.as_str().into()].into() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ticket = runtime.block_on(recorder.open(record)).unwrap();
        let _ = ticket.close(Outcome::Unknown, 0, Some(text.clone()));
        let _ = recorder.refuse(with(refused(&text), &text)).unwrap();
        recorder.event(EventKind::Degraded, Some(text.clone()), text.clone()).unwrap();
        for line in sink.lines() {
            prop_assert!(!line.contains(&b'\n'));
            prop_assert!(std::str::from_utf8(&line).is_ok());
        }
        let records = sink.records();
        prop_assert_eq!(records.len(), 4);
        let cut = text.len() > 256;
        prop_assert!(cut || records[0]["item"] == text.as_str());
        prop_assert!(cut || records[0]["caller"]["actor"]["id"] == text.as_str());
        prop_assert!(cut || records[0]["caller"]["grant"]["client"] == text.as_str());
        prop_assert_eq!(records[0]["caller"]["grant"]["scopes"].as_array().unwrap().len(), 64);
        prop_assert!(cut || records[0]["decision"]["policies"][0] == text.as_str());
        prop_assert!(cut || records[1]["detail"] == text.as_str());
        prop_assert!(cut || records[2]["decision"]["detail"] == text.as_str());
        prop_assert!(cut || records[3]["subject"] == text.as_str());
        for (number, record) in (1..).zip(&records) {
            prop_assert_eq!(&record["v"], 1);
            prop_assert_eq!(&record["seq"], number);
        }
    }
}
