//! Requests to a stateless server.

use std::sync::atomic::Ordering;

use portcullis_core::UpstreamEvent;
use portcullis_wire::Version;

use super::*;

#[tokio::test]
async fn a_json_answer_is_passed_on_byte_for_byte() {
    let exact = r#"{ "result":{"n":1.50,"resultType":"complete"}, "id" : "a", "jsonrpc":"2.0" }"#;
    let bench = Bench::new(move |seen| async move {
        let answer =
            Reply::status(200).header("content-type", "application/json;charset=UTF-8").with_body(exact);
        discovered(&seen).unwrap_or(answer)
    })
    .await;
    let link = bench.connect().await.unwrap();
    assert_eq!(link.info().version, Version::V2026_07_28);
    let mut request = call(r#""a""#);
    request.headers = vec![("mcp-name".parse().unwrap(), "t".parse().unwrap())];
    let mut exchange = link.request(request).await.unwrap();
    let UpstreamEvent::Response(bytes) = exchange.next().await.unwrap() else { panic!() };
    assert_eq!(bytes, exact);
    assert!(exchange.next().await.is_err(), "nothing follows");

    let seen = bench.server.seen().pop().unwrap();
    let expected = [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "t"),
        ("x-key", "k3y"),
    ];
    for (name, value) in expected {
        assert_eq!(seen.header(name), Some(value), "{name}");
        assert_eq!(seen.headers.get_all(name).iter().count(), 1, "{name}");
    }
    assert!(seen.header("mcp-session-id").is_none());
    assert_eq!(seen.path, "/mcp");
}

#[tokio::test]
async fn a_stream_is_passed_on_event_by_event_and_its_connection_used_again() {
    let bench = Bench::new(|seen| async move {
        if let Some(reply) = discovered(&seen) {
            return reply;
        }
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}});
        let response = result(&seen.body["id"], &json!({"ok": true}));
        Reply::event_text(format!(": hello\n\nid: 1\ndata:\n\nevent: other\ndata: x\n\ndata: {progress}\n\nevent: message\ndata: {response}\n\n"))
    })
    .await;
    let link = bench.connect().await.unwrap();
    for _ in 0..5 {
        let mut exchange = link.request(call("7")).await.unwrap();
        let (word, progress) = next(&mut exchange).await;
        assert_eq!((word, &progress["method"]), ("notification", &json!("notifications/progress")));
        let (word, response) = next(&mut exchange).await;
        assert_eq!((word, &response["id"]), ("response", &json!(7)));
        assert!(exchange.next().await.is_err(), "nothing follows");
        // Give the connection time to become idle; it may take another when it is not.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(bench.server.connections.load(Ordering::SeqCst) <= 2, "connections are used again");
}

#[tokio::test]
async fn letting_go_of_a_stream_closes_it() {
    let (closed, was_closed) = tokio::sync::oneshot::channel();
    let closed = Arc::new(Mutex::new(Some(closed)));
    let bench = Bench::new(move |seen| {
        let closed = closed.clone();
        async move {
            if let Some(reply) = discovered(&seen) {
                return reply;
            }
            let (reply, events) = Reply::events();
            let closed = closed.lock().take().unwrap();
            tokio::spawn(async move {
                events.raw(": open\n\n").await;
                events.closed().await;
                closed.send(()).unwrap();
            });
            reply
        }
    })
    .await;
    let link = bench.connect().await.unwrap();
    drop(link.request(call("1")).await.unwrap());
    was_closed.await.unwrap();
    assert_eq!(
        bench.server.count("POST notifications/cancelled"),
        0,
        "there is no such notification on HTTP"
    );
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let bench = Bench::new(|seen| async move {
        if let Some(reply) = discovered(&seen) {
            return reply;
        }
        if seen.body["params"]["name"] == "head" {
            std::future::pending::<()>().await;
        }
        let (reply, events) = Reply::events();
        tokio::spawn(async move {
            events.raw(": open\n\n").await;
            events.closed().await;
        });
        reply
    })
    .await;
    let link = bench.connect().await.unwrap();
    for name in ["head", "stream"] {
        let mut request = outbound("1", "tools/call", &json!({"name": name}));
        request.idle_timeout = Duration::from_millis(100);
        let error = match link.request(request).await {
            Ok(exchange) => failure(exchange).await,
            Err(error) => error,
        };
        assert!(
            matches!(error, UpstreamError::Timeout(after) if after == Duration::from_millis(100)),
            "{name}: {error}"
        );
    }
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_under_way() {
    let bench = Bench::with(
        |config| config.max_in_flight = 2,
        HttpMode::Auto,
        |seen| async move {
            discovered(&seen).unwrap_or_else(|| Reply::json(&result(&seen.body["id"], &json!({}))))
        },
    )
    .await;
    let link = bench.connect().await.unwrap();
    let held = (link.request(call("1")).await.unwrap(), link.request(call("2")).await.unwrap());
    assert!(matches!(link.request(call("3")).await, Err(UpstreamError::Busy)));
    drop(held);
    response(link.request(call("4")).await.unwrap()).await;
}

#[tokio::test]
async fn what_this_version_does_not_have_is_refused_here() {
    let bench =
        Bench::new(|seen| async move { discovered(&seen).unwrap_or_else(|| Reply::status(500)) }).await;
    let link = bench.connect().await.unwrap();
    assert!(matches!(link.notify("{}".into()).await, Err(UpstreamError::Invalid(_))));
    assert!(matches!(link.replier().reply("{}".into()).await, Err(UpstreamError::Invalid(_))));
    assert_eq!(bench.server.asked(), ["POST server/discover"]);
}
