//! Tunnels that have to be TLS to the host they were asked for.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{super::*, world::*};

struct Tls {
    server: Server,
    connector: TlsConnector,
}

/// An echo server with a certificate for these names, and a client that trusts it.
async fn tls_echo(names: &[&str]) -> Tls {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let (mut from, mut to) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            }
        }
    })
    .await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    Tls { server, connector: TlsConnector::from(Arc::new(config)) }
}

async fn talk(connector: &TlsConnector, stream: TcpStream, name: &'static str) -> Result<String, String> {
    let mut stream = connector.connect(name.try_into().unwrap(), stream).await.map_err(|e| e.to_string())?;
    stream.write_all(b"hello").await.map_err(|e| e.to_string())?;
    stream.shutdown().await.map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(|e| e.to_string())?;
    Ok(answer)
}

#[tokio::test]
async fn the_name_in_the_hello_is_the_name_that_was_asked_for() {
    let tls = tls_echo(&["up.test", "evil.test", "127.0.0.1"]).await;
    let port = tls.server.port;
    let rules = [format!("up.test:{port}"), format!("127.0.0.1:{port}")];
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy = Proxy::open(Wanted { hosts: &rules, zone, ..Wanted::default() }).await;

    let stream = proxy.tunnel(&rules[0]).await.unwrap();
    assert_eq!(soon(talk(&tls.connector, stream, "up.test")).await.as_deref(), Ok("hello"));
    let stream = proxy.tunnel(&rules[1]).await.unwrap();
    assert_eq!(soon(talk(&tls.connector, stream, "127.0.0.1")).await.as_deref(), Ok("hello"));

    let stream = proxy.tunnel(&rules[0]).await.unwrap();
    assert!(soon(talk(&tls.connector, stream, "evil.test")).await.is_err());
    let records = proxy.records(7).await;
    let denial = "the TLS client names evil.test, not the host it asked for";
    assert_eq!(records[5], format!("s CONNECT {} refused by NET-02: {denial}", rules[0]));
    assert_eq!(records[6], format!("{} cut: {denial}, 0 sent, 0 received", rules[0]));
    assert_eq!(proxy.gate.metrics().refused(), 1);
}

#[tokio::test]
async fn what_is_not_tls_does_not_reach_the_server() {
    let (server, heard) = Server::answering("HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let rule = format!("up.test:{}", server.port);
    let limits = Limits { head: std::time::Duration::from_millis(300), ..Limits::default() };
    let zone = Zone::default().with("up.test", &[&["127.0.0.1"]]);
    let proxy =
        Proxy::open(Wanted { hosts: std::slice::from_ref(&rule), zone, limits, ..Wanted::default() }).await;
    let cases: [(&[u8], bool, &str); 5] = [
        (
            b"GET / HTTP/1.1\r\n\r\n",
            false,
            "the tunnel does not begin with TLS: these are not the bytes of a TLS ClientHello",
        ),
        (
            b"\x16\x03\x01\x00\x05\x01\x00\xff\xff\xff",
            false,
            "the tunnel does not begin with TLS: the ClientHello is longer than 16384 bytes",
        ),
        (
            b"\x16\x03\x01\x02",
            true,
            "the tunnel does not begin with TLS: the connection ended before the ClientHello did",
        ),
        (b"", true, "the tunnel does not begin with TLS: the connection ended before the ClientHello did"),
        (b"\x16\x03\x01\x02", false, "the TLS ClientHello took too long"),
    ];
    for (number, (bytes, ends, reason)) in cases.into_iter().enumerate() {
        let mut stream = proxy.tunnel(&rule).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        if ends {
            stream.shutdown().await.unwrap();
        }
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(answer.is_empty());
        let records = proxy.records(3 * number + 3).await;
        assert!(records[3 * number + 1].ends_with(reason), "{}", records[3 * number + 1]);
    }
    assert_eq!(*heard.borrow(), "");
}
