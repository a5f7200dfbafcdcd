//! Requests that are signed from one gateway to the next, and somebody in between who reads, changes and repeats them
//! (control NET-06).

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use portcullis_testkit::{
    gateway::{Gateway, Setup, portcullis},
    issuer::message_key,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::{
    message::{LEGACY, call, initialize, modern},
    odd::odd,
    pipe::Pipe,
    raw::{Answer, Request, SOON, exchange},
};

/// Somebody between two gateways.
struct Middle {
    address: SocketAddr,
    /// Whether it makes `jello` of each `hello`, which is as long.
    changes: Arc<AtomicBool>,
    /// Everything it passed on.
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Middle {
    /// Passes on what comes to whoever is at `to` by then.
    async fn start(to: Arc<Mutex<Option<SocketAddr>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (changes, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (changing, seeing) = (Arc::clone(&changes), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let to = to.lock().unwrap().unwrap();
                let (changing, seeing) = (Arc::clone(&changing), Arc::clone(&seeing));
                tokio::spawn(pass_on(from, to, changing, seeing));
            }
        });
        Self { address, changes, seen }
    }
}

async fn pass_on(from: TcpStream, to: SocketAddr, changes: Arc<AtomicBool>, seen: Arc<Mutex<Vec<u8>>>) {
    let (mut from_read, mut from_write) = from.into_split();
    let (mut to_read, mut to_write) = TcpStream::connect(to).await.unwrap().into_split();
    tokio::spawn(async move { tokio::io::copy(&mut to_read, &mut from_write).await });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from_read.read(&mut buffer).await {
        let mut bytes = buffer[..length].to_vec();
        if changes.load(Ordering::SeqCst) {
            bytes = String::from_utf8(bytes).unwrap().replace("hello", "jello").into_bytes();
        }
        seen.lock().unwrap().extend_from_slice(&bytes);
        if to_write.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

fn private(place: &Path, name: &str, text: &str) -> PathBuf {
    let file = place.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// A gateway that wants signatures, and the way to it.
struct Far {
    gateway: Gateway,
    middle: Middle,
    key: PathBuf,
    place: tempfile::TempDir,
}

impl Far {
    async fn new(curve: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (pem, public) = message_key(curve, "near");
        let key = private(place.path(), "near.pem", &pem);
        let keys = place.path().join("keys.json");
        fs::write(&keys, json!({ "keys": [public] }).to_string()).unwrap();
        let to = Arc::new(Mutex::new(None));
        let middle = Middle::start(Arc::clone(&to)).await;
        let setup = Setup::new()
            .stdio("one", &odd(&[]))
            .gateway(&format!("public_url = \"http://{}\"", middle.address))
            .sections(&format!("[auth]\nsignature_keys = {}\n", json!(keys)));
        let gateway = setup.start().await.unwrap();
        *to.lock().unwrap() = Some(gateway.address());
        Self { gateway, middle, key, place }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp/one", self.middle.address)
    }

    async fn why(&self, what: &str) {
        let found = |it: &portcullis_testkit::gateway::Record| {
            let decision = &it.value()["decision"];
            decision["detail"].as_str().is_some_and(|detail| detail.contains(what))
        };
        self.gateway.wait_for(what, SOON, found).await.unwrap();
    }
}

async fn echo(gateway: &Gateway, text: &str) -> Answer {
    let message = modern(1, "tools/call", call("echo", json!({ "text": text })));
    Request::modern("/mcp/far", &message).send(gateway.address()).await
}

#[tokio::test]
async fn what_is_signed_arrives_as_it_was_sent_and_once() {
    for curve in ["P-256", "Ed25519"] {
        let far = Far::new(curve).await;
        let settings = format!("signature_key = {}\nsignature_key_id = \"near\"", json!(far.key));
        let near = Setup::new().http("far", &far.url()).with(&settings).start().await.unwrap();
        let answer = echo(&near, "hello").await;
        assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {}", near.said());
        assert!(answer.body.contains("hello"), "{answer:?}");

        // The same bytes once more.
        let seen = far.middle.seen.lock().unwrap().clone();
        let text = String::from_utf8(seen).unwrap();
        let calls: Vec<&str> = text.split_inclusive("}}}").filter(|it| it.contains("hello")).collect();
        let [request] = calls.as_slice() else { panic!("{text}") };
        let (_, request) = request.split_once("POST").unwrap();
        let request = format!("POST{request}");
        assert!(request.to_lowercase().contains("content-digest: sha-256=:"), "{request}");
        let replayed = exchange(far.gateway.address(), request.as_bytes()).await;
        assert_eq!(replayed.status, 403, "{replayed:?}");
        far.why("used before").await;

        far.middle.changes.store(true, Ordering::SeqCst);
        let changed = echo(&near, "hello").await;
        assert_ne!(changed.code(), 0, "{changed:?}");
        assert!(!changed.body.contains("jello"), "{changed:?}");
        far.why("the body is not the one that was signed").await;
        far.middle.changes.store(false, Ordering::SeqCst);
        assert_eq!(echo(&near, "hello").await.code(), 0, "the link is still good");
    }
}

#[tokio::test]
async fn without_a_known_key_nothing_is_served() {
    let far = Far::new("P-256").await;
    let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
    let unsigned = Request::modern("/mcp/one", &message).send(far.gateway.address()).await;
    assert_eq!((unsigned.status, unsigned.code()), (403, 40301), "{unsigned:?}");
    assert!(unsigned.body.contains("signed"), "{unsigned:?}");
    let get = Request::new("GET", "/mcp/one").header("accept", "text/event-stream");
    assert_eq!(get.send(far.gateway.address()).await.status, 403);
    far.why("no header `signature-input`").await;

    let (pem, _) = message_key("P-256", "near");
    let stranger = private(far.place.path(), "stranger.pem", &pem);
    let settings = format!("signature_key = {}\nsignature_key_id = \"near\"", json!(stranger));
    let near = Setup::new().http("far", &far.url()).with(&settings).start().await.unwrap();
    assert_ne!(echo(&near, "hello").await.code(), 0);
    far.why("the signature is wrong").await;
    let allowed = far.gateway.records().unwrap().iter().any(|it| it.allows("tools/call", "one", "echo"));
    assert!(!allowed);
}

/// What an ordinary client needs: a command in its settings.
#[tokio::test]
async fn a_client_on_pipes_has_its_requests_signed() {
    let far = Far::new("Ed25519").await;
    let mut command = Command::new(portcullis().unwrap());
    command
        .args(["connect", "--name", "far", "--sign-key-id", "near", "--sign-key"])
        .arg(&far.key)
        .arg("--record")
        .arg(far.place.path().join("near.jsonl"))
        .arg(far.url());
    let mut client = Pipe::start(command);
    assert_eq!(client.ask(&initialize(LEGACY)).await["result"]["protocolVersion"], LEGACY);
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let params = call("echo", json!({ "text": "hello" }));
    let asked = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
    let answer: Value = client.ask(&asked).await;
    assert!(answer["result"].to_string().contains("hello"), "{answer}");
    let records = far.gateway.records().unwrap();
    assert!(records.iter().any(|it| it.allows("tools/call", "one", "echo")));
}
