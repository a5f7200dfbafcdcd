//! Sessions over Streamable HTTP.

use super::*;

async fn session<F: Future<Output = Reply> + Send + 'static>(
    version: &'static str,
    handler: impl Fn(Seen) -> F + Send + Sync + 'static,
) -> Bench {
    let handler = Arc::new(handler);
    Bench::new(move |seen| {
        let handler = handler.clone();
        async move {
            match greeted(&seen, version) {
                Some(reply) => reply,
                None => handler(seen).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn every_message_carries_session_and_version() {
    for (version, header) in
        [("2025-11-25", Some("2025-11-25")), ("2025-06-18", Some("2025-06-18")), ("2025-03-26", None)]
    {
        let bench =
            session(version, |seen| async move { Reply::json(&result(&seen.body["id"], &json!({}))) }).await;
        let link = bench.connect().await.unwrap();
        response(link.request(call("1")).await.unwrap()).await;
        link.close().await;
        let seen = bench.server.seen();
        let asked = bench.server.asked();
        for (seen, asked) in seen.iter().zip(&asked) {
            let after = !matches!(asked.as_str(), "POST server/discover" | "POST initialize");
            assert_eq!(seen.header("mcp-session-id"), after.then_some("s-1"), "{asked}");
            let expected =
                if asked == "POST server/discover" { Some("2026-07-28") } else { header.filter(|_| after) };
            assert_eq!(seen.header("mcp-protocol-version"), expected, "{asked}");
        }
        assert_eq!(asked.last().map(String::as_str), Some("DELETE"));
    }
}

#[tokio::test]
async fn ids_and_tokens_are_ours_on_the_wire() {
    let bench = session("2025-11-25", |seen| async move {
        let token = &seen.body["params"]["_meta"]["progressToken"];
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}});
        let response = result(&seen.body["id"], &json!({"seen": token}));
        Reply::event_text(format!("data: {progress}\n\ndata: {response}\n\n"))
    })
    .await;
    let link = bench.connect().await.unwrap();
    let request = || outbound("1", "tools/call", &json!({"name": "t", "_meta": {"progressToken": "same"}}));
    let (mut first, mut second) =
        (link.request(request()).await.unwrap(), link.request(request()).await.unwrap());
    let mut tokens = Vec::new();
    for exchange in [&mut first, &mut second] {
        assert_eq!(next(exchange).await.1["params"]["progressToken"], "same");
        let (_, response) = next(exchange).await;
        assert_eq!(response["id"], 1);
        tokens.push(response["result"]["seen"].clone());
    }
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn a_question_belongs_to_the_call_on_whose_stream_it_comes() {
    let waiting = Arc::new(Mutex::new(std::collections::BTreeMap::new()));
    let bench = session("2025-11-25", move |seen| {
        let waiting = waiting.clone();
        async move {
            if seen.body["method"] == "tools/call" {
                let (reply, events) = Reply::events();
                let name = seen.body["params"]["name"].clone();
                let question = json!({"jsonrpc": "2.0", "id": name, "method": "elicitation/create", "params": {"message": name}});
                waiting.lock().insert(name.to_string(), (seen.body["id"].clone(), events.clone()));
                tokio::spawn(async move { events.message(&question).await });
                return reply;
            }
            let (id, events) = waiting.lock().remove(&seen.body["id"].to_string()).unwrap();
            tokio::spawn(async move { events.message(&result(&id, &seen.body["result"])).await });
            Reply::status(202)
        }
    })
    .await;
    let link = bench.upstream.connect(&profile(&json!({"elicitation": {}}), None)).await.unwrap();
    let mut exchanges = Vec::new();
    for name in ["one", "two"] {
        exchanges
            .push((name, link.request(outbound("1", "tools/call", &json!({"name": name}))).await.unwrap()));
    }
    for (name, exchange) in &mut exchanges {
        let (word, question) = next(exchange).await;
        assert_eq!((word, &question["params"]["message"]), ("request", &json!(name)));
        let answer = result(&question["id"], &json!({"for": name}));
        exchange.replier().reply(answer.to_string().into()).await.unwrap();
        assert_eq!(next(exchange).await.1["result"]["for"], *name);
    }
}

#[tokio::test]
async fn an_ended_session_is_told_apart_from_an_error() {
    let bench = session("2025-11-25", |seen| async move {
        match seen.body["params"]["name"].as_str() {
            Some("gone") => Reply::status(404).with_json(&error(&Value::Null, -32001)),
            Some("held") => {
                let (reply, events) = Reply::events();
                tokio::spawn(async move {
                    events.raw(": open\n\n").await;
                    events.closed().await;
                });
                reply
            }
            _ => Reply::status(400).with_json(&error(&seen.body["id"], -32602)),
        }
    })
    .await;
    let link = bench.connect().await.unwrap();
    let refused = response(link.request(call("1")).await.unwrap()).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(1), &json!(-32602)));
    let held = link.request(outbound("2", "tools/call", &json!({"name": "held"}))).await.unwrap();
    let gone = link.request(outbound("3", "tools/call", &json!({"name": "gone"}))).await.err().unwrap();
    assert!(matches!(gone, UpstreamError::SessionGone), "{gone:?}");
    assert!(!link.is_alive());
    // Whether that one had an effect is not known.
    assert!(matches!(failure(held).await, UpstreamError::Broken(_)));
}

#[tokio::test]
async fn letting_go_tells_the_server() {
    let bench = session("2025-11-25", |seen| async move {
        if seen.body["method"] == "notifications/cancelled" {
            return Reply::status(202);
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
    drop(link.request(call("1")).await.unwrap());
    wait_until("the server is told", || bench.server.count("POST notifications/cancelled") == 1).await;
    let seen = bench.server.seen();
    let id_of = |method: &str| seen.iter().find(|seen| seen.body["method"] == method).unwrap().body.clone();
    assert_eq!(id_of("notifications/cancelled")["params"]["requestId"], id_of("tools/call")["id"]);
}

#[tokio::test]
async fn a_batch_is_taken_apart_where_the_version_has_them() {
    for (version, fine) in [("2025-03-26", true), ("2025-11-25", false)] {
        let bench = session(version, |seen| async move {
            let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}});
            Reply::json(&json!([log, result(&seen.body["id"], &json!({}))]))
        })
        .await;
        let link = bench.connect().await.unwrap();
        let mut exchange = link.request(call("1")).await.unwrap();
        if fine {
            assert_eq!(next(&mut exchange).await.0, "notification");
            assert_eq!(next(&mut exchange).await.0, "response");
        } else {
            assert!(matches!(failure(exchange).await, UpstreamError::Invalid(_)));
            assert_eq!(bench.garbage(), 1);
        }
    }
}

#[tokio::test]
async fn answers_that_are_none_are_errors() {
    type Case = (&'static str, fn(&Seen) -> Reply);
    let cases: [Case; 4] = [
        ("accepted", |_| Reply::status(202)),
        ("not the response", |_| Reply::json(&json!({"jsonrpc": "2.0", "method": "notifications/message"}))),
        ("another's response", |_| Reply::json(&result(&json!(99), &json!({})))),
        ("html", |_| Reply::status(200).header("content-type", "text/html").with_body("x")),
    ];
    for (name, answer) in cases {
        let bench = session("2025-11-25", move |seen| async move { answer(&seen) }).await;
        let link = bench.connect().await.unwrap();
        let error = match link.request(call("1")).await {
            Ok(exchange) => failure(exchange).await,
            Err(error) => error,
        };
        assert!(matches!(error, UpstreamError::Invalid(_)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_session_id_outside_visible_ascii_is_refused() {
    let bench = Bench::new(|seen| async move {
        match seen.body["method"].as_str() {
            Some("initialize") => {
                let reply = Reply::json(&result(&seen.body["id"], &initialize_result("2025-11-25")));
                reply.header("mcp-session-id", "has space")
            }
            _ => Reply::status(400),
        }
    })
    .await;
    let error = bench.connect().await.err().unwrap();
    assert!(matches!(&error, UpstreamError::Invalid(reason) if reason.contains("session id")), "{error:?}");
}
