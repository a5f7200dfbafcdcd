//! Streams that are closed and taken up again.

use super::*;

#[tokio::test]
async fn a_stream_the_server_closes_is_resumed_after_the_time_it_names() {
    let bench = Bench::new(|seen| async move {
        if let Some(reply) = greeted(&seen, "2025-11-25") {
            return reply;
        }
        match (seen.method.as_str(), seen.header("last-event-id")) {
            // Twice closed, once with nothing new.
            ("POST", _) => Reply::event_text("retry: 50\nid: e1\ndata:\n\n"),
            ("GET", Some("e1")) => Reply::event_text("id: e2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":1}}\n\n"),
            ("GET", Some("e2")) => Reply::event_text(format!("id: e3\ndata: {}\n\n", result(&json!(2), &json!({"late": true})))),
            other => panic!("{other:?}"),
        }
    })
    .await;
    let link = bench.connect().await.unwrap();
    let start = std::time::Instant::now();
    let mut exchange = link.request(call("9")).await.unwrap();
    assert_eq!(next(&mut exchange).await.0, "notification");
    let (_, response) = next(&mut exchange).await;
    assert_eq!((&response["id"], &response["result"]["late"]), (&json!(9), &json!(true)));
    assert!(start.elapsed() >= Duration::from_millis(100), "two waits of 50 ms");
}

#[tokio::test]
async fn a_stream_without_an_id_cannot_be_resumed() {
    let bench = Bench::new(|seen| async move {
        greeted(&seen, "2025-11-25").unwrap_or_else(|| Reply::event_text("retry: 1\ndata:\n\n"))
    })
    .await;
    let link = bench.connect().await.unwrap();
    let error = failure(link.request(call("1")).await.unwrap()).await;
    assert!(matches!(error, UpstreamError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn resuming_ends_when_the_server_will_not_or_the_session_is_gone() {
    for (status, expected) in [(405, "405"), (404, "ended the session"), (503, "could not be resumed")] {
        let bench = Bench::new(move |seen| async move {
            if let Some(reply) = greeted(&seen, "2025-11-25") {
                return reply;
            }
            match seen.method.as_str() {
                "POST" => Reply::event_text("retry: 1\nid: e1\ndata:\n\n"),
                _ => Reply::status(status),
            }
        })
        .await;
        let link = bench.connect().await.unwrap();
        let error = failure(link.request(call("1")).await.unwrap()).await;
        assert!(
            matches!(&error, UpstreamError::Broken(reason) if reason.contains(expected)),
            "{status}: {error:?}"
        );
    }
}

#[tokio::test]
async fn the_standing_stream_brings_unsolicited_messages_and_is_taken_up_again() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let heard = answers.clone();
    let bench = Bench::new(move |seen| {
        let heard = heard.clone();
        async move {
            let note = |number: u32| json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"n": number}});
            match (seen.method.as_str(), seen.header("last-event-id")) {
                ("GET", None) => Reply::event_text(format!("retry: 20\nid: a\ndata: {}\n\n", note(1))),
                ("GET", Some("a")) => {
                    let question = json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"});
                    Reply::event_text(format!("id: b\ndata: {}\n\nid: c\ndata: {question}\n\n", note(2)))
                }
                ("GET", Some("c")) => {
                    let (reply, events) = Reply::events();
                    tokio::spawn(async move { events.closed().await });
                    reply
                }
                ("POST", _) if seen.body["id"] == "q" => {
                    heard.lock().push(seen.body["result"].clone());
                    Reply::status(202)
                }
                _ => greeted(&seen, "2025-11-25").unwrap_or_else(|| Reply::status(500)),
            }
        }
    })
    .await;
    let link = bench.connect().await.unwrap();
    let mut stray = link.unsolicited();
    let mut numbers = Vec::new();
    loop {
        let message: Value = serde_json::from_slice(&stray.recv().await.unwrap()).unwrap();
        match message["params"]["n"].as_u64() {
            Some(number) => numbers.push(number),
            None => break assert_eq!(message["method"], "roots/list"),
        }
    }
    assert_eq!(numbers.last(), Some(&2));
    link.replier().reply(result(&json!("q"), &json!({"roots": []})).to_string().into()).await.unwrap();
    assert_eq!(*answers.lock(), [json!({"roots": []})]);
}

#[tokio::test]
async fn progress_on_the_standing_stream_finds_its_request() {
    let standing = Arc::new(Mutex::new(None::<super::fake::Events>));
    let bench = Bench::new(move |seen| {
        let standing = standing.clone();
        async move {
            if seen.method == "GET" {
                let (reply, events) = Reply::events();
                events.raw(": open\n\n").await;
                *standing.lock() = Some(events);
                return reply;
            }
            if let Some(reply) = greeted(&seen, "2025-11-25") {
                return reply;
            }
            wait_until("the standing stream is open", || standing.lock().is_some()).await;
            let token = &seen.body["params"]["_meta"]["progressToken"];
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}});
            let events = standing.lock().clone().unwrap();
            events.message(&progress).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            Reply::json(&result(&seen.body["id"], &json!({})))
        }
    })
    .await;
    let link = bench.connect().await.unwrap();
    let request = outbound("1", "tools/call", &json!({"name": "t", "_meta": {"progressToken": "mine"}}));
    let mut exchange = link.request(request).await.unwrap();
    assert_eq!(next(&mut exchange).await.1["params"]["progressToken"], "mine");
    assert_eq!(next(&mut exchange).await.0, "response");
}

#[tokio::test]
async fn a_standing_stream_that_finds_no_session_ends_the_link() {
    let bench = Bench::new(|seen| async move {
        match seen.method.as_str() {
            "GET" => Reply::status(404),
            _ => greeted(&seen, "2025-11-25").unwrap_or_else(|| Reply::status(500)),
        }
    })
    .await;
    let link = bench.connect().await.unwrap();
    wait_until("the link is dead", || !link.is_alive()).await;
}
