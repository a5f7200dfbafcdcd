//! A real server in the sandbox that it is started in: what it sees of the machine, and what the records say.

use std::{fs, path::Path};

use portcullis_testkit::{
    bed::Bed,
    gateway::{portcullis, read_records},
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

/// The plan lets it reach the gateway's own files: the self-test finds that, and the server is never started.
#[tokio::test]
async fn a_server_whose_boundaries_do_not_hold_is_not_started() {
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
        let told = format!("includes the records, keys and pins in `{}`", own.display());
        assert_eq!(records.contains(&told), !starts, "{records}");
        let kept = fs::read_dir(own.join("selftest")).unwrap().flatten();
        let results = kept.filter(|it| it.path().extension().is_some_and(|it| it == "json")).count();
        assert!(results >= 1, "what came of it is kept");
    }
}
