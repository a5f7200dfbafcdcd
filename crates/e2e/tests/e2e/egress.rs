//! A real server that fetches what it is asked to, with the egress proxy as its way out.

use std::{path::Path, sync::Arc};

use portcullis_testkit::{
    bed::Bed,
    egress::EgressProxy,
    gateway::{Gateway, Record, Setup, portcullis},
    names::NameServer,
    server::Launch,
};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    message::{call, modern},
    raw::{Request, SOON},
};

/// Plain text, so that the server does not install a converter for HTML first: that asks a package registry.
const SAYS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 16\r\nConnection: close\r\n\r\nUser-agent: *\n# x";

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = [0; 4_096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(SAYS.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Serves over HTTP and, with a certificate for `tls.test` that it writes to `ca`, over TLS. Gives back the ports.
pub(crate) async fn origin(ca: &Path) -> (u16, u16) {
    let (plain, tls) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let ports = (plain.local_addr().unwrap().port(), tls.local_addr().unwrap().port());
    let made = rcgen::generate_simple_self_signed(vec!["tls.test".to_owned()]).unwrap();
    std::fs::write(ca, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor =
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = plain.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tls.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream).await;
                }
            });
        }
    });
    ports
}

pub(crate) async fn fetch(gateway: &Gateway, url: &str) -> (bool, String) {
    let message = modern(1, "tools/call", call("fetch", json!({ "url": url, "raw": true })));
    let json = Request::modern("/mcp/fetch", &message).send(gateway.address()).await.json();
    let result = &json["result"];
    let text = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    (result["content"].is_array() && result["isError"] != true, text)
}

#[tokio::test]
async fn a_server_that_fetches_gets_what_is_listed_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.pem");
    let (plain, tls) = origin(&ca).await;
    let here: &[&[&str]] = &[&["127.0.0.1"]];
    let zone =
        [("plain.test", here), ("tls.test", here), ("other.test", here), ("inside.test", &[&["127.0.0.2"]])];
    let names = NameServer::start(&zone).await.unwrap();
    let server = names.address().to_string();
    let rules = [format!("tls.test:{tls}"), format!("plain.test:{plain}"), format!("inside.test:{plain}")];
    let proxy = EgressProxy::start(
        portcullis().unwrap(),
        &[
            "--name",
            "fetch",
            "--name-server",
            &server,
            "--danger-allow-address",
            "127.0.0.1",
            "--allow",
            &rules[0],
            "--danger-allow-plain",
            &rules[1],
            "--danger-allow-plain",
            &rules[2],
        ],
    )
    .await
    .unwrap();
    let launch = Launch::fetch(&Bed::load().unwrap(), &proxy.url(), &ca);
    let gateway = Setup::new().stdio("fetch", &launch).start().await.unwrap();

    for url in [format!("http://plain.test:{plain}/"), format!("https://tls.test:{tls}/")] {
        let (worked, text) = fetch(&gateway, &url).await;
        assert!(worked && text.contains("User-agent: *"), "{url}: {text}");
    }
    for (url, method, item) in [
        (format!("https://other.test:{tls}/"), "CONNECT", format!("other.test:{tls}")),
        (format!("http://inside.test:{plain}/"), "HTTP", format!("inside.test:{plain}")),
        (format!("http://plain.test:{tls}/"), "HTTP", format!("plain.test:{tls}")),
    ] {
        let (worked, text) = fetch(&gateway, &url).await;
        assert!(!worked, "{url}: {text}");
        let refused = |it: &Record| {
            it.refused() == "denied"
                && (it.text("server"), it.text("method"), it.text("item")) == ("fetch", method, &*item)
        };
        proxy.wait_for("the refusal", SOON, refused).await.unwrap();
    }
    let allowed = proxy.records().unwrap().iter().filter(|it| it.is_allowed()).count();
    // A page and its `robots.txt`, twice.
    assert_eq!(allowed, 4);
    assert!(!names.asked().contains(&"other.test".to_owned()), "a name that is not listed was asked for");
}
