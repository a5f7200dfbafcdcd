//! `CONNECT`, with anything inside.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{super::*, world::*};

#[tokio::test]
async fn bytes_go_both_ways_and_are_counted() {
    let server = Server::echo().await;
    let rule = format!("up.test:{}", server.port);
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::open(Wanted { plain: std::slice::from_ref(&rule), zone, ..Wanted::default() }).await;
    let mut stream = proxy.tunnel(&rule).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "hello");
    let expected =
        [format!("s CONNECT {rule} allowed by {rule}"), format!("{rule} closed, 5 sent, 5 received")];
    assert_eq!(proxy.records(2).await, expected);
    let metrics = proxy.gate.metrics();
    assert_eq!((metrics.allowed(), metrics.refused(), metrics.cut()), (1, 0, 0));
    assert_eq!(metrics.traffic(), Traffic { sent: 5, received: 5 });
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_and_recorded() {
    let server = Server::echo().await;
    let port = server.port;
    let rules =
        ["up.test", "private.test", "mixed.test", "mapped.test", "nat64.test", "meta.test", "none.test"];
    let rules: Vec<String> = rules.iter().map(|name| format!("{name}:{port}")).collect();
    let zone = Zone::default()
        .with("up.test", &[&["127.0.0.1"]])
        .with("private.test", &[&["10.0.0.1"]])
        .with("mixed.test", &[&["127.0.0.1", "192.168.0.1"]])
        .with("mapped.test", &[&["::ffff:127.0.0.1"]])
        .with("nat64.test", &[&["64:ff9b::127.0.0.1"]])
        .with("meta.test", &[&["169.254.169.254"]])
        .with("none.test", &[&[]]);
    let proxy = Proxy::open(Wanted { plain: &rules, zone, ..Wanted::default() }).await;
    let connect = |to: &str| format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let at = |host: &str| format!("{host}:{port}");
    let cases = [
        (connect(&at("private.test")), 403, "TI-06: 10.0.0.1 is private (RFC 1918)"),
        (connect(&at("mixed.test")), 403, "TI-06: 192.168.0.1 is private (RFC 1918)"),
        (
            connect(&at("mapped.test")),
            403,
            "TI-06: ::ffff:127.0.0.1 is IPv4-mapped (RFC 4291), carrying 127.0.0.1",
        ),
        (connect(&at("nat64.test")), 403, "TI-06: 64:ff9b::7f00:1 is loopback, carrying 127.0.0.1"),
        (connect(&at("meta.test")), 403, "TI-06: 169.254.169.254 is link-local, instance metadata"),
        (connect(&at("none.test")), 502, "TI-06: the name has no address: an empty answer"),
        (connect(&at("other.test")), 403, "NET-02: no rule allows it"),
        (connect("up.test:1"), 403, "NET-02: no rule allows it"),
        (connect(&at("127.0.0.1")), 403, "NET-02: no rule allows it"),
        (connect(&at("[::1]")), 403, "NET-02: no rule allows it"),
        (
            connect(&at("2130706433")),
            403,
            "TI-06: the destination cannot be used: the host is an IP address (127.0.0.1), not a name",
        ),
        (
            connect(&at("0x7f.1")),
            403,
            "TI-06: the destination cannot be used: the host is an IP address (127.0.0.1), not a name",
        ),
        (
            connect(&at("0177.0.0.1")),
            403,
            "TI-06: the destination cannot be used: the host is an IP address (127.0.0.1), not a name",
        ),
        (connect(&at("%31%32%37.0.0.1")), 400, "NET-05: this is not a request in HTTP/1"),
        (
            connect(&at("up.test@evil.test")),
            403,
            "TI-06: the destination cannot be used: there is user information before the host",
        ),
        (
            format!("CONNECT up.test:{port} HTTP/1.1\r\nHost: evil.test:{port}\r\n\r\n"),
            400,
            "NET-05: Host names another destination",
        ),
        (
            format!("CONNECT up.test:{port} HTTP/1.1\r\nHost: up.test:1\r\n\r\n"),
            400,
            "NET-05: Host names another destination",
        ),
        (
            format!("CONNECT up.test:{port} HTTP/1.1\r\nHost: up.test:{port}\r\nHost: evil.test\r\n\r\n"),
            400,
            "NET-05: there is more than one Host field",
        ),
        (
            format!("CONNECT up.test:{port} HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
            400,
            "NET-05: CONNECT has a body",
        ),
        (
            format!("CONNECT up.test:{port} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
            "NET-05: CONNECT has a body",
        ),
        (
            "CONNECT /x HTTP/1.1\r\n\r\n".to_owned(),
            403,
            "TI-06: the destination cannot be used: there is no host",
        ),
        ("\x16\x03\x01 hello\r\n\r\n".to_owned(), 400, "NET-05: this is not a request in HTTP/1"),
    ];
    for (number, (request, wanted, record)) in cases.iter().enumerate() {
        let answer = proxy.say(request).await;
        assert_eq!(status(&answer), *wanted, "{request:?} {answer}");
        let records = proxy.records(number + 1).await;
        assert!(
            records[number].ends_with(&format!("refused by {record}")),
            "{request:?}: {}",
            records[number]
        );
        assert!(
            !answer.contains("10.0.0.1") && !answer.contains("192.168"),
            "the answer names an inner address"
        );
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(proxy.gate.metrics().refused(), cases.len() as u64);
}

#[tokio::test]
async fn a_name_is_asked_for_once_and_what_was_checked_is_connected_to() {
    let server = Server::echo().await;
    let rule = format!("re.test:{}", server.port);
    // What follows the first answer would lead elsewhere: to nobody on 127.0.0.2, then into the inner network.
    let zone = Zone::default().with("re.test", &[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.1"]]);
    let proxy = Proxy::open(Wanted { plain: std::slice::from_ref(&rule), zone, ..Wanted::default() }).await;
    let mut first = proxy.tunnel(&rule).await.unwrap();
    assert_eq!(proxy.lookups(), 1);
    first.write_all(b"still here").await.unwrap();
    let refused = proxy.tunnel(&rule).await.unwrap_err();
    assert!(refused.contains("error=destination_ip_prohibited"), "{refused}");
    let mut answer = [0; 10];
    soon(first.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"still here");
    assert!(proxy.tunnel(&rule).await.is_ok());
    assert_eq!((proxy.lookups(), server.connections()), (3, 2));
}

#[tokio::test]
async fn a_silent_resolver_and_a_crowd_of_addresses_are_refused() {
    let many: Vec<String> = (1..=33).map(|n| format!("8.8.8.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let zone = Zone::default().with("many.test", &[&many]);
    let limits = Limits { lookup: std::time::Duration::from_millis(20), ..Limits::default() };
    let rules = ["many.test".to_owned(), "silent.test".to_owned()];
    let proxy = Proxy::open(Wanted { hosts: &rules, zone, limits, ..Wanted::default() }).await;
    for (number, (to, reason)) in [
        ("many.test:443", "the name has 33 addresses, more than are looked at"),
        ("silent.test:443", "the name was not resolved in time"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(proxy.tunnel(to).await.map(|_| ()).map_err(|answer| status(&answer)), Err(502));
        assert!(proxy.records(number + 1).await[number].ends_with(reason), "{to}");
    }
}

#[tokio::test]
async fn nothing_leaves_without_a_record() {
    let server = Server::echo().await;
    let rule = format!("up.test:{}", server.port);
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy =
        Proxy::open(Wanted { plain: std::slice::from_ref(&rule), zone, broken: true, ..Wanted::default() })
            .await;
    assert_eq!(proxy.tunnel(&rule).await.map(|_| ()).map_err(|answer| status(&answer)), Err(503));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn nobody_there_is_said_and_recorded() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rule = format!("up.test:{port}");
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::open(Wanted { plain: std::slice::from_ref(&rule), zone, ..Wanted::default() }).await;
    assert_eq!(proxy.tunnel(&rule).await.map(|_| ()).map_err(|answer| status(&answer)), Err(502));
    let records = proxy.records(2).await;
    assert!(records[1].starts_with(&format!("{rule} cut: no connection: 127.0.0.1: ")), "{}", records[1]);
}

#[tokio::test]
async fn too_much_is_cut_off() {
    let server = Server::echo().await;
    let rule = format!("up.test:{}", server.port);
    let limits =
        Limits { upload_bytes: 10, upload_bytes_per_hour: 15, download_bytes: 7, ..Limits::default() };
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy =
        Proxy::open(Wanted { plain: std::slice::from_ref(&rule), zone, limits, ..Wanted::default() }).await;
    for (number, (sent, end)) in [
        ("eleven byte", "cut: more than 10 bytes would have been sent on one connection, 0 sent, 0 received"),
        ("eight by", "cut: more than 7 bytes came back on one connection, 8 sent, 8 received"),
        ("seven b", "closed, 7 sent, 7 received"),
        ("x", "cut: more than 15 bytes would have been sent in one hour, 0 sent, 0 received"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut stream = proxy.tunnel(&rule).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        let _ = soon(stream.read_to_end(&mut Vec::new())).await;
        assert_eq!(proxy.records(2 * number + 2).await[2 * number + 1], format!("{rule} {end}"), "{sent}");
    }
}

#[tokio::test]
async fn silence_has_an_end() {
    let server = Server::echo().await;
    let rule = format!("up.test:{}", server.port);
    let limits = Limits { idle: std::time::Duration::from_millis(30), ..Limits::default() };
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy =
        Proxy::open(Wanted { plain: std::slice::from_ref(&rule), zone, limits, ..Wanted::default() }).await;
    let mut stream = proxy.tunnel(&rule).await.unwrap();
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    assert_eq!(
        proxy.records(2).await[1],
        format!("{rule} cut: the next byte took too long, 0 sent, 0 received")
    );
}

#[tokio::test]
async fn old_clients_are_understood() {
    let server = Server::echo().await;
    let rule = format!("up.test:{}", server.port);
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::open(Wanted { plain: std::slice::from_ref(&rule), zone, ..Wanted::default() }).await;
    let mut stream = proxy.connect().await;
    stream.write_all(format!("CONNECT {rule} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&soon(read_head(&mut stream)).await), 200);
    stream.write_all(b"x").await.unwrap();
    let mut answer = [0];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"x");
}
