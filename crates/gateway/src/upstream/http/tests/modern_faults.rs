//! Answers of stateless servers that are errors, or wrong.

use super::*;

type Judge = fn(&UpstreamError) -> bool;

/// Asks a server that answers like this, and says how it ended.
async fn outcome(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Result<Value, UpstreamError> {
    let answer = Arc::new(answer);
    let bench = Bench::with(
        |config| config.max_message_bytes = 20_000,
        HttpMode::Auto,
        move |seen| {
            let answer = answer.clone();
            async move { discovered(&seen).unwrap_or_else(|| answer(&seen)) }
        },
    )
    .await;
    let link = bench.connect().await.unwrap();
    let mut exchange = link.request(call("7")).await?;
    loop {
        if let portcullis_core::UpstreamEvent::Response(bytes) = exchange.next().await? {
            return Ok(serde_json::from_slice(&bytes).unwrap());
        }
    }
}

#[tokio::test]
async fn json_rpc_errors_with_an_http_status_are_answers() {
    for (status, code) in
        [(400, -32020), (400, -32022), (400, -32021), (404, -32601), (500, -32603), (429, 42901)]
    {
        for with_id in [true, false] {
            let answer = move |seen: &Seen| {
                let id = if with_id { seen.body["id"].clone() } else { Value::Null };
                Reply::status(status).with_json(&error(&id, code))
            };
            let response = outcome(answer).await.unwrap_or_else(|error| panic!("{status} {code}: {error}"));
            assert_eq!((&response["error"]["code"], &response["id"]), (&json!(code), &json!(7)), "{status}");
        }
    }
}

#[tokio::test]
async fn other_http_errors_are_errors() {
    type Case = (&'static str, fn(&Seen) -> Reply, Judge);
    let cases: [Case; 12] = [
        ("no body", |_| Reply::status(500), |e| matches!(e, UpstreamError::Http { status: 500, body: None })),
        (
            "html",
            |_| Reply::status(404).header("content-type", "text/html").with_body("<h1>"),
            |e| matches!(e, UpstreamError::Http { status: 404, body: None }),
        ),
        (
            "another id",
            |_| Reply::status(400).with_json(&error(&json!(8), -32020)),
            |e| matches!(e, UpstreamError::Http { status: 400, body: Some(_) }),
        ),
        (
            "a result",
            |s| Reply::status(400).with_json(&result(&s.body["id"], &json!({}))),
            |e| matches!(e, UpstreamError::Http { status: 400, body: Some(_) }),
        ),
        (
            "credentials",
            |s| Reply::status(401).with_json(&error(&s.body["id"], -32001)),
            |e| matches!(e, UpstreamError::Http { status: 401, body: Some(_) }),
        ),
        (
            "origin",
            |_| Reply::status(403).with_json(&error(&Value::Null, -32000)),
            |e| matches!(e, UpstreamError::Http { status: 403, body: Some(_) }),
        ),
        (
            "redirect",
            |_| Reply::status(307).header("location", "/elsewhere"),
            |e| matches!(e, UpstreamError::Http { status: 307, .. }),
        ),
        ("accepted", |_| Reply::status(202), |e| matches!(e, UpstreamError::Invalid(_))),
        (
            "web page",
            |_| Reply::status(200).header("content-type", "text/html").with_body("hi"),
            |e| matches!(e, UpstreamError::Invalid(_)),
        ),
        (
            "compressed",
            |s| Reply::json(&result(&s.body["id"], &json!({}))).header("content-encoding", "gzip"),
            |e| matches!(e, UpstreamError::Invalid(_)),
        ),
        (
            "too large",
            |s| Reply::json(&result(&s.body["id"], &json!("x".repeat(30_000)))),
            |e| matches!(e, UpstreamError::TooLarge { limit: 20_000 }),
        ),
        (
            "too large, as it says itself",
            |_| {
                let reply = Reply::status(200).header("content-type", "application/json");
                reply.header("content-length", "30000").with_endless_body()
            },
            |e| matches!(e, UpstreamError::TooLarge { limit: 20_000 }),
        ),
    ];
    for (name, answer, judge) in cases {
        let error = outcome(answer).await.err().unwrap_or_else(|| panic!("{name}: answered"));
        assert!(judge(&error), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn streams_that_go_wrong_are_errors() {
    type Case = (&'static str, fn(&Seen) -> String, Judge);
    let cases: [Case; 7] = [
        (
            "no response",
            |_| "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n".into(),
            |e| matches!(e, UpstreamError::Broken(_)),
        ),
        ("nothing", |_| ": \n\n".into(), |e| matches!(e, UpstreamError::Broken(_))),
        (
            "unfinished",
            |s| format!("data: {}\n", result(&s.body["id"], &json!({}))),
            |e| matches!(e, UpstreamError::Broken(_)),
        ),
        (
            "a request",
            |_| "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}\n\n".into(),
            |e| matches!(e, UpstreamError::Invalid(_)),
        ),
        (
            "another id",
            |_| format!("data: {}\n\n", result(&json!(8), &json!({}))),
            |e| matches!(e, UpstreamError::Invalid(_)),
        ),
        ("not JSON", |_| "data: hello\n\n".into(), |e| matches!(e, UpstreamError::Invalid(_))),
        (
            "too large",
            |s| format!("data: {}\n\n", result(&s.body["id"], &json!("x".repeat(30_000)))),
            |e| matches!(e, UpstreamError::TooLarge { limit: 20_000 }),
        ),
    ];
    for (name, text, judge) in cases {
        let error = outcome(move |seen| Reply::event_text(text(seen))).await.err();
        let error = error.unwrap_or_else(|| panic!("{name}: answered"));
        assert!(judge(&error), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_stream_response_without_id_is_given_the_callers() {
    let response =
        outcome(|_| Reply::event_text(format!("data: {}\n\n", error(&Value::Null, -32603)))).await.unwrap();
    assert_eq!(response["id"], 7);
}

#[tokio::test]
async fn a_cut_connection_breaks_the_request() {
    let cut = |_: &Seen| {
        let (reply, events) = Reply::events();
        tokio::spawn(async move {
            events.raw("data: {").await;
            events.cut().await;
        });
        reply
    };
    let error = outcome(cut).await.err().unwrap();
    assert!(matches!(error, UpstreamError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let bench = Bench::new(|_| async { Reply::status(500) }).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let endpoint = Endpoint {
        url,
        headers: Vec::new(),
        credential: None,
        ca_file: None,
        certificate: None,
        signer: None,
        danger_tls12: false,
        mode: HttpMode::Auto,
    };
    let config = ServerConfig::new("fake".parse().unwrap(), Transport::Http(endpoint.clone()));
    let upstream = HttpUpstream::new(Arc::new(config), &endpoint, observer().0, health()).unwrap();
    let error = upstream.connect(&profile(&json!({}), None)).await.err().unwrap();
    assert!(matches!(error, UpstreamError::Unreachable(_)), "{error:?}");
    drop(bench);
}

#[tokio::test]
async fn a_server_that_no_longer_knows_the_endpoint_is_probed_again() {
    let bench =
        Bench::new(|seen| async move { discovered(&seen).unwrap_or_else(|| Reply::status(404)) }).await;
    let link = bench.connect().await.unwrap();
    assert!(link.is_alive());
    assert!(link.request(call("1")).await.is_err());
    assert!(!link.is_alive());
}
