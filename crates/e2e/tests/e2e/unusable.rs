//! Servers that cannot be used: the person at the terminal and the client both learn why.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Instant};

use portcullis_testkit::gateway::portcullis;
use serde_json::{Value, json};

use crate::{
    message::{LEGACY, initialize, legacy},
    raw::SOON,
};

/// What a server's command is, what the person is told of it, and what the client.
const CASES: [(&str, &[&str], &[&str], &str); 5] = [
    (
        "writes no MCP",
        &["/bin/sh", "-c", "echo hello; echo hello; while read x; do :; done"],
        &["server `it`: what it wrote is no MCP message and was dropped: "],
        "",
    ),
    (
        "not executable",
        &["./plain"],
        &["server `it`: server could not be started: ", "Permission denied"],
        "could not be started",
    ),
    (
        "a directory",
        &["./directory"],
        &["server `it`: server could not be started: "],
        "could not be started",
    ),
    ("no interpreter", &["./script"], &["`/no/such/interpreter` cannot be found"], "could not be started"),
    (
        "ends at once",
        &["/bin/sh", "-c", "exit 3"],
        &["server `it`: server broke off: the server exited with status 3"],
        "broke off",
    ),
];

fn run(directory: &Path, command: &[&str]) -> (Vec<Value>, String) {
    let mut child = std::process::Command::new(portcullis().unwrap())
        .args(["run", "--name", "it", "--record", "records/record.jsonl", "--"])
        .args(command)
        .current_dir(directory)
        .env("HOME", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}\n{}", initialize(LEGACY), legacy(7, "tools/list", json!({}))).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    (answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), said)
}

#[test]
fn why_a_server_cannot_be_used_is_told_at_once() {
    let files = tempfile::tempdir().unwrap();
    fs::create_dir(files.path().join("directory")).unwrap();
    fs::write(files.path().join("plain"), "x").unwrap();
    fs::write(files.path().join("script"), "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(files.path().join("script"), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, command, told, answered) in CASES {
        let (answers, said) = run(files.path(), command);
        for part in told {
            assert!(said.contains(part), "{name}: {part}: {said}");
        }
        if let Some(first) = told.first().filter(|it| it.starts_with("server `it`")) {
            assert_eq!(said.matches(first).count(), 1, "{name}: told once: {said}");
        }
        if answered.is_empty() {
            continue;
        }
        let [first, second] = answers.as_slice() else { panic!("{name}: {answers:?}") };
        let message = |answer: &Value| answer["error"]["message"].as_str().unwrap().to_owned();
        assert!(message(first).contains(answered), "{name}: {first}");
        let second = message(second);
        assert!(second.contains("`initialize` failed") && second.contains(answered), "{name}: {second}");
    }
}

#[test]
fn a_silent_server_is_not_waited_for_once_the_client_has_closed_its_side() {
    let files = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let (answers, said) = run(files.path(), &["/bin/sh", "-c", "while read x; do :; done"]);
    assert!(started.elapsed() < SOON, "{:?}: {said}", started.elapsed());
    assert!(answers.is_empty(), "{answers:?}");
}
