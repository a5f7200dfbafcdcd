//! Decisions before outcomes, proofs that mean something, refusals when nothing can be recorded.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod common;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use common::{NOW_MS, allowed, recorder, recorder_with, refused};
use portcullis_audit::{
    Digests, EventKind, MemorySink, Recorder, RecorderError, RecorderOptions, Ticket, WithSpare,
};
use portcullis_core::{
    Channel, ControlId, ControlRun, DecisionRecord, Digest, FakeClock, Outcome, Refusal, RefusalKind,
};
use serde_json::{Value, json};

fn memory() -> (Arc<MemorySink>, Recorder) {
    let sink = Arc::new(MemorySink::new());
    (sink.clone(), recorder(sink))
}

fn assert_unavailable(refusal: &Refusal) {
    assert_eq!(refusal.kind(), RefusalKind::RecordUnavailable);
    assert_eq!(refusal.control(), Some(ControlId::Log01));
    assert!(refusal.detail().contains("disk on fire") && !refusal.public().contains("fire"), "{refusal:?}");
}

#[tokio::test]
async fn a_decision_precedes_its_outcome_and_the_outcome_names_it() {
    let (sink, recorder) = memory();
    let ticket = recorder.open(allowed()).await.unwrap();
    let id = ticket.record_id().to_string();
    assert_eq!(sink.records().len(), 1, "the decision is there before the ticket is");
    let receipt = ticket.settle(Outcome::Completed, 42, None).await.unwrap();
    assert_eq!(receipt.record_id().to_string(), id);
    let records = sink.records();
    assert_eq!(records.len(), 2);
    assert_eq!((&records[0]["type"], &records[0]["id"]), (&json!("decision"), &json!(id)));
    assert_eq!((&records[1]["type"], &records[1]["decision"]), (&json!("outcome"), &json!(id)));
    assert_eq!((&records[1]["outcome"], &records[1]["response_bytes"]), (&json!("completed"), &json!(42)));
    assert_eq!((&records[0]["seq"], &records[1]["seq"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn every_member_is_written_and_what_is_absent_is_null() {
    let (sink, recorder) = memory();
    let ticket = recorder.open(allowed()).await.unwrap();
    let (id, run) = (ticket.record_id().to_string(), recorder.run().to_owned());
    assert!(run.starts_with("node-1a202c080ca-") && run.len() == 21, "{run}");
    let digest = |of: &[u8]| Digest::of(of).to_string();
    let expected = [
        format!(r#"{{"v":1,"id":"{id}","time":"2026-11-22T10:15:00.042Z","seq":1,"type":"decision","#),
        r#""channel":"stdio","caller":{"principal":{"kind":"local-user","id":"uid:1000"},"actor":null,"#
            .into(),
        r#""tenant":null,"method":"stdio-peer","grant":null},"endpoint":null,"version":"2026-07-28","#.into(),
        r#""method":"tools/call","server":"notes","item_kind":"Tool","item":"read_file","#.into(),
        format!(r#""definition":"{}","request":"{}","#, digest(b"definition"), digest(b"request")),
        format!(r#""request_bytes":17,"trace_id":null,"policy":"{}","config":null,"#, digest(b"policy")),
        r#""controls_digest":null,"controls":[{"control":"AZ-01","state":"ran"},"#.into(),
        r#"{"control":"TI-03","state":"skipped","reason":"no arguments"}],"#.into(),
        r#""context":{"peer":null,"session":null,"catalogue":null,"parent_span":null,"span":null,"#.into(),
        r#""attestation":{"state":"not-available","reason":"runtimes are not attested"},"sandbox":null,"#
            .into(),
        r#""labels":[],"conduct":null,"approved":null,"cache":null,"boundary":null},"#.into(),
        r#""decision":{"verdict":"allow","policies":["p1"]}}"#.into(),
    ];
    assert_eq!(String::from_utf8(sink.lines()[0].clone()).unwrap(), expected.concat());
    assert_eq!(id, format!("{run}-1"));
}

#[tokio::test]
async fn nothing_is_allowed_that_cannot_be_recorded() {
    let (sink, recorder) = memory();
    sink.fail("disk on fire");
    assert_unavailable(&recorder.open(allowed()).await.unwrap_err());
    assert_unavailable(&recorder.refuse(refused("no")).unwrap_err());
    assert_unavailable(&recorder.event(EventKind::Degraded, None, "x".into()).unwrap_err());
    assert_unavailable(&recorder.event_durable(EventKind::Started, None, "x".into()).await.unwrap_err());
    assert_eq!(sink.records(), Vec::<Value>::new());
    assert_eq!(recorder.metrics().unrecorded.get(), 2);
    sink.recover();
    let _ = recorder.open(allowed()).await.unwrap().close(Outcome::Completed, 0, None);
    assert_eq!(sink.records().len(), 2);
}

#[tokio::test]
async fn a_ticket_waits_for_durability() {
    let (sink, recorder) = memory();
    sink.stall();
    let mut opening = pin!(recorder.open(allowed()));
    assert!(opening.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(sink.records().len(), 1, "queued");
    sink.release();
    let ticket = opening.await.unwrap();
    let _ = ticket.close(Outcome::Completed, 0, None);
}

#[tokio::test]
async fn a_decision_that_fails_late_leaves_no_outcome() {
    let (sink, recorder) = memory();
    sink.stall();
    let mut opening = pin!(recorder.open(allowed()));
    assert!(opening.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    sink.fail("disk on fire");
    assert_unavailable(&opening.await.unwrap_err());
    assert_eq!(sink.records().len(), 1);
}

#[tokio::test]
async fn a_call_let_go_is_abandoned() {
    let (sink, recorder) = memory();
    drop(recorder.open(allowed()).await.unwrap());
    // Given up while it waits: never dispatched, and the log says so.
    sink.stall();
    {
        let mut opening = pin!(recorder.open(allowed()));
        assert!(opening.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let records = sink.records();
    let outcomes: Vec<_> = records.iter().filter(|r| r["type"] == "outcome").collect();
    assert_eq!(outcomes.len(), 2);
    for (outcome, (decision, detail)) in
        outcomes.iter().zip([(1, "without an outcome"), (3, "before it was dispatched")])
    {
        assert_eq!(outcome["outcome"], "abandoned");
        assert_eq!(outcome["decision"], format!("{}-{decision}", recorder.run()));
        assert!(outcome["detail"].as_str().unwrap().contains(detail), "{outcome}");
    }
    assert_eq!(recorder.metrics().abandoned.get(), 2);
}

/// Opens a call, breaks the log, and ends the call with `end`.
async fn with_failed_outcome<T>(withhold: bool, end: impl AsyncFnOnce(Ticket) -> T) -> (Recorder, T) {
    let sink = Arc::new(MemorySink::new());
    let options = RecorderOptions { withhold_on_failed_outcome: withhold, ..RecorderOptions::new("node") };
    let recorder = recorder_with(sink.clone(), options);
    let ticket = recorder.open(allowed()).await.unwrap();
    sink.fail("disk on fire");
    let ended = end(ticket).await;
    assert_eq!(recorder.metrics().outcomes_lost.get(), 1);
    assert_eq!(sink.records().len(), 1);
    (recorder, ended)
}

#[tokio::test]
async fn configuration_decides_whether_a_lost_outcome_withholds_the_answer() {
    let (recorder, settled) =
        with_failed_outcome(true, async |ticket: Ticket| ticket.settle(Outcome::Completed, 1, None).await)
            .await;
    let refusal = settled.unwrap_err();
    assert_unavailable(&refusal);
    assert_eq!(refusal.record().unwrap().to_string(), format!("{}-1", recorder.run()));
    let (_, settled) =
        with_failed_outcome(false, async |ticket: Ticket| ticket.settle(Outcome::Completed, 1, None).await)
            .await;
    assert!(settled.is_ok());
    let (_, closed) = with_failed_outcome(false, async |ticket: Ticket| {
        ticket.close_durable(Outcome::Completed, 1, None).await
    })
    .await;
    assert_unavailable(&closed.unwrap_err());
    with_failed_outcome(true, async |ticket: Ticket| drop(ticket)).await;
}

#[tokio::test]
async fn a_durable_outcome_waits() {
    let (sink, recorder) = memory();
    let ticket = recorder.open(allowed()).await.unwrap();
    sink.stall();
    let mut closing = pin!(ticket.close_durable(Outcome::Unknown, 0, Some("broke off".into())));
    assert!(closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    sink.release();
    let _ = closing.await.unwrap();
    assert_eq!(sink.records()[1]["detail"], "broke off");
}

#[tokio::test]
async fn a_decision_is_recorded_as_what_it_is() {
    let (sink, recorder) = memory();
    assert_eq!(recorder.open(refused("no")).await.unwrap_err().kind(), RefusalKind::Internal);
    assert_eq!(recorder.refuse(allowed()).unwrap_err().kind(), RefusalKind::Internal);
    assert_eq!(sink.records(), Vec::<Value>::new());
    let receipt = recorder.refuse(refused("rule 7")).unwrap();
    let record = &sink.records()[0];
    assert_eq!(record["id"], receipt.record_id().to_string());
    let expected = json!({"verdict": "refuse", "kind": "denied", "control": "AZ-01", "detail": "rule 7"});
    assert_eq!(record["decision"], expected);
}

#[tokio::test]
async fn refusals_under_flood_are_counted_and_each_receipt_names_a_record() {
    let sink = Arc::new(MemorySink::new());
    let clock = Arc::new(FakeClock::at(NOW_MS));
    let options = RecorderOptions { full_refusals_per_second: 3, ..RecorderOptions::new("node") };
    let recorder = Recorder::new(sink.clone(), clock.clone(), options, Digests::default()).unwrap();
    let receipts: Vec<_> = (0..1_000).map(|n| recorder.refuse(refused(&n.to_string())).unwrap()).collect();
    let records = sink.records();
    assert_eq!(records.len(), 4, "three in full, and the announcement");
    assert_eq!(records[3]["event"], "refusal-summary-begins");
    for (n, receipt) in receipts.iter().enumerate() {
        assert_eq!(receipt.record_id().to_string(), records[n.min(3)]["id"].as_str().unwrap());
    }
    clock.advance_ms(999);
    let _ = recorder.refuse(refused("same second")).unwrap();
    assert_eq!(sink.records().len(), 4);
    clock.advance_ms(1);
    let ticket = recorder.open(allowed()).await.unwrap();
    let _ = ticket.close(Outcome::Completed, 0, None);
    let records = sink.records();
    assert_eq!(records[4]["event"], "refusal-summary");
    assert_eq!(records[4]["subject"], records[3]["id"]);
    assert_eq!(records[4]["detail"], "denied by AZ-01: 998");
    assert_eq!((recorder.metrics().refusals.get(), recorder.metrics().summarised.get()), (3, 998));
    // The next second starts afresh, and what it counts is written at the end at the latest.
    for _ in 0..5 {
        let _ = recorder.refuse(refused("again")).unwrap();
    }
    recorder.event_durable(EventKind::Stopped, None, "asked to".into()).await.unwrap();
    let records = sink.records();
    let tail: Vec<_> = records[7..].iter().map(|r| r["event"].as_str().unwrap_or("decision")).collect();
    assert_eq!(
        tail,
        ["decision", "decision", "decision", "refusal-summary-begins", "refusal-summary", "stopped"]
    );
    assert_eq!(records[11]["detail"], "denied by AZ-01: 2");
}

/// A server's attempt to get out that was refused.
fn on_the_way_out(server: &str, item: &str) -> DecisionRecord {
    let (channel, caller, item) = (Channel::Egress, None, Some(item.into()));
    DecisionRecord { channel, caller, item, server: server.parse().ok(), ..refused("no rule allows it") }
}

#[tokio::test]
async fn a_server_that_hammers_its_way_out_costs_no_caller_a_record() {
    let sink = Arc::new(MemorySink::new());
    let clock = Arc::new(FakeClock::at(NOW_MS));
    let options = RecorderOptions {
        full_refusals_per_second: 2,
        full_egress_refusals: 3,
        ..RecorderOptions::new("node")
    };
    let recorder = Recorder::new(sink.clone(), clock.clone(), options, Digests::default()).unwrap();
    for n in 0..5_000 {
        let _ = recorder.refuse(on_the_way_out("hostile", &n.to_string())).unwrap();
    }
    assert_eq!(sink.records().len(), 4, "three in full, and the announcement");
    assert_eq!(sink.records()[3]["subject"], "hostile");
    // Neither callers nor other servers have lost anything.
    for (record, index) in [(refused("no"), 4), (on_the_way_out("other", "a"), 5), (refused("no"), 6)] {
        let receipt = recorder.refuse(record).unwrap();
        assert_eq!(receipt.record_id().to_string(), sink.records()[index]["id"].as_str().unwrap());
        assert_eq!(sink.records()[index]["decision"]["verdict"], "refuse");
    }
    // A second is no new budget for the server, and ten are.
    clock.advance_ms(1_000);
    let _ = recorder.refuse(on_the_way_out("hostile", "again")).unwrap();
    assert_eq!(sink.records().len(), 7);
    clock.advance_ms(9_000);
    let _ = recorder.refuse(on_the_way_out("hostile", "again")).unwrap();
    let records = sink.records();
    assert_eq!(records[7]["event"], "refusal-summary");
    assert_eq!(
        (&records[7]["subject"], &records[7]["detail"]),
        (&records[3]["id"], &json!("denied by AZ-01: 4998"))
    );
    assert_eq!((&records[8]["server"], records.len()), (&json!("hostile"), 9));
}

#[tokio::test]
async fn what_is_in_force_is_filled_in_and_what_is_stated_stays() {
    let (sink, recorder) = memory();
    let own = Digest::of(b"the snapshot this call was decided under");
    recorder.set_digests(Digests {
        policy: Some(Digest::of(b"new")),
        config: Some(Digest::of(b"c")),
        controls: None,
    });
    let record = portcullis_core::DecisionRecord { policy: Some(own), ..allowed() };
    let _ = recorder.open(record).await.unwrap().close(Outcome::Completed, 0, None);
    let record = &sink.records()[0];
    assert_eq!(record["policy"], own.to_string());
    assert_eq!(record["config"], Digest::of(b"c").to_string());
    assert_eq!(record["controls_digest"], Value::Null);
}

#[tokio::test]
async fn a_peer_does_not_decide_how_much_is_written() {
    let (sink, recorder) = memory();
    let long: Arc<str> = "x".repeat(1 << 20).into();
    let mut record = allowed();
    record.item = Some(long.clone());
    record.method = Some(long.clone());
    record.trace_id = Some(long.clone());
    Arc::make_mut(record.caller.as_mut().unwrap()).principal.id = long.clone();
    Arc::make_mut(record.caller.as_mut().unwrap()).tenant = Some(long.clone());
    let wordy = |run: &ControlRun| ControlRun { reason: Some(long.to_string().into()), ..run.clone() };
    record.controls = record.controls.iter().map(wordy).collect();
    let _ = recorder.open(record).await.unwrap().close(Outcome::Unknown, 0, Some(long.to_string()));
    let _ = recorder.refuse(refused(&long)).unwrap();
    assert!(sink.lines().iter().all(|line| line.len() < 16 * 1_024));
    let item = sink.records()[0]["item"].as_str().unwrap().to_owned();
    assert!(item.ends_with(&format!("…[{} bytes more]", (1 << 20) - 1_024)), "{}", item.len());
    // Only the configuration can make a record too long, and then nothing happens without it.
    let mut record = allowed();
    record.decision = portcullis_core::Decision::Allow { policies: [long].into() };
    assert_eq!(recorder.open(record).await.unwrap_err().kind(), RefusalKind::RecordUnavailable);
    assert_eq!(sink.records().len(), 3);
}

#[test]
fn node_names_are_plain() {
    for (node, allowed) in
        [("node-1.eu_west", true), ("", false), ("Node", false), ("a\"b", false), (&"x".repeat(65), false)]
    {
        let made = Recorder::new(
            Arc::new(MemorySink::new()),
            Arc::new(FakeClock::at(0)),
            RecorderOptions::new(node),
            Digests::default(),
        );
        assert_eq!(made.is_ok(), allowed, "{node}");
        assert!(matches!(made, Ok(_) | Err(RecorderError::Node(_))));
    }
}

#[tokio::test]
async fn a_receipt_of_a_record_in_the_spare_names_no_log() {
    let (first, spare) = (Arc::new(MemorySink::new()), Arc::new(MemorySink::new()));
    let clock = Arc::new(FakeClock::at(NOW_MS));
    let longest = Duration::from_secs(600);
    let log = WithSpare::new(first.clone(), spare.clone(), "spare.jsonl".into(), longest, clock.clone());
    let options =
        RecorderOptions { log_origin: Some("example.com/log".into()), ..RecorderOptions::new("node") };
    let recorder = Recorder::new(Arc::new(log), clock, options, Digests::default()).unwrap();
    for (fails, named) in [(false, Some("example.com/log")), (true, None), (false, Some("example.com/log"))] {
        if fails {
            first.fail("full");
        }
        let ticket = recorder.open_with_receipt(allowed()).await.unwrap();
        let receipt = ticket.receipt().unwrap();
        assert_eq!((receipt.log.as_deref(), receipt.record), (named, ticket.record_id().to_string()));
        let _closed = ticket.close(Outcome::Completed, 0, None);
        first.recover();
    }
    assert_eq!(spare.records().iter().filter(|it| it["type"] == "decision").count(), 1);
}
