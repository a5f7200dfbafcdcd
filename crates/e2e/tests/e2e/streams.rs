//! Records as they reach whoever watches: a real syslog receiver over TLS, a webhook that checks signatures, a file.

use std::{
    collections::HashSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use portcullis_audit::stream::WebhookKey;
use portcullis_testkit::gateway::{Gateway, Setup};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::mpsc,
};

use crate::{
    message::{call, modern},
    odd::odd,
    raw::{Request, SOON},
    until::until,
};

async fn echo(gateway: &Gateway, n: u64) {
    let message = modern(n, "tools/call", call("echo", json!({ "text": "x" })));
    assert_eq!(Request::modern("/mcp/odd", &message).send(gateway.address()).await.code(), 0);
}

/// Ids of the records in a text of JSON lines, in order.
fn ids(text: &str) -> Vec<String> {
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter_map(|record| record["id"].as_str().map(str::to_owned)).collect()
}

fn recorded(gateway: &Gateway) -> Vec<String> {
    ids(&fs::read_to_string(gateway.log()).unwrap())
}

/// A certificate for `localhost` that vouches for itself.
fn certificate(home: &Path) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (cert_file, key_file) = (home.join("cert.pem"), home.join("key.pem"));
    fs::write(&cert_file, certificate.pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    (cert_file, key_file)
}

/// A running rsyslogd that takes TLS and writes every message, as it understood it, a line each.
struct Rsyslog {
    child: Child,
    out: PathBuf,
}

impl Rsyslog {
    async fn start(home: &Path, port: u16) -> Self {
        let (cert, key) = (home.join("cert.pem"), home.join("key.pem"));
        let out = home.join("received");
        let config = format!(
            r#"global(DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="{cert}"
  DefaultNetstreamDriverCertFile="{cert}" DefaultNetstreamDriverKeyFile="{key}" workDirectory="{home}" maxMessageSize="128k")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="whole" type="string" string="%pri% %timereported:::date-rfc3339% %app-name% %msgid% %msg%\n")
input(type="imtcp" port="{port}" address="127.0.0.1" SupportOctetCountedFraming="on")
action(type="omfile" file="{out}" template="whole")
"#,
            cert = cert.display(),
            key = key.display(),
            home = home.display(),
            out = out.display(),
        );
        let file = home.join("rsyslog.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.args(["-n", "-i", "NONE", "-f"]).arg(&file).kill_on_drop(true);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("rsyslogd: {error}: run scripts/testbed"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        until("rsyslogd that listens", || std::net::TcpStream::connect(address).is_ok()).await;
        Self { child, out }
    }

    /// What it wrote about each record: everything before the record, and the record's id.
    fn received(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        let whole = text.lines().filter(|line| line.ends_with('}'));
        let parts = whole.map(|line| line.split_once(" {").unwrap_or_else(|| panic!("{line}")));
        // The log's own marks have no id.
        parts
            .filter_map(|(head, record)| Some((head.to_owned(), ids(&format!("{{{record}")).pop()?)))
            .collect()
    }
}

/// A port nobody listened on a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_real_syslog_receiver_gets_every_record_over_tls_across_its_own_end() {
    let home = tempfile::tempdir().unwrap();
    let port = free_port();
    certificate(home.path());
    let settings = format!(
        "[stream.siem]\nsyslog = \"localhost:{port}\"\nca_file = \"{}\"",
        home.path().join("cert.pem").display()
    );
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(&settings).start().await.unwrap();
    // Nobody listens yet, and no call is held up.
    echo(&gateway, 1).await;
    let degraded = |it: &portcullis_testkit::gateway::Record| it.text("subject") == "stream.siem";
    let event = gateway.wait_for("that nobody listens", SOON, degraded).await.unwrap();
    assert_eq!(event.text("event"), "degraded");
    let mut first = Rsyslog::start(home.path(), port).await;
    let all_of = |rsyslog: &Rsyslog, wanted: &[String]| {
        let seen: HashSet<String> = rsyslog.received().into_iter().map(|(_, id)| id).collect();
        wanted.iter().all(|id| seen.contains(id))
    };
    let wanted = recorded(&gateway);
    until("every record so far", || all_of(&first, &wanted)).await;
    let (head, _) = first.received().into_iter().find(|(head, _)| head.contains("decision")).unwrap();
    assert!(head.starts_with("110 20") && head.ends_with(" portcullis decision"), "{head}");

    first.child.kill().await.unwrap();
    echo(&gateway, 2).await;
    let second = Rsyslog::start(home.path(), port).await;
    echo(&gateway, 3).await;
    let wanted = recorded(&gateway);
    until("every record across the end of the first", || all_of(&second, &wanted)).await;
    // What was sent twice was sent whole batches at a time, in order.
    let firsts = second.received().into_iter().map(|(_, id)| id);
    let mut seen = HashSet::new();
    let order: Vec<String> = firsts.filter(|id| seen.insert(id.clone())).collect();
    assert_eq!(order.into_iter().filter(|id| wanted.contains(id)).collect::<Vec<_>>(), wanted);
}

/// A webhook that refuses its first `refusals` requests and passes every body on whose signature is right.
async fn webhook(refusals: usize) -> (String, mpsc::UnboundedReceiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/records", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut left = refusals;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Some((head, body)) = request(&mut stream).await {
                let key = WebhookKey::parse(SECRET.as_bytes()).unwrap();
                let signature =
                    key.sign(body.as_bytes(), header(&head, "webhook-timestamp").parse().unwrap());
                assert_eq!(header(&head, "webhook-signature"), signature.value);
                assert_eq!(header(&head, "webhook-id"), signature.id);
                assert_eq!(header(&head, "x-tenant"), "blue");
                let status = if left > 0 { "503 Service Unavailable" } else { "204 No Content" };
                if left > 0 {
                    left -= 1;
                } else {
                    let _ = sender.send((signature.id, body));
                }
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (url, bodies)
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name} in {head}"))
}

async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() == header(head, "content-length").parse::<usize>().unwrap()
        {
            return Some((head.to_owned(), body.to_owned()));
        }
        let mut part = [0; 8192];
        match stream.read(&mut part).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&part[..n]),
            _ => return None,
        }
    }
}

#[tokio::test]
async fn a_webhook_gets_every_record_once_signed_across_refusals_and_a_killed_gateway() {
    let home = tempfile::tempdir().unwrap();
    let (url, mut bodies) = webhook(2).await;
    let (key, tenant) = (home.path().join("key"), home.path().join("tenant"));
    for (file, content) in [(&key, SECRET), (&tenant, "blue")] {
        fs::write(file, content).unwrap();
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let settings = format!(
        "[stream.hook]\nwebhook = \"{url}\"\nkey_file = \"{}\"\nheaders = {{ x-tenant = {{ file = \"{}\" }} }}",
        key.display(),
        tenant.display()
    );
    let mut gateway = Setup::new().stdio("odd", &odd(&[])).sections(&settings).start().await.unwrap();
    echo(&gateway, 1).await;
    gateway.kill();
    let gateway = gateway.again().await.unwrap();
    echo(&gateway, 2).await;
    let wanted = recorded(&gateway);
    let (mut seen, mut batches) = (Vec::new(), HashSet::new());
    while !wanted.iter().all(|id| seen.contains(id)) {
        let (batch, body) = tokio::time::timeout(SOON, bodies.recv()).await.expect("every record").unwrap();
        // The same batch again has the same id, by which a receiver knows it.
        if batches.insert(batch) {
            seen.extend(ids(&body));
        }
    }
    seen.truncate(wanted.len());
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_file_holds_each_record_once_across_restarts() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("events.jsonl");
    let settings = format!("[stream.copy]\nfile = \"{}\"", out.display());
    let mut gateway = Setup::new().stdio("odd", &odd(&[])).sections(&settings).start().await.unwrap();
    for round in 0..3 {
        echo(&gateway, round).await;
        gateway.kill();
        gateway = gateway.again().await.unwrap();
    }
    echo(&gateway, 9).await;
    let log = gateway.log();
    let home = log.parent().unwrap().to_owned();
    let wanted = recorded(&gateway);
    until("every record", || {
        let text = fs::read_to_string(&out).unwrap_or_default();
        ids(&text).len() >= wanted.len()
    })
    .await;
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(ids(&text)[..wanted.len()], wanted, "{home:?}");
}

#[tokio::test]
async fn calls_are_refused_while_too_much_waits() {
    let settings = format!(
        "[stream.siem]\nsyslog = \"localhost:{}\"\ndanger_allow_plaintext = true\nrefuse_behind_bytes = 1",
        free_port()
    );
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(&settings).start().await.unwrap();
    let message = modern(1, "tools/call", call("echo", json!({ "text": "x" })));
    let end = tokio::time::Instant::now() + SOON;
    loop {
        let answer = Request::modern("/mcp/odd", &message).send(gateway.address()).await;
        if answer.code() != 0 {
            assert!(answer.body.contains("recorded"), "{answer:?}");
            break;
        }
        assert!(tokio::time::Instant::now() < end, "no call was refused");
    }
}
