//! Witnesses over HTTP: two gateways whose logs are cosigned beside each other, a witness that is away, and an older copy of a
//! log that its witness has seen more of.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use portcullis_audit::note::VerifierKey;
use portcullis_testkit::gateway::{Gateway, Record, Setup, portcullis};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{
    message::{call, modern},
    odd::odd,
    raw::{Request, SOON, exchange},
    until::POLL,
};

/// A witness that runs.
struct Witness {
    address: std::net::SocketAddr,
    _process: Child,
}

impl Witness {
    /// Of the log whose public key is `log`.
    async fn start(place: &Path, name: &str, log: &Path, listen: &str) -> Self {
        let mut command = Command::new(portcullis().unwrap());
        command.args(["audit", "witness", "--listen", listen, "--key"]).arg(log);
        command.arg("--witness-key").arg(place.join(name)).arg("--store").arg(store(place, name));
        let mut process = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        loop {
            let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap().expect("it serves");
            if let Some((_, address)) = line.split_once("listening on http://") {
                let address = address.trim_end_matches('/').parse().unwrap();
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Self { address, _process: process };
            }
        }
    }
}

fn store(place: &Path, witness: &str) -> PathBuf {
    place.join(format!("{witness}.store"))
}

async fn key(place: &Path, name: &str, more: &[&str]) -> PathBuf {
    let mut command = Command::new(portcullis().unwrap());
    command.args(["audit", "key", "new", "--name", &format!("example.com/{name}")]).args(more);
    assert!(command.arg(place.join(name)).output().await.unwrap().status.success());
    place.join(name).with_added_extension("pub")
}

fn public(key: &Path) -> String {
    fs::read_to_string(key).unwrap().trim().to_owned()
}

/// A gateway whose log is called `name` and cosigned by the witness with this public key.
async fn gateway(place: &Path, name: &str, witness: (&Path, std::net::SocketAddr)) -> Gateway {
    let (log, key) = (place.join(format!("{name}.log")), place.join(name));
    let witnesses = format!("[{:?}]", format!("{} http://{}/", public(witness.0), witness.1));
    let audit = format!("log = {log:?}\nlog_key = {key:?}\nwitnesses = {witnesses}");
    Setup::new().stdio("odd", &odd(&[])).audit(&audit).start().await.unwrap()
}

async fn echo(gateway: &Gateway) {
    let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
    assert_eq!(Request::modern("/mcp/odd", &message).send(gateway.address()).await.code(), 0);
}

/// Entries of the newest checkpoint that the witness has cosigned and the log has taken over.
async fn witnessed(place: &Path, name: &str, witness: &Path) -> u64 {
    let mut command = Command::new(portcullis().unwrap());
    command.args(["audit", "verify", "--json", "--key"]).arg(place.join(format!("{name}.pub")));
    command.arg("--witness").arg(witness).arg(place.join(format!("{name}.log")));
    let output = command.output().await.unwrap();
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else { return 0 };
    let seen = report["witnessed_by"].as_array().cloned().unwrap_or_default();
    seen.iter().filter_map(|it| it["size"].as_u64()).max().unwrap_or(0)
}

/// Waits until the witness has cosigned more than `before` entries.
async fn beyond(place: &Path, name: &str, witness: &Path, before: u64) -> u64 {
    let end = Instant::now() + SOON;
    loop {
        let size = witnessed(place, name, witness).await;
        if size > before {
            return size;
        }
        assert!(Instant::now() < end, "`{name}` has no more than {size} entries cosigned");
        sleep(POLL).await;
    }
}

/// What the witness keeps of its only log.
fn kept(place: &Path, witness: &str) -> PathBuf {
    let directories = fs::read_dir(store(place, witness)).unwrap().map(|entry| entry.unwrap().path());
    directories.into_iter().find(|path| path.is_dir()).unwrap().join("checkpoint")
}

fn says(event: &str, words: &str) -> impl Fn(&Record) -> bool {
    move |it| {
        it.text("event") == event
            && it.text("subject").starts_with("audit.witness.")
            && it.text("detail").contains(words)
    }
}

#[tokio::test]
async fn gateways_are_cosigned_beside_each_other_and_found_out_when_rolled_back() {
    let files = tempfile::tempdir().unwrap();
    let place = files.path();
    let [log_a, log_b] = [key(place, "a", &[]).await, key(place, "b", &[]).await];
    let beside_a = key(place, "beside-a", &["--witness"]).await;
    let beside_b = key(place, "beside-b", &["--witness", "--post-quantum"]).await;
    let of_b = Witness::start(place, "beside-a", &log_b, "127.0.0.1:0").await;
    let of_a = Witness::start(place, "beside-b", &log_a, "127.0.0.1:0").await;
    // A gateway knows one key of its witness; the other signatures are not its concern.
    let known = place.join("known.pub");
    fs::write(&known, public(&beside_b).lines().next().unwrap()).unwrap();
    let mut a = gateway(place, "a", (&known, of_a.address)).await;
    let b = gateway(place, "b", (&beside_a, of_b.address)).await;
    echo(&a).await;
    echo(&b).await;
    let first = beyond(place, "a", &known, 0).await;
    beyond(place, "b", &beside_a, 0).await;
    echo(&a).await;
    let second = beyond(place, "a", &known, first).await;

    // What the witness kept is a beginning of the log.
    let mut verify = Command::new(portcullis().unwrap());
    verify.args(["audit", "verify", "--key"]).arg(&log_a).arg("--since").arg(kept(place, "beside-b"));
    let output = verify.arg(place.join("a.log")).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");

    for (request, status) in
        [("GET /add-checkpoint", "405"), ("POST /", "404"), ("POST /add-checkpoint", "400")]
    {
        let request =
            format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(exchange(of_a.address, request.as_bytes()).await.status.to_string(), status, "{request}");
    }

    // A witness that is away costs no call, and is on record.
    let address = of_a.address.to_string();
    drop(of_a);
    echo(&a).await;
    a.wait_for("that it fails", SOON, says("degraded", "not cosigned")).await.unwrap();
    echo(&a).await;
    let _of_a = Witness::start(place, "beside-b", &log_a, &address).await;
    a.wait_for("that it works", SOON, says("restored", "")).await.unwrap();
    let third = beyond(place, "a", &known, second).await;

    // An older copy of the log, put back with its lines, is found out by who has seen more.
    a.kill();
    let (directory, lines) = (place.join("a.log"), a.log());
    let older = place.join("older");
    copy(&directory, &older.join("log"));
    fs::copy(&lines, older.join("lines")).unwrap();
    let mut a = a.again().await.unwrap();
    for _ in 0..20 {
        echo(&a).await;
    }
    beyond(place, "a", &known, third + 40).await;
    a.kill();
    fs::remove_dir_all(&directory).unwrap();
    copy(&older.join("log"), &directory);
    fs::copy(older.join("lines"), &lines).unwrap();
    let a = a.again().await.unwrap();
    a.wait_for("that it was rolled back", SOON, says("degraded", "rollback")).await.unwrap();
    let key: VerifierKey = public(&known).parse().unwrap();
    assert!(
        a.records().unwrap().iter().any(|it| it.text("subject") == format!("audit.witness.{}", key.name()))
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
