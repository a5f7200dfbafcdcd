//! Settling the version.

use super::*;

#[tokio::test]
async fn a_discover_result_settles_the_modern_era() {
    let bench = Bench::new(script!(be_modern, server => { server.drain().await }));
    let link = bench.connect().await.unwrap();
    assert_eq!(link.info().version, Version::V2026_07_28);
    assert_eq!(link.info().server_info.as_deref(), Some(br#"{"name":"fake","version":"1"}"#.as_slice()));
}

#[tokio::test]
async fn any_other_answer_to_the_probe_means_initialize() {
    let answers = [
        json!({"error": {"code": -32601, "message": "unknown"}}),
        json!({"error": {"code": -32602, "message": "bad"}}),
        json!({"error": {"code": -32000, "message": "not initialized"}}),
        json!({"error": {"code": -32022, "message": "old", "data": {"supported": ["2025-06-18"], "requested": "2026-07-28"}}}),
        json!({"result": {"supportedVersions": ["2025-11-25", "2025-06-18"], "capabilities": {}}}),
        json!({"result": {}}),
    ];
    for answer in answers {
        let shown = answer.clone();
        let bench = Bench::new(move |mut server| {
            let mut answer = answer.clone();
            async move {
                let probe = server.expect("server/discover").await;
                answer["jsonrpc"] = "2.0".into();
                answer["id"] = probe["id"].clone();
                server.send(answer).await;
                server.greet("2025-06-18").await;
                server.drain().await;
            }
        });
        let link = bench.connect().await.unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(link.info().version, Version::V2025_06_18, "{shown}");
        assert_eq!(link.info().instructions.as_deref(), Some(br#""be kind""#.as_slice()));
        assert_eq!(bench.garbage(), 0, "{shown}");
    }
}

#[tokio::test]
async fn silence_means_initialize_and_the_late_answer_is_ignored() {
    let bench = Bench::new(|mut server: FakeServer| async move {
        let probe = server.expect("server/discover").await;
        server.greet("2024-11-05").await;
        server.error(&probe, -32601, Value::Null).await;
        let request = server.recv().await.unwrap();
        server.result(&request, json!({"tools": []})).await;
        server.drain().await;
    });
    let link = bench.connect().await.unwrap();
    let exchange = link.request(outbound("7", "tools/list", &json!({}))).await.unwrap();
    assert_eq!(response(exchange).await["id"], 7);
    assert_eq!(bench.garbage(), 0);
}

#[tokio::test]
async fn a_slow_modern_server_that_refuses_initialize_is_asked_again() {
    let bench = Bench::new(|mut server: FakeServer| async move {
        let probe = server.expect("server/discover").await;
        let hello = server.expect("initialize").await;
        server.result(&probe, discover_result(&["2026-07-28"])).await;
        server.error(&hello, -32022, json!({"supported": ["2026-07-28"], "requested": "2025-11-25"})).await;
        server.be_modern().await;
        server.drain().await;
    });
    assert_eq!(bench.connect().await.unwrap().info().version, Version::V2026_07_28);
}

#[tokio::test]
async fn a_server_that_dies_of_the_probe_is_started_again() {
    let bench = Bench::new(|mut server: FakeServer| async move {
        match server.run {
            0 => drop(server.recv().await),
            _ => {
                server.greet("2025-03-26").await;
                server.drain().await;
            }
        }
    });
    let link = bench.connect().await.unwrap();
    assert_eq!(link.info().version, Version::V2025_03_26);
    assert_eq!(bench.launcher.launches.load(Ordering::SeqCst), 2);
    // The verdict is remembered: the next start goes straight to `initialize`.
    bench.connect().await.unwrap();
    assert_eq!(bench.launcher.launches.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn handshakes_that_go_wrong_are_errors() {
    type Case = (&'static str, Box<dyn Fn(&Value) -> Value + Send + Sync>);
    let cases: Vec<Case> = vec![
        (
            "`2026-07-28`, which was not offered",
            Box::new(
                |id| json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2026-07-28", "capabilities": {}}}),
            ),
        ),
        (
            "`1.0`, which was not offered",
            Box::new(|id| json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "1.0"}})),
        ),
        (
            "answered with error -32603",
            Box::new(|id| json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32603, "message": "x"}})),
        ),
    ];
    for (expected, answer) in cases {
        let answer = Arc::new(answer);
        let bench = Bench::new(move |mut server: FakeServer| {
            let answer = answer.clone();
            async move {
                let probe = server.expect("server/discover").await;
                server.error(&probe, -32601, Value::Null).await;
                let hello = server.expect("initialize").await;
                server.send(answer(&hello["id"])).await;
                server.drain().await;
            }
        });
        let error = bench.connect().await.err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let bench = Bench::new(|mut server: FakeServer| async move {
        let probe = server.expect("server/discover").await;
        server.error(&probe, -32022, json!({"supported": ["2027-01-01"]})).await;
        server.drain().await;
    });
    let error = bench.connect().await.err().unwrap();
    assert!(error.to_string().ends_with("no protocol version known here: 2027-01-01"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout_and_is_stopped() {
    let change = |config: &mut ServerConfig| config.connect_timeout = Duration::from_millis(400);
    let bench = Bench::with(change, |mut server: FakeServer| async move { server.drain().await });
    assert!(matches!(bench.connect().await, Err(UpstreamError::Timeout(_))));
    wait_until("the server is stopped", || {
        bench.events.lock().iter().any(|event| matches!(event, ServerEvent::Exited(_)))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_writes_no_mcp_is_said_to() {
    let change = |config: &mut ServerConfig| config.connect_timeout = Duration::from_millis(400);
    let bench = Bench::with(change, |mut server: FakeServer| async move {
        server.line("listening on port 80").await;
        server.drain().await;
    });
    let error = bench.connect().await.err().unwrap();
    let expected = "outside the protocol: what it wrote to its standard output is no MCP: ";
    assert!(error.to_string().contains(expected), "{error}");
}
