//! HTTP+SSE of 2024-11-05.

use super::{fake::Events, *};

/// A server: `endpoint` is what it names, `answer` what it writes on the stream for a request.
async fn server(endpoint: &'static str, answer: fn(&Value) -> Option<Value>) -> Bench {
    let stream = Arc::new(Mutex::new(None::<Events>));
    let handler = move |seen: Seen| {
        let stream = stream.clone();
        async move {
            if seen.method == "GET" {
                let (reply, events) = Reply::events();
                *stream.lock() = Some(events.clone());
                events.raw(format!("event: endpoint\ndata: {endpoint}\n\n")).await;
                return reply;
            }
            assert_eq!(seen.path, "/message?sessionId=1");
            let events = stream.lock().clone().unwrap();
            match seen.body["method"].as_str() {
                Some("initialize") => {
                    events.message(&result(&seen.body["id"], &initialize_result("2024-11-05"))).await;
                }
                Some("end") => {
                    *stream.lock() = None;
                    events.cut().await;
                }
                Some("refuse") => return Reply::status(413),
                _ => {
                    if let Some(message) = answer(&seen.body) {
                        events.message(&message).await;
                    }
                }
            }
            Reply::status(202).with_body("Accepted")
        }
    };
    Bench::with(|_| {}, HttpMode::Sse, handler).await
}

#[tokio::test]
async fn answers_come_on_the_stream() {
    let bench = server("/message?sessionId=1", |body| Some(result(&body["id"], &json!({"ok": 1})))).await;
    let link = bench.connect().await.unwrap();
    for id in ["1", "\"two\""] {
        let answer = response(link.request(call(id)).await.unwrap()).await;
        assert_eq!(answer["id"].to_string(), id);
    }
    let seen = bench.server.seen().pop().unwrap();
    assert_eq!((seen.header("x-key"), seen.header("mcp-session-id")), (Some("k3y"), None));
}

#[tokio::test]
async fn an_endpoint_elsewhere_is_refused() {
    for endpoint in ["http://127.0.0.1:1/message?sessionId=1", "//evil/message", "https://evil/"] {
        let bench = server(endpoint, |_| None).await;
        let error = bench.connect().await.err().unwrap();
        assert!(
            matches!(&error, UpstreamError::Invalid(reason) if reason.contains("origin")),
            "{endpoint}: {error:?}"
        );
        assert_eq!(bench.server.asked(), ["GET"]);
    }
}

#[tokio::test]
async fn the_end_of_the_stream_is_the_end_of_the_link() {
    let bench = server("message?sessionId=1", |_| None).await;
    let link = bench.connect().await.unwrap();
    let held = link.request(call("1")).await.unwrap();
    let _ending = link.notify(json!({"jsonrpc": "2.0", "method": "end"}).to_string().into()).await;
    assert!(matches!(failure(held).await, UpstreamError::Broken(_)));
    assert!(!link.is_alive());
    assert!(link.request(call("2")).await.err().unwrap().nothing_happened());
}

#[tokio::test]
async fn a_refused_post_is_an_error_of_that_request() {
    let bench = server("message?sessionId=1", |body| Some(result(&body["id"], &json!({})))).await;
    let link = bench.connect().await.unwrap();
    let error = link.request(outbound("1", "refuse", &json!({}))).await.err().unwrap();
    assert!(matches!(error, UpstreamError::Http { status: 413, .. }), "{error:?}");
    response(link.request(call("2")).await.unwrap()).await;
}

#[tokio::test]
async fn a_stream_that_does_not_begin_with_an_endpoint_is_refused() {
    let handler = |_| async { Reply::event_text("data: {}\n\n") };
    let bench = Bench::with(|_| {}, HttpMode::Sse, handler).await;
    assert!(matches!(bench.connect().await, Err(UpstreamError::Invalid(_))));
    let silent = |_| async {
        let (reply, events) = Reply::events();
        tokio::spawn(async move { events.closed().await });
        reply
    };
    let bench =
        Bench::with(|config| config.connect_timeout = Duration::from_millis(200), HttpMode::Sse, silent)
            .await;
    assert!(matches!(bench.connect().await, Err(UpstreamError::Timeout(_))));
}
