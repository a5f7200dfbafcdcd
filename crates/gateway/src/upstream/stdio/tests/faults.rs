//! Servers that misbehave or end.

use super::*;

#[tokio::test]
async fn garbage_is_dropped_counted_and_in_the_end_fatal() {
    let bench = Bench::with(
        |config| config.max_garbage = 6,
        script!(be_legacy, server => {
            let request = server.recv().await.unwrap();
            for line in ["Listening on port 3000", "{", r#"{"jsonrpc":"2.0","id":99,"result":{}}"#, "[]", r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#] {
                server.line(line).await;
            }
            server.result(&request, json!({"ok": 1})).await;
            server.recv().await.unwrap();
            server.line("one too many").await;
            server.drain().await;
        }),
    );
    let link = bench.connect().await.unwrap();
    response(link.request(call("1")).await.unwrap()).await;
    assert_eq!(bench.garbage(), 5);
    let error = failure(link.request(call("2")).await.unwrap()).await;
    assert!(matches!(error, UpstreamError::Invalid(_)), "{error}");
    assert!(!link.is_alive());
    assert!(matches!(link.request(call("3")).await, Err(UpstreamError::Unreachable(_))));
}

#[tokio::test]
async fn a_message_that_is_too_long_fails_its_request() {
    let bench = Bench::with(
        |config| config.max_message_bytes = 10_000,
        script!(be_legacy, server => {
            let request = server.recv().await.unwrap();
            server.result(&request, json!({"x": "y".repeat(20_000)})).await;
            let request = server.recv().await.unwrap();
            server.result(&request, json!({"x": "y".repeat(9_000)})).await;
            server.drain().await;
        }),
    );
    let link = bench.connect().await.unwrap();
    let error = failure(link.request(call("1")).await.unwrap()).await;
    assert!(matches!(error, UpstreamError::TooLarge { limit: 10_000 }), "{error}");
    response(link.request(call("2")).await.unwrap()).await;
}

#[tokio::test]
async fn a_message_that_is_too_long_fails_its_request_beside_a_subscription() {
    let bench = Bench::with(
        |config| config.max_message_bytes = 10_000,
        script!(be_modern, server => {
            server.recv().await.unwrap();
            let request = server.recv().await.unwrap();
            server.result(&request, json!({"x": "y".repeat(20_000)})).await;
            server.drain().await;
        }),
    );
    let link = bench.connect().await.unwrap();
    let listen = Outbound { method: "subscriptions/listen".into(), ..call("1") };
    let _listening = link.request(listen).await.unwrap();
    let error = failure(link.request(call("2")).await.unwrap()).await;
    assert!(matches!(error, UpstreamError::TooLarge { limit: 10_000 }), "{error}");
}

#[tokio::test]
async fn a_message_within_the_limit_may_be_one_long_string() {
    let bench = Bench::with(
        |config| config.max_message_bytes = 6 << 20,
        script!(be_legacy, server => {
            let request = server.recv().await.unwrap();
            server.result(&request, json!({"x": "y".repeat(5 << 20)})).await;
            server.drain().await;
        }),
    );
    let link = bench.connect().await.unwrap();
    response(link.request(call("1")).await.unwrap()).await;
    assert_eq!(bench.garbage(), 0);
}

#[tokio::test]
async fn a_line_without_end_ends_the_link() {
    let bench = Bench::with(
        |config| config.max_message_bytes = 10_000,
        script!(be_legacy, server => {
            server.recv().await.unwrap();
            while server.text(&"y".repeat(1_000)).await {}
        }),
    );
    let link = bench.connect().await.unwrap();
    let error = failure(link.request(call("1")).await.unwrap()).await;
    assert!(matches!(error, UpstreamError::TooLarge { limit: 10_000 }), "{error}");
    wait_until("the link has ended", || !link.is_alive()).await;
}

/// A call that waits no longer than this for the server.
fn impatient(id: &str) -> Outbound {
    Outbound { idle_timeout: Duration::from_millis(50), ..call(id) }
}

#[tokio::test]
async fn a_server_that_hangs_is_ended() {
    let hurried = |config: &mut ServerConfig| config.request_timeout = Duration::from_millis(100);
    let legacy = Bench::with(
        hurried,
        script!(be_legacy, server => {
            server.recv().await.unwrap();
            std::future::pending::<()>().await;
        }),
    );
    let modern = Bench::with(
        hurried,
        script!(be_modern, server => {
            server.recv().await.unwrap();
            std::future::pending::<()>().await;
        }),
    );
    for bench in [legacy, modern] {
        let link = bench.connect().await.unwrap();
        let other = link.request(outbound("2", "tools/list", &json!({}))).await.unwrap();
        let error = failure(link.request(impatient("1")).await.unwrap()).await;
        assert!(matches!(error, UpstreamError::Timeout(_)), "{error}");
        // Whoever else waits for it need not wait for long.
        let error = failure(other).await;
        assert!(error.to_string().contains("hangs"), "{error}");
        assert!(!link.is_alive());
    }
}

#[tokio::test]
async fn a_server_with_one_slow_tool_is_kept() {
    let bench = Bench::with(
        |config| config.request_timeout = Duration::from_millis(100),
        script!(be_legacy, server => {
            server.expect("tools/call").await;
            server.expect("notifications/cancelled").await;
            let ping = server.expect("ping").await;
            server.result(&ping, json!({})).await;
            server.send(json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})).await;
            let request = server.expect("tools/call").await;
            // Longer than the ping may take.
            tokio::time::sleep(Duration::from_millis(200)).await;
            server.result(&request, json!({"ok": true})).await;
            server.drain().await;
        }),
    );
    let link = bench.connect().await.unwrap();
    let mut stray = link.unsolicited();
    failure(link.request(impatient("1")).await.unwrap()).await;
    stray.recv().await.unwrap();
    assert_eq!(response(link.request(call("2")).await.unwrap()).await["result"]["ok"], true);
    assert_eq!(bench.garbage(), 0);
}

#[tokio::test]
async fn a_server_that_closes_its_input_is_of_no_more_use() {
    let bench = Bench::new(script!(be_legacy, server => {
        let request = server.recv().await.unwrap();
        server.turn_deaf();
        server.result(&request, json!({})).await;
        std::future::pending::<()>().await;
    }));
    let link = bench.connect().await.unwrap();
    response(link.request(call("1")).await.unwrap()).await;
    let error = failure(link.request(call("2")).await.unwrap()).await;
    assert!(
        matches!(&error, UpstreamError::Broken(reason) if reason == "the server closed its input"),
        "{error}"
    );
    assert!(!link.is_alive());
}

#[tokio::test]
async fn the_end_of_the_server_breaks_every_request() {
    let bench = Bench::new(script!(be_legacy, server => {
        server.recv().await.unwrap();
        server.recv().await.unwrap();
    }));
    let link = bench.connect().await.unwrap();
    let exchanges = [link.request(call("1")).await.unwrap(), link.request(call("2")).await.unwrap()];
    for exchange in exchanges {
        let error = failure(exchange).await;
        assert!(
            matches!(&error, UpstreamError::Broken(reason) if reason == "the server exited with status 0"),
            "{error}"
        );
    }
    assert!(!link.is_alive());
    assert!(link.request(call("3")).await.err().unwrap().nothing_happened());
}

#[tokio::test]
async fn closing_ends_input_requests_and_process() {
    let bench = Bench::new(script!(be_legacy, server => { server.drain().await }));
    let link = bench.connect().await.unwrap();
    let exchange = link.request(call("1")).await.unwrap();
    link.close().await;
    assert!(matches!(failure(exchange).await, UpstreamError::Broken(_)));
    let events = bench.events.lock();
    assert!(matches!(events.last(), Some(ServerEvent::Exited(portcullis_core::Exit::Code(0)))), "{events:?}");
}

#[tokio::test]
async fn dropping_the_link_stops_the_server() {
    let bench = Bench::new(
        script!(be_legacy, server => { std::future::pending::<()>().await; server.drain().await }),
    );
    drop(bench.connect().await.unwrap());
    wait_until("the server is stopped", || {
        bench.events.lock().iter().any(|event| matches!(event, ServerEvent::Exited(_)))
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_does_not_read_loses_its_exchange_only() {
    let bench = Bench::new(script!(be_legacy, server => {
        let slow = server.recv().await.unwrap();
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": slow["id"], "progress": 1}});
        for _ in 0..2_000 {
            server.send(progress.clone()).await;
        }
        let quick = server.recv().await.unwrap();
        server.result(&quick, json!({})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let slow = link
        .request(outbound("1", "tools/call", &json!({"name": "t", "_meta": {"progressToken": 1}})))
        .await
        .unwrap();
    response(link.request(call("2")).await.unwrap()).await;
    let error = failure(slow).await;
    assert!(matches!(&error, UpstreamError::Broken(reason) if reason.contains("slowly")), "{error}");
}

#[tokio::test]
async fn standard_error_is_reported() {
    let bench = Bench::new(script!(be_legacy, server => {
        server.stderr.send(portcullis_core::StderrLine { text: "hello".into(), skipped: 0 }).await.unwrap();
        server.drain().await;
    }));
    let _link = bench.connect().await.unwrap();
    let heard = |event: &ServerEvent| matches!(event, ServerEvent::Stderr(line) if line.text == "hello");
    wait_until("the line is reported", || bench.events.lock().iter().any(heard)).await;
}
