//! Servers in a sandbox with a list of hosts: those are reached, on record, and nothing else is.

use std::path::Path;

use portcullis_testkit::{
    bed::Bed,
    gateway::{Record, Setup, portcullis, read_records, wait_for_record},
    names::NameServer,
    server::{Launch, Reach, Sandbox},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    egress::{fetch, origin},
    message::{LEGACY, call, initialize, legacy},
    pipe::Pipe,
    raw::SOON,
};

/// Where a server may go, and what it finds there.
pub(crate) struct Web {
    names: NameServer,
    plain: u16,
    tls: u16,
}

impl Web {
    pub(crate) async fn start(ca: &Path) -> Self {
        let (plain, tls) = origin(ca).await;
        let here: &[&[&str]] = &[&["127.0.0.1"]];
        let zone = [
            ("plain.test", here),
            ("tls.test", here),
            ("other.test", here),
            ("inside.test", &[&["169.254.169.254"]]),
        ];
        Self { names: NameServer::start(&zone).await.unwrap(), plain, tls }
    }

    pub(crate) fn reach(&self) -> Reach {
        Reach {
            hosts: vec![format!("tls.test:{}", self.tls)],
            plain: vec![format!("plain.test:{}", self.plain), "inside.test:80".to_owned()],
            addresses: vec!["127.0.0.1".to_owned()],
            name_servers: vec![self.names.address().to_string()],
        }
    }

    pub(crate) fn allowed(&self) -> [String; 2] {
        [format!("http://plain.test:{}/", self.plain), format!("https://tls.test:{}/", self.tls)]
    }

    /// URLs that are refused, with what is on record of each: method, item and control.
    fn refused(&self) -> [(String, &'static str, String, &'static str); 3] {
        [
            (
                format!("https://other.test:{}/", self.tls),
                "CONNECT",
                format!("other.test:{}", self.tls),
                "NET-02",
            ),
            ("http://inside.test/".to_owned(), "HTTP", "inside.test:80".to_owned(), "TI-06"),
            // An address inside does not get as far as the server: that is refused in the arguments.
            ("http://elsewhere.test/latest".to_owned(), "HTTP", "elsewhere.test:80".to_owned(), "NET-02"),
        ]
    }
}

fn is_refusal(record: &Record, method: &str, item: &str, control: &str) -> bool {
    record.text("channel") == "egress"
        && (record.text("server"), record.text("method"), record.text("item")) == ("fetch", method, item)
        && record.value()["decision"]["control"] == control
}

/// A page and its `robots.txt`, twice.
fn passages(records: &[Record]) -> usize {
    records.iter().filter(|it| it.text("channel") == "egress" && it.is_allowed()).count()
}

#[tokio::test]
async fn the_fetch_server_of_a_gateway_reaches_what_is_listed() {
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.pem");
    let web = Web::start(&ca).await;
    let launch = Launch::fetch_contained(&Bed::load().unwrap(), web.reach(), &ca);
    let gateway = Setup::new().stdio("fetch", &launch).start().await.unwrap();
    for url in web.allowed() {
        let (worked, text) = fetch(&gateway, &url).await;
        assert!(worked && text.contains("User-agent: *"), "{url}: {text}\n{}", gateway.said());
    }
    for (url, method, item, control) in web.refused() {
        let (worked, text) = fetch(&gateway, &url).await;
        assert!(!worked, "{url}: {text}");
        let refused = |it: &Record| is_refusal(it, method, &item, control);
        gateway.wait_for("the refusal", SOON, refused).await.unwrap();
    }
    assert_eq!(passages(&gateway.records().unwrap()), 4);
    assert!(!web.names.asked().contains(&"other.test".to_owned()), "a name that is not listed was asked for");
}

#[tokio::test]
async fn the_fetch_server_of_run_reaches_what_is_listed() {
    let home = tempfile::tempdir().unwrap();
    let (ca, record) = (home.path().join("ca.pem"), home.path().join("records.jsonl"));
    let web = Web::start(&ca).await;
    let launch = Launch::fetch_contained(&Bed::load().unwrap(), web.reach(), &ca);
    let mut command = Command::new(portcullis().unwrap());
    command.args(["run", "--name", "fetch", "--env", "SSL_CERT_FILE", "--record"]).arg(&record);
    command.args(launch.sandbox.options()).arg("--").arg(&launch.program).args(&launch.args);
    command.envs(launch.env.iter().cloned());
    let mut pipe = Pipe::start(command);
    pipe.ask(&initialize(LEGACY)).await;
    let mut fetch = async |id: u64, url: &str| {
        let asked = call("fetch", json!({ "url": url, "raw": true }));
        pipe.ask(&legacy(id, "tools/call", asked)).await["result"].clone()
    };
    for url in web.allowed() {
        let result = fetch(1, &url).await;
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains("User-agent: *"), "{url}: {result}");
    }
    for (url, method, item, control) in web.refused() {
        let result = fetch(2, &url).await;
        assert_eq!(result["isError"], true, "{url}: {result}");
        let refused = |it: &Record| is_refusal(it, method, &item, control);
        wait_for_record(&record, "the refusal", SOON, refused).await.unwrap();
    }
    assert_eq!(passages(&read_records(&record).unwrap()), 4);
}

/// Tries to get out in every way but the proxy, and tells under its own name what came of it.
const AROUND: &str = r#"
const net = require('net'), dns = require('dns'), dgram = require('dgram');
const [tcp, udp] = process.argv.slice(-2).map(Number);
const connect = (host, port) => new Promise(done => {
    const socket = net.connect({ host, port, timeout: 5000 });
    socket.on('connect', () => { socket.destroy(); done('connected') });
    socket.on('timeout', () => { socket.destroy(); done('nothing') });
    socket.on('error', error => done(error.code));
});
const lookup = name => new Promise(done => dns.lookup(name, error => done(error ? 'no address' : 'found')));
const question = () => new Promise(done => {
    const socket = dgram.createSocket('udp4');
    const bytes = Buffer.from('0001010000010000000000000663616e61727904746573740000010001', 'hex');
    socket.on('message', () => { socket.close(); done('answered') });
    socket.on('error', error => done(error.code));
    socket.connect(udp, '127.0.0.1', error => error ? done(error.code) : socket.send(bytes));
    setTimeout(() => done('nothing'), 3000);
});
const listen = () => new Promise(done => {
    const server = net.createServer();
    server.on('error', error => done(error.code));
    server.listen(4000, '127.0.0.1', () => { server.close(); done('listens') });
});
require('readline').createInterface({ input: process.stdin }).on('line', async line => {
    const asked = JSON.parse(line);
    if (asked.method !== 'initialize') return;
    const told = {
        proxy: process.env.HTTPS_PROXY, direct: await connect('127.0.0.1', tcp), gate: await connect('127.0.0.1', 3128),
        metadata: await connect('169.254.169.254', 80), six: await connect('fe80::1', 80),
        name: await lookup('plain.test'), question: await question(), listen: await listen(),
    };
    const protocolVersion = asked.params.protocolVersion;
    const result = { protocolVersion, capabilities: {}, serverInfo: { name: JSON.stringify(told), version: '1' } };
    console.log(JSON.stringify({ jsonrpc: '2.0', id: asked.id, result }));
});
"#;

#[tokio::test]
async fn there_is_no_way_around_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let web = Web::start(&home.path().join("ca.pem")).await;
    let node = Bed::load().unwrap().node().to_owned();
    let script = home.path().join("code/around.js");
    std::fs::create_dir(home.path().join("code")).unwrap();
    std::fs::write(&script, AROUND).unwrap();
    let told = async |sandbox: Sandbox, place: &str| -> Value {
        let place = home.path().join(place);
        std::fs::create_dir(&place).unwrap();
        let ports = [web.plain, web.names.address().port()].map(|port| port.to_string());
        let args = [&[script.to_str().unwrap().to_owned()][..], &ports].concat();
        let launch = Launch { program: node.clone(), args, env: Vec::new(), sandbox };
        let mut pipe = Pipe::run(&launch, &place.join("records.jsonl"));
        let answer = pipe.ask(&initialize(LEGACY)).await;
        let name = answer["result"]["serverInfo"]["name"].as_str().unwrap_or_default();
        serde_json::from_str(name).unwrap_or_else(|_| panic!("{answer}"))
    };
    let inside = told(Sandbox { reach: web.reach(), ..Sandbox::default() }, "inside").await;
    assert_eq!((&inside["proxy"], &inside["gate"]), (&json!("http://127.0.0.1:3128"), &json!("connected")));
    for around in ["direct", "metadata", "six", "listen"] {
        assert_eq!(inside[around], "EACCES", "{around}: {inside}");
    }
    assert_eq!(inside["name"], "no address");
    assert_ne!(inside["question"], "answered");
    assert_eq!(web.names.asked(), Vec::<String>::new(), "a question got out");

    let outside = told(Sandbox { host_network: true, ..Sandbox::default() }, "outside").await;
    for (around, succeeds) in [("direct", "connected"), ("question", "answered"), ("listen", "listens")] {
        assert_eq!(outside[around], succeeds, "{around}: {outside}");
    }
    let none = told(Sandbox::default(), "none").await;
    assert_eq!((&none["proxy"], &none["gate"]), (&Value::Null, &json!("EACCES")), "{none}");
}
