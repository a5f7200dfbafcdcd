//! The fixture as a real client meets it, and what its journal says afterwards.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::time::Duration;

use portcullis_testkit::{
    fixture::http::{Framing, Listening, Serving},
    journal::{Journal, Kind, Wire, Writer},
    server::{HttpServer, Launch, StdioServer},
};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{CallToolRequestParams, ProtocolVersion},
    service::RunningService,
    transport::StreamableHttpClientTransport,
};
use serde_json::json;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);

struct Setup {
    served: Serving,
    journal: Journal,
    _files: TempDir,
}

async fn serve(framing: Framing) -> Setup {
    let files = tempfile::tempdir().unwrap();
    let journal = Journal::at(files.path().join("journal"));
    let writer = Writer::open(journal.path()).unwrap();
    let fixture = Listening::bind(([127, 0, 0, 1], 0).into(), framing, Some(writer)).await.unwrap();
    Setup { served: fixture.spawn().unwrap(), journal, _files: files }
}

async fn connect(url: &str, mode: ClientLifecycleMode) -> RunningService<RoleClient, ()> {
    ().serve_with_lifecycle(StreamableHttpClientTransport::from_uri(url), mode).await.unwrap()
}

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

async fn check_http(framing: Framing, mode: ClientLifecycleMode, version: &str, sessions: bool) {
    let setup = serve(framing).await;
    let client = connect(setup.served.url(), mode).await;
    assert_eq!(client.peer_info().unwrap().protocol_version.as_str(), version);

    let arguments = json!({ "name": "Ada" }).as_object().unwrap().clone();
    let answer =
        client.call_tool(CallToolRequestParams::new("greet").with_arguments(arguments)).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "Hello, Ada!");

    let call = setup.journal.wait_for("the call", SOON, |message| message.calls("greet")).await.unwrap();
    assert_eq!((call.wire, call.verb.as_deref()), (Wire::Http, Some("POST")));
    assert_eq!(call.params.unwrap()["arguments"], json!({ "name": "Ada" }));
    assert_eq!(call.headers["mcp-protocol-version"], version);
    assert_eq!(call.headers.contains_key("mcp-session-id"), sessions);
    assert!(call.body.starts_with('{'), "{}", call.body);
}

#[tokio::test]
async fn a_legacy_client_gets_a_session() {
    check_http(Framing::Events, ClientLifecycleMode::Initialize, "2025-11-25", true).await;
}

#[tokio::test]
async fn a_modern_client_gets_none() {
    check_http(Framing::Events, modern(), "2026-07-28", false).await;
}

#[tokio::test]
async fn a_modern_client_may_be_answered_in_json() {
    check_http(Framing::Json, modern(), "2026-07-28", false).await;
}

#[tokio::test]
async fn the_journal_records_before_the_answer() {
    let setup = serve(Framing::Events).await;
    let client = connect(setup.served.url(), modern()).await;
    let error = client.call_tool(CallToolRequestParams::new("no_such_tool")).await.unwrap_err();
    assert!(error.to_string().contains("unknown tool `no_such_tool`"), "{error}");
    // No waiting: the answer is here, so the record has to be.
    let received = setup.journal.received().unwrap();
    assert_eq!(received.iter().filter(|message| message.calls("no_such_tool")).count(), 1);
}

#[tokio::test]
async fn the_program_serves_http() {
    let server = HttpServer::fixture(None).await.unwrap();
    let client = connect(server.url(), modern()).await;
    assert_eq!(client.list_all_tools().await.unwrap()[0].name, "test_simple_text");
}

#[tokio::test]
async fn the_program_serves_stdio_in_both_eras() {
    let files = tempfile::tempdir().unwrap();
    let journal = Journal::at(files.path().join("journal"));
    let launch = Launch::fixture(Some(journal.path())).unwrap();

    let mut legacy = StdioServer::start(&launch).unwrap();
    let initialized = legacy.initialize("2025-11-25").await.unwrap();
    assert_eq!(initialized["result"]["protocolVersion"], "2025-11-25");

    let mut modern = StdioServer::start(&launch).unwrap();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let discovered = modern.request("server/discover", json!({ "_meta": meta })).await.unwrap();
    assert!(discovered["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")));

    let received = journal.wait_for_count(3, SOON).await.unwrap();
    let of = |kind| received.iter().filter(|message| message.kind == kind).count();
    assert_eq!((of(Kind::Request), of(Kind::Notification)), (2, 1));
    assert!(received.iter().all(|message| message.wire == Wire::Stdio && message.headers.is_empty()));
}

#[tokio::test]
async fn a_journal_that_stays_empty_says_so() {
    let setup = serve(Framing::Events).await;
    let error = setup.journal.wait_for("a call", Duration::from_millis(20), |_| true).await.unwrap_err();
    assert!(error.to_string().contains("did not show a call within 20ms; it holds 0 messages"), "{error}");
}
