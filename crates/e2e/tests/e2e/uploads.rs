//! A refusal that is sent while the body is still coming reaches its client, over HTTP/1.1 and over HTTP/2.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_testkit::gateway::{Gateway, Setup};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpStream, process::Command, time::Instant};
use tokio_rustls::TlsConnector;

use crate::{
    odd::odd,
    raw::{Request, SOON, exchange},
};

/// Bodies larger than `limits.body_bytes` among them, whose refusal is what matters most.
const SIZES: [usize; 4] = [1_024, 256 * 1024, 3 * 1024 * 1024, 6 * 1024 * 1024];
/// Whether an answer is lost is a matter of luck.
const TIMES: usize = 5;

/// How long the gateway waits for the rest of a body that it does not want.
const LINGER: Duration = Duration::from_secs(2);

/// Why each request is refused, before and while its body is read.
const REASONS: [(&str, &str, u16); 2] =
    [("origin", "https://evil.example", 403), ("x-nothing", "wrong", 413)];

struct House {
    gateway: Gateway,
    place: TempDir,
    roots: RootCertStore,
}

impl House {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
        fs::write(&cert, issued.cert.pem()).unwrap();
        fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(issued.cert.der().clone()).unwrap();
        let sections = format!(
            "[tls]\ncert = {cert:?}\nkey = {key:?}\n[limits]\nbody_bytes = 1024\nrequests_per_second = 1000\n"
        );
        let setup = Setup::new().stdio("one", &odd(&[])).sections(&sections);
        Self { gateway: setup.start().await.unwrap(), place, roots }
    }

    fn url(&self) -> String {
        format!("https://{}/mcp/one", self.gateway.address())
    }
}

/// Status and JSON-RPC code that curl was given.
async fn curl(house: &House, version: &str, size: usize, (name, value): (&str, &str)) -> (u16, i64) {
    let (body, out) = (house.place.path().join("body"), house.place.path().join("out"));
    fs::write(&body, vec![b'x'; size]).unwrap();
    let _ = fs::remove_file(&out);
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--insecure",
        "--max-time",
        "30",
        "--request",
        "POST",
        version,
    ]);
    // Without leave to send the body, as most clients send theirs.
    for header in ["expect:", "content-type: application/json", "accept: application/json, text/event-stream"]
    {
        command.args(["--header", header]);
    }
    command.args(["--header", &format!("{name}: {value}"), "--write-out", "%{http_code} %{http_version}"]);
    command.arg("--data-binary").arg(format!("@{}", body.display())).arg("--output").arg(&out);
    let ended = command.arg(house.url()).output().await.expect("curl is there: scripts/prerequisites");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let (status, spoken) = said.split_once(' ').unwrap();
    let wanted = if version == "--http2" { "2" } else { "1.1" };
    assert_eq!(spoken, wanted, "{}", String::from_utf8_lossy(&ended.stderr));
    (
        if ended.status.success() { status.parse().unwrap() } else { 0 },
        code(&fs::read(&out).unwrap_or_default()),
    )
}

fn code(body: &[u8]) -> i64 {
    serde_json::from_slice::<Value>(body).unwrap_or_default()["error"]["code"].as_i64().unwrap_or_default()
}

#[tokio::test]
async fn curl_gets_every_refusal() {
    let house = House::new().await;
    let mut lost = Vec::new();
    for version in ["--http1.1", "--http2"] {
        for (name, value, status) in REASONS {
            for size in SIZES.into_iter().filter(|size| status == 403 || *size > 1_024) {
                for _ in 0..TIMES {
                    let got = curl(&house, version, size, (name, value)).await;
                    if got.0 != status || got.1 == 0 {
                        lost.push((version, status, size, got));
                    }
                }
            }
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "answers of the gateway under test")]
async fn a_client_of_http_2_gets_every_refusal_and_keeps_its_connection() {
    let house = House::new().await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(house.roots.clone()).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = house.gateway.address();
    let stream = TcpStream::connect(address).await.unwrap();
    let stream =
        TlsConnector::from(Arc::new(config)).connect(ServerName::from(address.ip()), stream).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for (name, value, status) in REASONS {
        for size in SIZES.into_iter().filter(|size| status == 403 || *size > 1_024) {
            let request = http::Request::post(house.url())
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
                .header(name, value)
                .body(Full::new(Bytes::from(vec![b'x'; size])))
                .unwrap();
            let answer = client.send_request(request).await.unwrap();
            assert_eq!(answer.status(), status, "{size}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_ne!(code(&body), 0, "{size}");
        }
    }
    drop(client);
    connection.await.unwrap().unwrap();
}

/// Whoever announces a body and does not send it is not waited for long.
#[tokio::test]
async fn a_body_that_does_not_come_holds_nobody_up() {
    let gateway = Setup::new().stdio("one", &odd(&[])).start().await.unwrap();
    let refused = |length: usize| {
        Request::post("/mcp/one", "").header("origin", "https://evil.example").head(Some(length))
    };
    for (length, patience) in [(1_000, SOON), (1 << 40, LINGER)] {
        let began = Instant::now();
        let answer = exchange(gateway.address(), &refused(length)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(began.elapsed() < patience, "{length}: {:?}", began.elapsed());
    }
    // Who asks for leave to send it is told at once.
    let began = Instant::now();
    let asks = Request::post("/mcp/one", "")
        .header("origin", "https://evil.example")
        .header("expect", "100-continue");
    let answer = exchange(gateway.address(), &asks.head(Some(1_000))).await;
    assert_eq!((answer.status, began.elapsed() < LINGER), (403, true), "{answer:?}");
}
