#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use portcullis_core::{
    AuthMethod, BoxFuture, CallContext, Caller, Channel, ControlId, ControlRuns, Decision, DecisionRecord,
    FakeClock, Outcome, Principal, PrincipalKind, RefusalKind, SpanId, Spans, TraceId,
};
use prost::Message as _;

use super::{
    proto::{Data, KeyValue, Logs, Metrics, Span, Traces, Value},
    *,
};
use crate::{Digests, MemorySink, Recorder, RecorderOptions};

/// A collector that fails as often as it is told to, and keeps what it takes.
#[derive(Default)]
struct Fake {
    fails: AtomicUsize,
    taken: Mutex<Vec<(Signal, Vec<u8>)>>,
}

impl Transport for Fake {
    fn send(&self, signal: Signal, body: Vec<u8>) -> BoxFuture<'_, Result<(), SendFault>> {
        let fails = self.fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if !fails {
            self.taken.lock().push((signal, body));
        }
        let fault = SendFault { retry: true, reason: "away".to_owned() };
        Box::pin(std::future::ready(if fails { Err(fault) } else { Ok(()) }))
    }
}

impl Fake {
    fn bodies(&self, signal: Signal) -> Vec<Vec<u8>> {
        self.taken.lock().iter().filter(|(kind, _)| *kind == signal).map(|(_, body)| body.clone()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let traces = self.bodies(Signal::Traces).into_iter().map(|body| Traces::decode(&*body).unwrap());
        traces
            .flat_map(|it| it.resource_spans)
            .flat_map(|it| it.scope_spans)
            .flat_map(|it| it.spans)
            .collect()
    }

    fn logs(&self) -> Vec<super::proto::LogRecord> {
        let logs = self.bodies(Signal::Logs).into_iter().map(|body| Logs::decode(&*body).unwrap());
        logs.flat_map(|it| it.resource_logs)
            .flat_map(|it| it.scope_logs)
            .flat_map(|it| it.log_records)
            .collect()
    }
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|it| it.value.as_ref()?.value.as_ref()) {
        Some(Value::Text(text)) => text,
        Some(other) => panic!("{key}: {other:?}"),
        None => "",
    }
}

fn told(queue: usize) -> (Recorder, Telemetry, Exporter) {
    let (telemetry, exporter) = Telemetry::new(&TelemetryOptions {
        signals: Signals { traces: true, metrics: true, logs: true },
        queue,
        metrics_every: Duration::from_secs(3600),
        service: "portcullis".to_owned(),
        instance: "node".to_owned(),
        version: "0",
    });
    let options = RecorderOptions { telemetry: Some(telemetry.clone()), ..RecorderOptions::new("node") };
    let (sink, clock) = (Arc::new(MemorySink::new()), Arc::new(FakeClock::at(1_000)));
    (Recorder::new(sink, clock, options, Digests::default()).unwrap(), telemetry, exporter)
}

fn record(decision: Decision) -> DecisionRecord {
    let principal = Principal { kind: PrincipalKind::Dev, id: "alice".into() };
    DecisionRecord {
        channel: Channel::Http,
        caller: Some(Arc::new(Caller {
            principal,
            actor: None,
            tenant: None,
            method: AuthMethod::StaticDev,
            grant: None,
        })),
        endpoint: None,
        version: Some("2026-07-28"),
        method: Some("tools/call".into()),
        server: "notes".parse().ok(),
        item_kind: Some("Tool"),
        item: Some("read".into()),
        definition: None,
        request: None,
        request_bytes: 1,
        trace_id: None,
        policy: None,
        config: None,
        controls_digest: None,
        controls: ControlRuns::default(),
        findings: Vec::new(),
        context: CallContext::default(),
        decision,
        spans: Some(Arc::new(Spans {
            trace: TraceId([1; 16]),
            parent: Some(SpanId([2; 8])),
            server: SpanId([3; 8]),
            client: SpanId([4; 8]),
            request_id: "7".into(),
            received_ms: 1_000,
            received: Instant::now(),
        })),
    }
}

fn allow() -> DecisionRecord {
    record(Decision::Allow { policies: Arc::from([]) })
}

async fn sent(exporter: Exporter, fake: &Arc<Fake>) {
    exporter.run(Arc::<Fake>::clone(fake), std::future::ready(())).await;
}

#[tokio::test]
async fn a_call_is_two_spans_of_its_clients_trace() {
    let (recorder, telemetry, exporter) = told(100);
    let mut ticket = recorder.open(allow()).await.unwrap();
    let id = ticket.record_id().to_string();
    ticket.sent("2025-11-25");
    ticket.answered_with(Some(-32_602));
    let _receipt = ticket.close(Outcome::UpstreamError, 2, None);
    let fake = Arc::new(Fake::default());
    sent(exporter, &fake).await;

    let spans = fake.spans();
    let [client, server] = spans.as_slice() else { panic!("{spans:?}") };
    for (span, kind, own, parent) in [(client, 3, 4, 3), (server, 2, 3, 2)] {
        assert_eq!(span.trace_id, [1; 16]);
        assert_eq!((span.kind, &span.span_id, &span.parent_span_id), (kind, &vec![own; 8], &vec![parent; 8]));
        assert_eq!((span.name.as_str(), span.status.as_ref().unwrap().code), ("tools/call read", 2));
        assert!(
            span.start_time_unix_nano >= 1_000_000_000
                && span.end_time_unix_nano >= span.start_time_unix_nano
        );
        for (key, value) in [
            ("mcp.method.name", "tools/call"),
            ("gen_ai.tool.name", "read"),
            ("gen_ai.operation.name", "execute_tool"),
            ("rpc.response.status_code", "-32602"),
            ("error.type", "-32602"),
        ] {
            assert_eq!(text(&span.attributes, key), value, "{key}");
        }
    }
    assert_eq!(text(&client.attributes, "mcp.protocol.version"), "2025-11-25");
    for (key, value) in [
        ("mcp.protocol.version", "2026-07-28"),
        ("jsonrpc.request.id", "7"),
        ("network.transport", "tcp"),
        ("enduser.id", "dev:alice"),
        ("portcullis.record", &id),
        ("portcullis.outcome", "upstream-error"),
    ] {
        assert_eq!(text(&server.attributes, key), value, "{key}");
    }
    let logs = fake.logs();
    let names: Vec<_> =
        logs.iter().map(|log| (log.event_name.as_str(), log.severity_text.as_str())).collect();
    assert_eq!(names, [("portcullis.decision", "INFO"), ("portcullis.outcome", "INFO")]);
    for log in &logs {
        assert_eq!((&log.trace_id, &log.span_id), (&vec![1; 16], &vec![3; 8]));
        assert_eq!(text(&log.attributes, "portcullis.record"), id);
    }
    let metrics = fake.bodies(Signal::Metrics);
    let metrics = Metrics::decode(&**metrics.last().unwrap()).unwrap();
    let scopes = metrics.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let seen: Vec<_> =
        scopes.flat_map(|it| &it.metrics).map(|metric| (metric.name.as_str(), total(metric))).collect();
    assert_eq!(
        seen,
        [
            ("mcp.server.operation.duration", 1),
            ("mcp.client.operation.duration", 1),
            ("portcullis.telemetry.lost", 0)
        ]
    );
    assert_eq!(Signal::ALL.map(|signal| telemetry.metrics().sent(signal)), [2, 1, 2]);
}

fn total(metric: &super::proto::Metric) -> u64 {
    match metric.data.as_ref().unwrap() {
        Data::Histogram(it) => it.data_points.iter().map(|point| point.count).sum(),
        Data::Sum(it) => it.data_points.iter().map(|it| u64::try_from(it.as_int.unwrap()).unwrap()).sum(),
    }
}

#[tokio::test]
async fn a_refusal_is_one_span_and_an_event_is_none() {
    let (recorder, _, exporter) = told(100);
    let (kind, control) = (RefusalKind::Denied, Some(ControlId::Az01));
    let refused = record(Decision::Refuse { kind, control, detail: "no policy".to_owned() });
    let _receipt = recorder.refuse(refused).unwrap();
    recorder.event(crate::EventKind::Degraded, Some("notes".to_owned()), "slow".to_owned()).unwrap();
    let fake = Arc::new(Fake::default());
    sent(exporter, &fake).await;
    let spans = fake.spans();
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((span.kind, text(&span.attributes, "error.type")), (2, "denied"));
    assert_eq!(span.status.as_ref().unwrap().message, "no policy");
    let logs = fake.logs();
    let [decision, event] = logs.as_slice() else { panic!("{logs:?}") };
    assert_eq!(text(&decision.attributes, "portcullis.control"), "AZ-01");
    assert_eq!(
        (event.severity_text.as_str(), text(&event.attributes, "portcullis.subject")),
        ("WARN", "notes")
    );
}

#[tokio::test]
async fn what_finds_no_room_is_counted_and_holds_up_nobody() {
    let (recorder, telemetry, exporter) = told(3);
    for _ in 0..10 {
        let mut ticket = recorder.open(allow()).await.unwrap();
        ticket.sent("2026-07-28");
        let _receipt = ticket.close(Outcome::Completed, 0, None);
    }
    // Two spans and two log records a call, and room for three.
    let lost = telemetry.metrics().lost(Signal::Traces) + telemetry.metrics().lost(Signal::Logs);
    assert_eq!(lost, 40 - 3);
    let fake = Arc::new(Fake::default());
    sent(exporter, &fake).await;
    assert_eq!(fake.spans().len() + fake.logs().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_comes_back_gets_what_waited() {
    let (recorder, telemetry, exporter) = told(100);
    let fake = Arc::new(Fake { fails: AtomicUsize::new(4), ..Fake::default() });
    let mut health = exporter.health();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let transport = Arc::<Fake>::clone(&fake);
    let task = tokio::spawn(exporter.run(transport, async { drop(stopped.await) }));
    let _receipt = recorder.open(allow()).await.unwrap().close(Outcome::Completed, 0, None);
    health.wait_for(|health| *health != crate::Health::Working).await.unwrap();
    health.wait_for(|health| *health == crate::Health::Working).await.unwrap();
    drop(stop);
    task.await.unwrap();
    assert_eq!((fake.spans().len(), fake.logs().len()), (1, 2));
    assert_eq!([Signal::Traces, Signal::Logs].map(|signal| telemetry.metrics().lost(signal)), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_stays_away_is_given_up() {
    let (recorder, telemetry, exporter) = told(100);
    let fake = Arc::new(Fake { fails: AtomicUsize::new(usize::MAX), ..Fake::default() });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(exporter.run(Arc::<Fake>::clone(&fake), async { drop(stopped.await) }));
    let _receipt = recorder.open(allow()).await.unwrap().close(Outcome::Completed, 0, None);
    let given_up = async {
        while telemetry.metrics().lost(Signal::Logs) < 2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), given_up).await.unwrap();
    drop(stop);
    task.await.unwrap();
    assert_eq!(telemetry.metrics().lost(Signal::Traces), 1);
    assert!(fake.taken.lock().is_empty());
}

#[tokio::test]
async fn made_up_names_share_one_series() {
    let (recorder, _, exporter) = told(10_000);
    for n in 0..1_500 {
        let item = Some(format!("tool{n}").into());
        let _receipt = recorder.open(DecisionRecord { item, ..allow() }).await.unwrap().close(
            Outcome::Completed,
            0,
            None,
        );
    }
    let method = Some("made/up".into());
    let _receipt =
        recorder.open(DecisionRecord { method, ..allow() }).await.unwrap().close(Outcome::Completed, 0, None);
    let fake = Arc::new(Fake::default());
    sent(exporter, &fake).await;
    let metrics = Metrics::decode(&**fake.bodies(Signal::Metrics).last().unwrap()).unwrap();
    let mut scopes = metrics.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
    let server = scopes.next().unwrap().metrics.into_iter().next().unwrap();
    assert_eq!(total(&server), 1_501);
    let Some(Data::Histogram(histogram)) = server.data else { panic!("no histogram") };
    assert_eq!(histogram.data_points.len(), 1_001);
    assert!(fake.spans().iter().any(|span| span.name == "_OTHER read"));
}

#[tokio::test]
async fn codes_a_server_makes_up_and_its_own_connections_crowd_nothing_out() {
    let (recorder, telemetry, exporter) = told(1_000);
    for code in 0..50 {
        let mut ticket = recorder.open(allow()).await.unwrap();
        ticket.answered_with(Some(code));
        let _receipt = ticket.close(Outcome::UpstreamError, 0, None);
    }
    for _ in 0..2_000 {
        let egress = DecisionRecord { channel: Channel::Egress, spans: None, ..allow() };
        let _receipt = recorder.open(egress).await.unwrap().close(Outcome::Completed, 0, None);
    }
    assert_eq!(telemetry.metrics().lost(Signal::Traces), 0);
    let _receipt = recorder.open(allow()).await.unwrap().close(Outcome::Completed, 0, None);
    let fake = Arc::new(Fake::default());
    sent(exporter, &fake).await;
    let metrics = Metrics::decode(&**fake.bodies(Signal::Metrics).last().unwrap()).unwrap();
    let mut scopes = metrics.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
    let server = scopes.next().unwrap().metrics.into_iter().next().unwrap();
    assert_eq!(total(&server), 51);
    let Some(Data::Histogram(histogram)) = server.data else { panic!("no histogram") };
    let errors: Vec<_> = histogram.data_points.iter().map(|it| text(&it.attributes, "error.type")).collect();
    assert!(errors.len() == 2 && errors.contains(&"_OTHER") && errors.contains(&""), "{errors:?}");
    let spans = fake.spans();
    assert!(spans.iter().any(|span| text(&span.attributes, "error.type") == "49"));
    assert_eq!(spans.len(), 51);
}
