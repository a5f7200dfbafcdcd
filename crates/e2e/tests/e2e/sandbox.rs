//! A real server in the sandbox that it is started in: what it sees of the machine, and what the records say.

use std::{fs, path::Path};

use portcullis_testkit::{
    bed::Bed,
    gateway::{Record, Setup, portcullis, read_records},
    server::{Launch, Sandbox},
};
use serde_json::{Value, json};

use crate::{
    message::{LEGACY, call, initialize, legacy},
    pipe::Pipe,
};

/// Lets the reference server tell its environment, and gives that and the record of the call.
async fn told(launch: &Launch, record: &Path) -> (Value, Value) {
    let mut pipe = Pipe::run(launch, record);
    pipe.ask(&initialize(LEGACY)).await;
    let answer = pipe.ask(&legacy(1, "tools/call", call("get-env", json!({})))).await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    let environment = serde_json::from_str(text).unwrap_or_else(|_| panic!("{answer}"));
    pipe.close();
    assert!(pipe.child.wait().await.unwrap().success());
    let records = read_records(record).unwrap();
    let allowed = records.iter().find(|it| it.allows("tools/call", "odd", "get-env")).unwrap();
    let controls = allowed.value()["controls"].as_array().unwrap().clone();
    (environment, controls.into_iter().find(|run| run["control"] == "ISO-01").unwrap())
}

#[tokio::test]
async fn records_say_in_which_sandbox_a_server_is_and_it_has_a_home_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let everything = Launch::everything(&Bed::load().unwrap());
    let (environment, isolation) = told(&everything, &home.path().join("inside.jsonl")).await;
    assert_eq!((&environment["HOME"], &environment["USER"]), (&json!("/tmp"), &json!("server")));
    assert_eq!(isolation["state"], "ran");
    let reason = isolation["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("kernel tier, plan sha256:") && reason.contains("self-test sha256:"),
        "{reason}"
    );

    let free = Launch { sandbox: Sandbox::none(), ..everything };
    let (environment, isolation) = told(&free, &home.path().join("outside.jsonl")).await;
    assert_ne!(environment["HOME"], "/tmp");
    assert_eq!(isolation["state"], "degraded");
    assert_eq!(isolation["reason"], "danger_no_sandbox: runs without a sandbox");
}

/// The server itself would read it: what stands in the way is the sandbox.
#[tokio::test]
async fn a_file_that_is_not_listed_is_not_there() {
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("secret");
    fs::write(&secret, "the secret").unwrap();
    let bed = Bed::load().unwrap();
    let read = format!("require('fs').readFileSync({:?}, 'utf8')", secret.to_str().unwrap());
    let script = format!(
        "require('readline').createInterface({{ input: process.stdin }}).on('line', line => {{
             const asked = JSON.parse(line); let name;
             if (asked.method !== 'initialize') return;
             try {{ name = {read} }} catch (error) {{ name = error.code }}
             const protocolVersion = asked.params.protocolVersion;
             const result = {{ protocolVersion, capabilities: {{}}, serverInfo: {{ name, version: '1' }} }};
             console.log(JSON.stringify({{ jsonrpc: '2.0', id: asked.id, result }}));
         }})"
    );
    let listed = Sandbox { read: vec![secret], ..Sandbox::default() };
    for (sandbox, expected) in [(Sandbox::default(), "ENOENT"), (listed, "the secret")] {
        // With pins of its own: a server that is called something else is held back.
        let place = tempfile::tempdir_in(home.path()).unwrap();
        let args = vec!["-e".to_owned(), script.clone()];
        let launch = Launch { program: bed.node().to_owned(), args, env: Vec::new(), sandbox };
        let mut pipe = Pipe::run(&launch, &place.path().join("records.jsonl"));
        let answer = pipe.ask(&initialize(LEGACY)).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], expected, "{answer}");
    }
}

/// The plan lets it reach the gateway's own files: the server is never started.
#[tokio::test]
async fn a_server_that_could_reach_the_gateways_own_files_is_not_started() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join(".local/state/portcullis");
    fs::create_dir_all(&own).unwrap();
    let bed = Bed::load().unwrap();
    for (sandbox, starts) in [
        (Sandbox::default(), true),
        (Sandbox { read: vec![own.clone()], ..Sandbox::default() }, false),
        (Sandbox { read: vec![home.path().to_owned()], ..Sandbox::default() }, false),
        // Tried out before.
        (Sandbox::default(), true),
    ] {
        let place = tempfile::tempdir().unwrap();
        let launch = Launch { sandbox, ..Launch::everything(&bed) };
        let mut command = tokio::process::Command::new(portcullis().unwrap());
        command.args(["run", "--name", "odd", "--record"]).arg(place.path().join("records.jsonl"));
        command.args(launch.sandbox.options()).arg("--").arg(&launch.program).args(&launch.args);
        command.env("HOME", home.path());
        let mut pipe = Pipe::start(command);
        let answer = pipe.ask(&initialize(LEGACY)).await;
        assert_eq!(answer["result"].is_object(), starts, "{answer}");
        let records = fs::read_to_string(place.path().join("records.jsonl")).unwrap();
        assert_eq!(records.contains("which is the gateway's own"), !starts, "{records}");
        let kept = fs::read_dir(own.join("selftest")).unwrap().flatten();
        let results = kept.filter(|it| it.path().extension().is_some_and(|it| it == "note")).count();
        assert!(results >= 1, "what came of it is kept");
    }
}

/// What the configuration names is out of reach like what every gateway has.
#[tokio::test]
async fn a_server_of_a_configuration_that_could_reach_what_that_names_is_not_started() {
    let place = tempfile::tempdir().unwrap();
    for part in ["keys", "work"] {
        fs::create_dir(place.path().join(part)).unwrap();
    }
    let key = place.path().join("keys/commitment.key");
    let bed = Bed::load().unwrap();
    for (sandbox, starts) in [
        (Sandbox { read: vec![place.path().join("keys")], ..Sandbox::default() }, false),
        (Sandbox::writing(place.path()), false),
        (Sandbox::writing(&place.path().join("work")), true),
    ] {
        let launch = Launch { sandbox, ..Launch::everything(&bed) };
        let setup = Setup::new().stdio("odd", &launch).audit(&format!("commitment_key = {key:?}\n"));
        let gateway = setup.start().await.unwrap();
        let told = |it: &Record| {
            it.text("event") == "degraded" && it.text("detail").contains("`audit.commitment_key`")
        };
        let records = gateway.records().unwrap();
        assert_eq!(records.iter().any(told), !starts, "{records:?}");
        assert!(key.exists());
    }
}

/// Answers as a server does, after a call that no server has any business with.
const TRACER: &str = r#"
import ctypes, json, signal, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked.get("method") != "initialize":
        continue
    for _ in range(30):
        got = ctypes.CDLL(None).syscall(101, 16, 1, 0, 0) if sys.argv[1] != "rests" else 0
    info = {"name": str(got), "version": "1"}
    result = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {}, "serverInfo": info}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
if sys.argv[1] == "clings":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
"#;

#[tokio::test]
async fn a_system_call_that_is_refused_is_on_record_and_told() {
    let home = tempfile::tempdir().unwrap();
    for (deed, answer, refused) in [("traces", "-1", true), ("clings", "-1", true), ("rests", "0", false)] {
        let place = tempfile::tempdir_in(home.path()).unwrap();
        let record = place.path().join("records.jsonl");
        let args = ["-c", TRACER, deed].map(str::to_owned).to_vec();
        let launch =
            Launch { program: "/usr/bin/python3".into(), args, env: Vec::new(), sandbox: Sandbox::default() };
        let mut pipe = Pipe::run(&launch, &record);
        let answered = pipe.ask(&initialize(LEGACY)).await;
        assert_eq!(answered["result"]["serverInfo"]["name"], answer, "{answered}");
        pipe.close();
        assert!(pipe.child.wait().await.unwrap().success());
        let records = read_records(&record).unwrap();
        let denied: Vec<_> = records.iter().filter(|it| it.text("event") == "denied").collect();
        assert_eq!(!denied.is_empty(), refused, "{records:?}");
        let count: u64 = denied
            .iter()
            .map(|it| it.text("detail").split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(count, if refused { 30 } else { 0 }, "{denied:?}");
        assert!(
            denied.iter().all(|it| it.text("subject") == "odd"
                && it.text("detail").contains("`ptrace` by `/usr/bin/python3"))
        );
    }
}
