//! Which transport a server speaks.

use std::sync::atomic::Ordering::SeqCst;

use portcullis_wire::Version;

use super::*;

/// A server that knows HTTP+SSE only.
fn old(seen: &Seen) -> Reply {
    match seen.method.as_str() {
        "GET" => {
            let (reply, events) = Reply::events();
            STREAMS.lock().insert(seen.headers["host"].to_str().unwrap().to_owned(), events.clone());
            tokio::spawn(async move { events.raw("event: endpoint\ndata: /message?sessionId=1\n\n").await });
            reply
        }
        _ if seen.path == "/mcp" => {
            Reply::status(404).header("content-type", "text/html").with_body("Cannot POST /mcp")
        }
        _ => {
            let events = STREAMS.lock()[seen.headers["host"].to_str().unwrap()].clone();
            let body = seen.body.clone();
            tokio::spawn(async move {
                if body["method"] == "initialize" {
                    events.message(&result(&body["id"], &initialize_result("2024-11-05"))).await;
                }
            });
            Reply::status(202).with_body("Accepted")
        }
    }
}

static STREAMS: Mutex<std::collections::BTreeMap<String, super::fake::Events>> =
    Mutex::new(std::collections::BTreeMap::new());

#[tokio::test]
async fn each_transport_is_found_by_asking_and_legacy_ones_are_remembered() {
    let sse = Bench::new(|seen| async move { old(&seen) }).await;
    assert_eq!(sse.connect().await.unwrap().info().version, Version::V2024_11_05);
    let handshake = ["POST initialize", "POST notifications/initialized"];
    assert_eq!(
        sse.server.asked(),
        [&["POST server/discover", "POST initialize", "GET"], &handshake[..]].concat()
    );
    sse.connect().await.unwrap();
    assert_eq!(sse.server.asked()[5..], [&["GET"], &handshake[..]].concat());

    let streamable = Bench::new(|seen| async move { greeted(&seen, "2025-06-18").unwrap() }).await;
    let link = streamable.connect().await.unwrap();
    assert_eq!(link.info().version, Version::V2025_06_18);
    wait_until("the standing stream is tried", || streamable.server.count("GET") == 1).await;
    streamable.connect().await.unwrap();
    assert_eq!(streamable.server.count("POST server/discover"), 1);
    assert_eq!(streamable.server.count("POST initialize"), 2);
}

#[tokio::test]
async fn a_configured_mode_is_not_second_guessed() {
    let sse = Bench::with(|_| {}, HttpMode::Sse, |seen| async move { old(&seen) }).await;
    sse.connect().await.unwrap();
    assert_eq!(sse.server.asked()[0], "GET");
    let streamable = Bench::with(|_| {}, HttpMode::Streamable, |seen| async move { old(&seen) }).await;
    let error = streamable.connect().await.err().unwrap();
    assert!(matches!(error, UpstreamError::Http { status: 404, .. }), "{error:?}");
    assert_eq!(streamable.server.count("GET"), 0);
}

#[tokio::test]
async fn a_refusal_for_want_of_credentials_or_a_redirect_ends_the_search() {
    for status in [401, 403, 307, 429] {
        let bench = Bench::new(move |_| async move { Reply::status(status) }).await;
        let error = bench.connect().await.err().unwrap();
        assert!(matches!(error, UpstreamError::Http { status: got, .. } if got == status), "{error:?}");
        assert_eq!(bench.server.asked(), ["POST server/discover"], "{status}");
        assert!(bench.upstream.legacy.get().is_none(), "{status}");
    }
}

#[tokio::test]
async fn a_slow_modern_server_is_asked_again_when_it_refuses_initialize() {
    let bench = Bench::new(|seen| async move {
        match seen.body["method"].as_str() {
            Some("initialize") => {
                let mut refusal = error(&seen.body["id"], -32022);
                refusal["error"]["data"] = json!({"supported": ["2026-07-28"], "requested": "2025-11-25"});
                Reply::status(400).with_json(&refusal)
            }
            _ => {
                tokio::time::sleep(Duration::from_millis(800)).await;
                discovered(&seen).unwrap()
            }
        }
    })
    .await;
    assert_eq!(bench.connect().await.unwrap().info().version, Version::V2026_07_28);
    assert_eq!(bench.server.asked(), ["POST server/discover", "POST initialize", "POST server/discover"]);
}

#[tokio::test]
async fn a_server_that_refuses_the_version_it_names_is_asked_once_more() {
    for (refusals, expected) in [(1, Some(Version::V2026_07_28)), (2, None)] {
        let left = Arc::new(std::sync::atomic::AtomicUsize::new(refusals));
        let bench = Bench::new(move |seen| {
            let refuses = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
            async move {
                let mut refusal = error(&seen.body["id"], -32022);
                refusal["error"]["data"] = json!({"supported": ["2026-07-28"], "requested": "2026-07-28"});
                if refuses { Reply::status(400).with_json(&refusal) } else { discovered(&seen).unwrap() }
            }
        })
        .await;
        assert_eq!(bench.connect().await.ok().map(|link| link.info().version), expected, "{refusals}");
        assert_eq!(bench.server.asked(), ["POST server/discover", "POST server/discover"], "{refusals}");
    }
}

#[tokio::test]
async fn a_server_that_changes_its_transport_is_searched_again() {
    let upgraded = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = upgraded.clone();
    let bench = Bench::new(move |seen| {
        let modern = now.load(std::sync::atomic::Ordering::SeqCst);
        async move {
            match modern {
                true => discovered(&seen).unwrap_or_else(|| Reply::status(400)),
                false => greeted(&seen, "2025-11-25").unwrap(),
            }
        }
    })
    .await;
    assert_eq!(bench.connect().await.unwrap().info().version, Version::V2025_11_25);
    upgraded.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(bench.connect().await.unwrap().info().version, Version::V2026_07_28);
}

#[tokio::test]
async fn unusable_configurations_are_named() {
    let build = |url: &str, headers: &[(&str, &str)], ca_file: Option<&str>| {
        let header =
            |(name, value): &(&str, &str)| (name.parse().unwrap(), Secret::new(value.as_bytes().to_vec()));
        let endpoint = Endpoint {
            url: url.parse().unwrap(),
            headers: headers.iter().map(header).collect(),
            credential: None,
            ca_file: ca_file.map(Into::into),
            certificate: None,
            signer: None,
            danger_tls12: false,
            mode: HttpMode::Auto,
        };
        let config = ServerConfig::new("s".parse().unwrap(), Transport::Http(endpoint.clone()));
        HttpUpstream::new(Arc::new(config), &endpoint, observer().0, health())
            .err()
            .map(|error| error.to_string())
    };
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);
    let cases: &[Case<'_>] = &[
        ("http://h/", &[("authorization", "Bearer x")], None, None),
        ("ftp://h/", &[], None, Some("`url` has to be")),
        ("/mcp", &[], None, Some("`url` has to be")),
        ("http://user:pass@h/", &[], None, Some("`url` has to be")),
        (
            "http://h/",
            &[("Mcp-Session-Id", "x")],
            None,
            Some("header `mcp-session-id` is written by the gateway"),
        ),
        ("http://h/", &[("Host", "x")], None, Some("header `host` is written")),
        ("http://h/", &[("x-a", "line\nbreak")], None, Some("header `x-a` has characters")),
        ("https://h/", &[], Some("/nonexistent.pem"), Some("`ca_file` `/nonexistent.pem`")),
        ("https://h/", &[], Some("/dev/null"), Some("no certificate in it")),
    ];
    for (url, headers, ca_file, expected) in cases {
        let error = build(url, headers, *ca_file);
        match expected {
            None => assert_eq!(error, None, "{url}"),
            Some(part) => {
                assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{url}: {error:?}")
            }
        }
    }
}
