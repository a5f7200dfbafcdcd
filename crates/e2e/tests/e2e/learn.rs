//! What real servers need is learnt from one run of each; with the draft, and nothing else, they work behind `serve`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command as Plain, Stdio},
};

use portcullis_testkit::{
    bed::Bed,
    gateway::portcullis,
    server::{Launch, Reach, Sandbox},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    message::{LEGACY, call, initialize, legacy},
    pipe::Pipe,
    way_out::Web,
};

/// A server, what it is learnt with, and what it is asked for.
struct Case {
    name: &'static str,
    launch: Launch,
    calls: Vec<(&'static str, Value)>,
    /// A part of the draft.
    drafted: String,
}

async fn ask(pipe: &mut Pipe, calls: &[(&'static str, Value)]) -> Vec<Value> {
    pipe.ask(&initialize(LEGACY)).await;
    pipe.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let mut answers = Vec::new();
    for (id, (tool, arguments)) in (1..).zip(calls) {
        answers.push(pipe.ask(&legacy(id, "tools/call", call(tool, arguments.clone()))).await);
    }
    pipe.close();
    answers
}

fn worked(answers: &[Value]) -> bool {
    answers.iter().all(|it| it["result"].is_object() && it["result"]["isError"] != true)
}

/// Learns a server, and gives the draft.
async fn learn(case: &Case, home: &Path) -> String {
    let draft = home.join("draft.toml");
    let mut command = Command::new(portcullis().unwrap());
    command.args(["sandbox", "learn", "--name", case.name, "--output"]).arg(&draft);
    command.args(case.launch.sandbox.options());
    for (name, value) in &case.launch.env {
        command.args(["--env", name]).env(name, value);
    }
    command.arg("--").arg(&case.launch.program).args(&case.launch.args).env("HOME", home);
    let mut pipe = Pipe::start(command);
    let answers = ask(&mut pipe, &case.calls).await;
    assert!(worked(&answers), "{}: {answers:?}", case.name);
    assert!(pipe.child.wait().await.unwrap().success(), "{}", case.name);
    fs::read_to_string(&draft).unwrap()
}

async fn serve(case: &Case, draft: &str, config: &Path) -> Vec<Value> {
    fs::write(config.join("policy.cedar"), "@id(\"all\") permit (principal, action, resource);\n").unwrap();
    fs::write(config.join("portcullis.toml"), draft).unwrap();
    let mut command = Command::new(portcullis().unwrap());
    command.args(["serve", "--stdio", "--config"]).arg(config.join("portcullis.toml"));
    command.envs(case.launch.env.iter().cloned()).env("HOME", config).stderr(Stdio::inherit());
    ask(&mut Pipe::start(command), &case.calls).await
}

fn repository(at: &Path) -> PathBuf {
    let git = |args: &[&str]| {
        let mut command = Plain::new("git");
        command.current_dir(at).args(["-c", "user.name=e", "-c", "user.email=e@example.com"]).args(args);
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
    };
    fs::write(at.join("note"), "text").unwrap();
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    at.to_owned()
}

#[tokio::test]
async fn what_was_learnt_is_enough() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let at = |name: &str| {
        let path = place.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let (bed, docs, graph, ca) = (Bed::load().unwrap(), at("docs"), at("graph"), at("ca").join("ca.pem"));
    fs::write(docs.join("a.txt"), "hello").unwrap();
    let web = Web::start(&ca).await;
    let reach = web.reach();
    let (plain, url) = (reach.plain[0].clone(), web.allowed()[0].clone());
    let path = |name: &str| docs.join(name).to_str().unwrap().to_owned();
    let memory = Launch::memory(&bed, &graph.join("memory.json"));
    let entity = json!({ "name": "x", "entityType": "y", "observations": ["z"] });
    let cases = [
        Case {
            name: "files",
            launch: Launch { sandbox: Sandbox::default(), ..Launch::filesystem(&bed, &docs) },
            calls: vec![
                ("read_text_file", json!({ "path": path("a.txt") })),
                ("write_file", json!({ "path": path("b.txt"), "content": "new" })),
            ],
            drafted: format!("/dist/index.js\", {docs:?}]"),
        },
        Case {
            name: "memory",
            launch: Launch { sandbox: Sandbox::writing(&graph), ..memory },
            calls: vec![("create_entities", json!({ "entities": [entity] }))],
            drafted: format!("sandbox_write = [{graph:?}]"),
        },
        Case {
            name: "git",
            launch: Launch {
                sandbox: Sandbox::default(),
                ..Launch::git(&bed, &repository(&at("repository")))
            },
            calls: vec![("git_status", json!({ "repo_path": at("repository") }))],
            drafted: "[server.git]".to_owned(),
        },
        Case {
            name: "fetch",
            launch: Launch::fetch_contained(&bed, Reach { hosts: Vec::new(), ..reach }, &ca),
            calls: vec![("fetch", json!({ "url": url, "raw": true }))],
            drafted: format!("danger_plain_hosts = [{plain:?}]"),
        },
    ];
    for case in &cases {
        let home = at(&format!("home-{}", case.name));
        fs::create_dir_all(home.join(".ssh")).unwrap();
        fs::write(home.join(".ssh/id"), "secret").unwrap();
        let draft = learn(case, &home).await;
        assert!(draft.contains(&case.drafted), "{}:\n{draft}", case.name);
        assert!(!draft.contains(".ssh"), "{}:\n{draft}", case.name);
        let answers = serve(case, &draft, &at(&format!("config-{}", case.name))).await;
        assert!(worked(&answers), "{}: {answers:?} with\n{draft}", case.name);
    }
}

/// Reads a file of a person and a key, asks for a host, and changes what nobody let it.
const CURIOUS: &str = r#"
import http.client, os, pathlib
home = pathlib.Path(os.environ["THE_HOME"])
for path in ["notes/plan", ".ssh/id"]:
    try: print(path, (home / path).read_text())
    except OSError as error: print(path, error.strerror)
try: (home / "notes/plan").write_text("changed")
except OSError as error: print("write", error.strerror)
try:
    proxy = http.client.HTTPSConnection("127.0.0.1", 3128)
    proxy.set_tunnel("evil.test", 443)
    proxy.request("GET", "/")
except OSError as error: print("connect", error)
"#;

#[test]
fn secrets_are_called_out_and_not_granted() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let home = place.path().canonicalize().unwrap();
    for (file, text) in [("notes/plan", "a plan"), (".ssh/id", "the key"), ("code/curious.py", CURIOUS)] {
        fs::create_dir_all(home.join(file).parent().unwrap()).unwrap();
        fs::write(home.join(file), text).unwrap();
    }
    let mut command = Plain::new(portcullis().unwrap());
    command
        .args(["sandbox", "learn", "--json", "--env", "THE_HOME", "--output"])
        .arg(home.join("code/draft.json"));
    command
        .args(["--name-server", "127.0.0.1:9", "--", "/usr/bin/python3"])
        .arg(home.join("code/curious.py"));
    command.env("HOME", &home).env("THE_HOME", &home).current_dir(home.join("code"));
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("connects to   nothing"), "{said}");
    assert!(said.contains("notes/plan a plan") && !said.contains("the key"), "{said}");
    let draft: Value = serde_json::from_slice(&fs::read(home.join("code/draft.json")).unwrap()).unwrap();
    let plan = home.join("notes/plan");
    let read = draft["sandbox_read"].as_array().unwrap();
    let of_home: Vec<_> =
        read.iter().filter(|it| it.as_str().unwrap().starts_with(home.to_str().unwrap())).collect();
    assert_eq!(of_home, [&json!(plan)], "{draft}");
    assert_eq!((&draft["sandbox_write"], &draft["sandbox_hosts"]), (&json!([]), &json!([])), "{draft}");
    assert_eq!(draft["hosts_not_reached"], json!(["evil.test:443"]), "{draft}");
    let withheld = draft["withheld"].as_array().unwrap();
    for (path, why) in [(home.join(".ssh/id"), "it holds keys of SSH"), (plan, "it could not be changed")] {
        let told = |it: &&Value| it["path"] == json!(path) && it["why"].as_str().unwrap().starts_with(why);
        assert!(withheld.iter().any(|it| told(&it)), "{path:?} in {draft}");
    }
    assert_eq!(fs::read_to_string(home.join("notes/plan")).unwrap(), "a plan");
}
