//! Requests and their ends.

use super::*;

#[tokio::test]
async fn ids_and_tokens_of_two_callers_never_collide() {
    let bench = Bench::new(script!(be_legacy, server => {
        let first = server.recv().await.unwrap();
        let second = server.recv().await.unwrap();
        assert_ne!(first["id"], second["id"]);
        let token = |request: &Value| request["params"]["_meta"]["progressToken"].clone();
        assert_ne!(token(&first), token(&second));
        for (request, done) in [(&second, 2), (&first, 1)] {
            server.send(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token(request), "progress": done}})).await;
            server.result(request, json!({"content": [], "n": done})).await;
        }
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let request = |id: &str, token: Value| {
        outbound(id, "tools/call", &json!({"name": "t", "_meta": {"progressToken": token, "x": 1.50}}))
    };
    let mut first = link.request(request("1", json!("same"))).await.unwrap();
    let mut second = link.request(request("1", json!("same"))).await.unwrap();
    for (exchange, done) in [(&mut first, 1), (&mut second, 2)] {
        let (word, progress) = next(exchange).await;
        assert_eq!(
            (word, &progress["params"]),
            ("notification", &json!({"progressToken": "same", "progress": done}))
        );
        let (word, answer) = next(exchange).await;
        assert_eq!((word, &answer["id"], &answer["result"]["n"]), ("response", &json!(1), &json!(done)));
        assert!(matches!(exchange.next().await, Err(UpstreamError::Broken(_))), "nothing follows");
    }
}

#[tokio::test]
async fn an_untouched_member_keeps_its_bytes() {
    let bench = Bench::new(script!(be_modern, server => {
        let request = server.recv().await.unwrap();
        let id = &request["id"];
        server.line(&format!(r#"{{ "result" : {{"n":1.50,"big":123456789012345678901234567890}},"id":{id} ,"jsonrpc":"2.0"}}"#)).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let mut exchange = link.request(call(r#""caller's""#)).await.unwrap();
    let portcullis_core::UpstreamEvent::Response(bytes) = exchange.next().await.unwrap() else { panic!() };
    let expected: &[u8] =
        br#"{ "result" : {"n":1.50,"big":123456789012345678901234567890},"id":"caller's" ,"jsonrpc":"2.0"}"#;
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn letting_go_cancels_with_our_number() {
    let bench = Bench::new(script!(be_legacy, server => {
        let request = server.expect("tools/call").await;
        let cancelled = server.expect("notifications/cancelled").await;
        assert_eq!(cancelled["params"]["requestId"], request["id"]);
        // Too late, which is to be expected.
        server.result(&request, json!({})).await;
        let next = server.recv().await.unwrap();
        server.result(&next, json!({})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    drop(link.request(call("1")).await.unwrap());
    response(link.request(call("2")).await.unwrap()).await;
    assert_eq!(bench.garbage(), 0);
}

#[tokio::test]
async fn silence_within_a_request_is_a_timeout_and_cancels() {
    let bench = Bench::new(script!(be_legacy, server => {
        let request = server.expect("tools/call").await;
        for progress in 0..3 {
            server.send(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": request["id"], "progress": progress}})).await;
        }
        server.expect("notifications/cancelled").await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let mut request = outbound("1", "tools/call", &json!({"name": "t", "_meta": {"progressToken": 1}}));
    request.idle_timeout = Duration::from_millis(100);
    let error = failure(link.request(request).await.unwrap()).await;
    assert!(matches!(error, UpstreamError::Timeout(after) if after == Duration::from_millis(100)), "{error}");
}

#[tokio::test]
async fn progress_does_not_extend_the_whole() {
    let bench = Bench::new(script!(be_legacy, server => {
        let request = server.expect("tools/call").await;
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": request["id"], "progress": 1}});
        while tokio::time::timeout(Duration::from_millis(20), server.recv()).await.is_err() {
            server.send(progress.clone()).await;
        }
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let mut request = outbound("1", "tools/call", &json!({"name": "t", "_meta": {"progressToken": 1}}));
    request.total_timeout = Duration::from_millis(300);
    let error = failure(link.request(request).await.unwrap()).await;
    assert!(matches!(error, UpstreamError::Timeout(after) if after == Duration::from_millis(300)), "{error}");
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_under_way() {
    let bench = Bench::with(
        |config| config.max_in_flight = 2,
        script!(be_legacy, server => { server.drain().await }),
    );
    let link = bench.connect().await.unwrap();
    let held = (link.request(call("1")).await.unwrap(), link.request(call("2")).await.unwrap());
    assert!(matches!(link.request(call("3")).await, Err(UpstreamError::Busy)));
    drop(held);
    assert!(link.request(call("4")).await.is_ok());
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_up_nobody_but_itself() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let released = Arc::new(Mutex::new(Some(released)));
    let bench = Bench::new(move |mut server: FakeServer| {
        let released = released.clone();
        async move {
            server.be_legacy().await;
            let first = server.recv().await.unwrap();
            let gate = released.lock().take().unwrap();
            gate.await.unwrap();
            server.result(&first, json!({})).await;
            server.drain().await;
        }
    });
    let link = bench.connect().await.unwrap();
    let first = link.request(call("1")).await.unwrap();
    // The pipe holds 4 KiB, the queue 8 MiB: the last of these finds no room.
    let large = || {
        let mut request =
            outbound("2", "tools/call", &json!({"name": "t", "arguments": {"x": "y".repeat(3 << 20)}}));
        request.total_timeout = Duration::from_millis(300);
        link.request(request)
    };
    let kept = (large().await.unwrap(), large().await.unwrap());
    assert!(matches!(large().await, Err(UpstreamError::Busy)));
    release.send(()).unwrap();
    response(first).await;
    drop(kept);
}
