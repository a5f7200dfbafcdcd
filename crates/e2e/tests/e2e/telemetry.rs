//! OpenTelemetry: a call is one trace over its hops in both eras, what a client's baggage holds stays behind, and a
//! collector that fails holds up nobody.

use std::{path::Path, time::Duration};

use portcullis_audit::otel::proto::{Logs, Span, Traces, Value};
use portcullis_testkit::{
    bed::Bed,
    collector::{Collector, Receiver},
    gateway::{Gateway, Setup},
    journal::Journal,
    server::{HttpServer, Launch},
};
use prost::Message as _;
use serde_json::{Value as Json, json};
use tokio::{net::TcpListener, process::Command};

use crate::{
    message::{LEGACY, MODERN, call, initialize, legacy, modern},
    odd::odd,
    raw::{Answer, Request},
    until::until,
};

const CLIENT_SPAN: &str = "b7ad6b7169203331";

fn spans(receiver: &Receiver) -> Vec<Span> {
    let traces = receiver.bodies("traces").into_iter().map(|body| Traces::decode(body).unwrap());
    traces.flat_map(|it| it.resource_spans).flat_map(|it| it.scope_spans).flat_map(|it| it.spans).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of one trace, once there are as many. Strangers' traces are none of its business.
async fn trace(receiver: &Receiver, trace: &str, count: usize) -> Vec<Span> {
    let of = || spans(receiver).into_iter().filter(|span| hex(&span.trace_id) == trace).collect::<Vec<_>>();
    until(&format!("{count} spans of {trace}"), || of().len() >= count).await;
    of()
}

/// The span of this kind (2 server, 3 client) among those of a trace.
fn of_kind(spans: &[Span], kind: i32) -> &Span {
    let mut found = spans.iter().filter(|span| span.kind == kind);
    let span = found.next().unwrap_or_else(|| panic!("no span of kind {kind} in {spans:?}"));
    assert!(found.next().is_none(), "{spans:?}");
    span
}

/// A call of `greet` on the fixture with this `_meta` besides, from a client of either era.
async fn greet(gateway: &Gateway, is_modern: bool, meta: &Json) -> Answer {
    let tool = call("test_simple_text", json!({}));
    let with = |mut message: Json| {
        for (key, value) in meta.as_object().unwrap() {
            message["params"]["_meta"][key] = value.clone();
        }
        message
    };
    if is_modern {
        let message = with(modern(7, "tools/call", tool));
        return Request::modern("/mcp/fixture", &message).send(gateway.address()).await;
    }
    let opened = Request::post("/mcp/fixture", initialize(LEGACY).to_string()).send(gateway.address()).await;
    let session = opened.headers["mcp-session-id"].clone();
    let message = with(legacy(7, "tools/call", tool)).to_string();
    Request::post("/mcp/fixture", message).header("mcp-session-id", &session).send(gateway.address()).await
}

/// What the fixture saw of the call that belongs to `trace`.
fn arrived(journal: &Journal, trace: &str) -> portcullis_testkit::journal::Received {
    let mut received = journal.received().unwrap().into_iter();
    let of_trace = |it: &Json| it["_meta"]["traceparent"].as_str().is_some_and(|it| it.contains(trace));
    received.find(|it| it.calls("test_simple_text") && it.params.as_ref().is_some_and(of_trace)).unwrap()
}

fn telemetry(endpoint: &str, more: &str) -> String {
    format!("[telemetry]\nendpoint = \"{endpoint}\"\nbaggage = [\"allowed\"]\n{more}")
}

#[tokio::test]
async fn a_call_is_one_trace_over_its_hops_in_both_eras() {
    let receiver = Receiver::start().await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let server = HttpServer::fixture(Some(&path)).await.unwrap();
    let gateway = Setup::new()
        .http("fixture", server.url())
        .sections(&telemetry(&receiver.url(), ""))
        .start()
        .await
        .unwrap();
    let journal = Journal::at(&path);
    for (is_modern, id) in
        [(true, "0af7651916cd43dd8448eb211c80319c"), (false, "1af7651916cd43dd8448eb211c80319c")]
    {
        // A stranger's context on the same gateway is another trace.
        greet(&gateway, is_modern, &json!({})).await;
        let meta = json!({
            "traceparent": format!("00-{id}-{CLIENT_SPAN}-01"),
            "tracestate": "vendor=1",
            "baggage": format!("tenant_id=a,user=alice,allowed=1,big={}", "x".repeat(64 * 1024)),
        });
        let answer = greet(&gateway, is_modern, &meta).await;
        assert_eq!(answer.code(), 0, "{answer:?}");

        let spans = trace(&receiver, id, 2).await;
        let (outer, inner) = (of_kind(&spans, 2), of_kind(&spans, 3));
        assert_eq!(hex(&outer.parent_span_id), CLIENT_SPAN);
        assert_eq!(inner.parent_span_id, outer.span_id);
        assert_eq!(outer.name, "tools/call test_simple_text");
        let seen = arrived(&journal, id);
        let expected = format!("00-{id}-{}-01", hex(&inner.span_id));
        let meta = &seen.params.as_ref().unwrap()["_meta"];
        assert_eq!((&meta["traceparent"], &meta["baggage"]), (&json!(expected), &json!("allowed=1")));
        assert_eq!(
            (&meta["tracestate"], &seen.headers["tracestate"]),
            (&json!("vendor=1"), &"vendor=1".to_owned())
        );
        assert_eq!(
            (&seen.headers["traceparent"], &seen.headers["baggage"]),
            (&expected, &"allowed=1".to_owned())
        );

        let wanted = |it: &portcullis_testkit::gateway::Record| it.text("trace_id") == id;
        let record = gateway.wait_for("its record", Duration::from_secs(30), wanted).await.unwrap();
        let record = record.value();
        assert_eq!(record["context"]["span"], hex(&outer.span_id));
        assert_eq!(record["context"]["parent_span"], CLIENT_SPAN);
        assert_eq!(record["findings"][0]["detail"], "baggage: 3 members were not passed on");
        let logged = |it: &Logs| format!("{it:?}").contains(record["id"].as_str().unwrap());
        until("its log records", || {
            receiver.bodies("logs").into_iter().any(|body| logged(&Logs::decode(body).unwrap()))
        })
        .await;
    }
}

#[tokio::test]
async fn the_transports_context_counts_where_the_message_has_none_and_nothing_of_it_is_lost_by_a_stop() {
    let receiver = Receiver::start().await.unwrap();
    let gateway =
        Setup::new().stdio("odd", &odd(&[])).sections(&telemetry(&receiver.url(), "")).start().await.unwrap();
    let id = "2af7651916cd43dd8448eb211c80319c";
    let message = modern(1, "tools/call", call("echo", json!({ "text": "x" })));
    let request =
        Request::modern("/mcp/odd", &message).header("traceparent", &format!("00-{id}-{CLIENT_SPAN}-00"));
    assert_eq!(request.send(gateway.address()).await.code(), 0);
    gateway.stop().await.unwrap();
    let spans = trace(&receiver, id, 2).await;
    assert_eq!(hex(&of_kind(&spans, 2).parent_span_id), CLIENT_SPAN);
    let attribute = of_kind(&spans, 2).attributes.iter().find(|it| it.key == "network.transport").unwrap();
    let value = attribute.value.as_ref().unwrap().value.clone();
    assert_eq!(value, Some(Value::Text("tcp".to_owned())));
}

/// How many items were lost, as the operator's endpoint counts them.
async fn lost(gateway: &Gateway) -> u64 {
    let (_, text) = gateway.admin("/metrics").await.unwrap();
    let counted =
        text.lines().filter(|line| line.starts_with("portcullis_telemetry_") && line.contains("s_lost "));
    counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_nobody() {
    // Takes connections into its backlog and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = telemetry(&endpoint, "queue = 8");
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(&settings).start().await.unwrap();
    let end = tokio::time::Instant::now() + crate::raw::SOON;
    let mut calls = 0;
    while lost(&gateway).await == 0 {
        assert!(tokio::time::Instant::now() < end, "nothing was counted as lost");
        let message = modern(calls, "tools/call", call("echo", json!({ "text": "x" })));
        assert_eq!(Request::modern("/mcp/odd", &message).send(gateway.address()).await.code(), 0);
        calls += 1;
    }
    let allowed =
        gateway.records().unwrap().iter().filter(|it| it.allows("tools/call", "odd", "echo")).count();
    assert_eq!(u64::try_from(allowed).unwrap(), calls);
    drop(silent);
}

#[tokio::test]
async fn without_a_collector_context_passes_as_it_is_and_baggage_does_not() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal");
    let launch = Launch::fixture(Some(&path)).unwrap();
    let gateway = Setup::new().stdio("fixture", &launch).start().await.unwrap();
    let id = "3af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{id}-{CLIENT_SPAN}-00");
    let answer = greet(&gateway, true, &json!({ "traceparent": parent, "baggage": "user=alice" })).await;
    assert_eq!(answer.code(), 0, "{answer:?}");
    let seen = arrived(&Journal::at(&path), id);
    let meta = &seen.params.as_ref().unwrap()["_meta"];
    assert_eq!((&meta["traceparent"], &meta["baggage"]), (&json!(parent), &Json::Null));
}

/// What the client of `testbed/clients/traced.py` says: its trace, and what the API got as baggage.
async fn traced_client(bed: &Bed, collector: &Collector, url: &str, mode: &str) -> (String, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/clients/traced.py");
    let mut command = Command::new(bed.python());
    let output = command.arg(script).args([&collector.http(), url, mode]).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let (trace, baggage) = said.trim().split_once(' ').unwrap_or_else(|| panic!("{said}{errors}"));
    (trace.to_owned(), baggage.to_owned())
}

/// Who sent each span of a trace, with its id and its parent's.
fn senders(receiver: &Receiver, trace: &str) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let traces = receiver.bodies("traces").into_iter().map(|body| Traces::decode(body).unwrap());
    let resources = traces.flat_map(|it| it.resource_spans);
    let spans = resources.flat_map(|of| {
        let resource = of.resource.unwrap_or_default();
        let name = resource.attributes.into_iter().find(|it| it.key == "service.name");
        let Some(Value::Text(name)) = name.and_then(|it| it.value?.value) else {
            panic!("a nameless sender")
        };
        of.scope_spans.into_iter().flat_map(|it| it.spans).map(move |span| (name.clone(), span))
    });
    let ours = spans.filter(|(_, span)| hex(&span.trace_id) == trace);
    ours.map(|(name, span)| (name, span.span_id, span.parent_span_id)).collect()
}

/// Who is above the one span of `api`, from the top.
fn chain(spans: &[(String, Vec<u8>, Vec<u8>)]) -> Vec<&str> {
    let mut chain = Vec::new();
    let mut next = spans.iter().find(|(name, ..)| name == "api");
    while let Some((name, _, parent)) = next {
        chain.push(name.as_str());
        next = spans.iter().find(|(_, id, _)| id == parent);
    }
    chain.dedup();
    chain.reverse();
    chain
}

#[tokio::test]
async fn a_real_collector_sees_one_trace_over_client_gateway_server_and_api() {
    let bed = Bed::load().unwrap();
    let receiver = Receiver::start().await.unwrap();
    let collector = Collector::start(&bed, &receiver).await.unwrap();
    let api = HttpServer::traced(&bed, &collector.http(), &["api"]).await.unwrap();
    let server = HttpServer::traced(&bed, &collector.http(), &["server", api.url()]).await.unwrap();
    for (endpoint, protocol) in [(collector.http(), "http/protobuf"), (collector.grpc(), "grpc")] {
        let before = ["logs", "metrics"].map(|signal| (signal, receiver.bodies(signal).len()));
        let settings = telemetry(&endpoint, &format!("protocol = \"{protocol}\"\nmetrics_seconds = 1"));
        let gateway = Setup::new().http("traced", server.url()).sections(&settings).start().await.unwrap();
        for mode in ["legacy", MODERN] {
            let (trace, baggage) = traced_client(&bed, &collector, &gateway.url_of("traced"), mode).await;
            assert_eq!(baggage, "allowed=1", "{protocol} {mode}");
            let whole = ["client", "portcullis", "server", "api"];
            let wanted = format!("trace over {protocol} from client to API, {mode}");
            until(&wanted, || chain(&senders(&receiver, &trace)) == whole).await;
        }
        // More than there was: what came over the other protocol proves nothing of this one.
        for (signal, before) in before {
            until(&format!("{signal} over {protocol}"), || receiver.bodies(signal).len() > before).await;
        }
    }
}

#[tokio::test]
async fn a_collector_killed_in_the_middle_costs_no_call() {
    let bed = Bed::load().unwrap();
    let receiver = Receiver::start().await.unwrap();
    let collector = Collector::start(&bed, &receiver).await.unwrap();
    let settings = telemetry(&collector.http(), "queue = 8");
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(&settings).start().await.unwrap();
    let echo = async |n| {
        let message = modern(n, "tools/call", call("echo", json!({ "text": "x" })));
        assert_eq!(Request::modern("/mcp/odd", &message).send(gateway.address()).await.code(), 0);
    };
    echo(1).await;
    until("the first call's spans", || spans(&receiver).len() >= 2).await;
    drop(collector);
    let end = tokio::time::Instant::now() + crate::raw::SOON;
    while lost(&gateway).await == 0 {
        assert!(tokio::time::Instant::now() < end, "nothing was counted as lost");
        echo(2).await;
    }
    let failing = |it: &portcullis_testkit::gateway::Record| it.text("subject") == "telemetry";
    let event =
        gateway.wait_for("that the collector is away", Duration::from_secs(30), failing).await.unwrap();
    assert_eq!(event.text("event"), "degraded");
}
