//! Requests in absolute form.

use super::{super::*, world::*};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-secret\r\nX-Secret: 1\r\n\r\nhi";

struct Place {
    proxy: Proxy,
    server: Server,
    heard: tokio::sync::watch::Receiver<String>,
    port: u16,
}

async fn place(answer: &str, limits: Limits) -> Place {
    let (server, heard) = Server::answering(answer.to_owned()).await;
    let port = server.port;
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]).with("tls.test", &[&["127.0.0.1"]]);
    let (plain, hosts) = ([format!("up.test:{port}")], [format!("tls.test:{port}")]);
    let proxy = Proxy::open(Wanted { plain: &plain, hosts: &hosts, zone, limits, ..Wanted::default() }).await;
    Place { proxy, server, heard, port }
}

#[tokio::test]
async fn requests_are_passed_on_in_one_framing_only() {
    let it = place(OK, Limits::default()).await;
    let port = it.port;
    let head = format!("POST http://UP.test.:{port}/a?b=c HTTP/1.1\r\nHost: up.test:{port}\r\n");
    // Two lengths: what the second says would hide a request.
    let body = "5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\nGET http://evil.test/ HTTP/1.1\r\n\r\n";
    let fields = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nProxy-Authorization: Basic x\r\n\
                  Connection: close, x-hop\r\nX-Hop: 1\r\nX-Keep: 2\r\nTE: trailers\r\nUpgrade: h2c\r\nExpect: nothing\r\n\r\n";
    let answer = it.proxy.say(&format!("{head}{fields}{body}")).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("hi") && !answer.to_lowercase().contains("x-secret"), "{answer}");
    let heard = it.heard.borrow().clone();
    assert!(heard.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{heard}");
    let lower = heard.to_lowercase();
    for (part, count) in [
        (format!("host: up.test:{port}\r\n"), 1),
        ("x-keep: 2".to_owned(), 1),
        ("transfer-encoding: chunked".to_owned(), 1),
        ("content-length".to_owned(), 0),
        ("proxy-authorization".to_owned(), 0),
        ("x-hop".to_owned(), 0),
        ("trailer".to_owned(), 0),
        ("upgrade".to_owned(), 0),
        ("evil".to_owned(), 0),
    ] {
        assert_eq!(lower.matches(&part).count(), count, "{part} in {heard}");
    }
    let records = it.proxy.records(2).await;
    assert_eq!(records[0], format!("s HTTP up.test:{port} allowed by up.test:{port}"));
    assert!(records[1].starts_with(&format!("up.test:{port} closed, ")), "{}", records[1]);
    assert!(records[1].ends_with(", 2 received"), "{}", records[1]);
}

#[tokio::test]
async fn what_is_not_plainly_allowed_is_refused() {
    let it = place(OK, Limits::default()).await;
    let port = it.port;
    let get = |url: String, host: String| format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let at = |host: &str| format!("{host}:{port}");
    let cases = [
        (
            get(format!("http://{}/", at("tls.test")), at("tls.test")),
            403,
            "the destination is allowed with TLS only",
        ),
        (get(format!("https://{}/", at("up.test")), at("up.test")), 403, "the scheme is not http"),
        (get(format!("ftp://{}/", at("up.test")), at("up.test")), 403, "the scheme is not http"),
        (get(format!("gopher://{}/", at("up.test")), at("up.test")), 403, "the scheme is not http"),
        (get("http://up.test/".to_owned(), "up.test".to_owned()), 403, "no rule allows it"),
        (get(format!("http://{}/", at("evil.test")), at("evil.test")), 403, "no rule allows it"),
        (get(format!("http://{}/", at("up.test")), at("evil.test")), 400, "Host names another destination"),
        (
            get(format!("http://{}/", at("up.test@evil.test")), at("up.test")),
            403,
            "there is user information before the host",
        ),
        (get(format!("http://{}/", at("169.254.169.254")), at("169.254.169.254")), 403, "no rule allows it"),
        (
            get(format!("http://{}/", at("0xa9fea9fe")), at("0xa9fea9fe")),
            403,
            "the host is an IP address (169.254.169.254), not a name",
        ),
        (get("/".to_owned(), at("up.test")), 400, "this is a proxy: ask for a whole URL"),
        (get("*".to_owned(), at("up.test")), 400, "this is a proxy: ask for a whole URL"),
        (
            format!(
                "GET http://up.test:{port}/ HTTP/1.1\r\nHost: up.test:{port}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"
            ),
            400,
            "this is not a request in HTTP/1",
        ),
        (
            format!("GET http://up.test:{port}/ HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
            400,
            "this is not a request in HTTP/1",
        ),
        (
            format!("GET http://up.test:{port}/ HTTP/1.1\r\nHost : up.test\r\n\r\n"),
            400,
            "this is not a request in HTTP/1",
        ),
    ];
    for (number, (request, wanted, record)) in cases.iter().enumerate() {
        let answer = it.proxy.say(request).await;
        assert_eq!(status(&answer), *wanted, "{request:?} {answer}");
        let records = it.proxy.records(number + 1).await;
        assert!(records[number].ends_with(record), "{request:?}: {}", records[number]);
    }
    assert_eq!(it.server.connections(), 0);
}

#[tokio::test]
async fn each_side_speaks_its_own_version() {
    // A client that is answered in HTTP/1.0 goes on in it.
    let it = place("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", Limits::default()).await;
    let host = format!("up.test:{}", it.port);
    for (version, fields) in [("1.1", format!("Host: {host}\r\n")), ("1.0", String::new())] {
        let answer = it.proxy.say(&format!("GET http://{host}/ HTTP/{version}\r\n{fields}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/{version} 200 ")) && answer.ends_with("hi"), "{answer}");
    }
    let heard = it.heard.borrow().clone();
    assert_eq!(heard.matches("GET / HTTP/1.1\r\n").count(), 2, "{heard}");
}

#[tokio::test]
async fn a_redirect_is_a_new_question() {
    let to = "http://169.254.169.254/latest/meta-data/";
    let it = place(
        &format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
        Limits::default(),
    )
    .await;
    let get = |url: &str, host: &str| format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let host = format!("up.test:{}", it.port);
    let answer = it.proxy.say(&get(&format!("http://{host}/"), &host)).await;
    assert_eq!(status(&answer), 302);
    let location =
        answer.lines().find_map(|line| line.to_lowercase().strip_prefix("location: ").map(str::to_owned));
    let answer = it.proxy.say(&get(&location.unwrap(), "169.254.169.254")).await;
    assert_eq!(status(&answer), 403, "{answer}");
}

#[tokio::test]
async fn answers_have_bounds() {
    let long = "x".repeat(20_000);
    let soon = std::time::Duration::from_millis(200);
    let limits = || Limits {
        head_bytes: 9_000,
        download_bytes: 10_000,
        upload_bytes: 1_000,
        idle: soon,
        ..Limits::default()
    };
    let cases = [
        (format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n"), "", 502, "cut: no connection: "),
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n{long}"),
            "",
            200,
            "cut: more than 10000 bytes came back",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned(),
            "",
            200,
            "cut: the next part of a body took too long",
        ),
        (String::new(), "", 504, "cut: the answer took too long"),
        ("nonsense\r\n\r\n".to_owned(), "", 502, "cut: no connection: "),
        (String::new(), &long[..2_000], 413, "cut: more than 1000 bytes would have been sent"),
    ];
    for (answer, body, wanted, end) in cases {
        let it = place(&answer, limits()).await;
        let host = format!("up.test:{}", it.port);
        let length = body.len();
        let request =
            format!("POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}");
        let seen = it.proxy.say(&request).await;
        assert_eq!(status(&seen), wanted, "{end}: {seen}");
        let records = it.proxy.records(2).await;
        assert!(records[1].starts_with(&format!("{host} {end}")), "{}", records[1]);
    }
}
