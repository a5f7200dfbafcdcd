//! The kill switch: every source stops new calls and calls under way within a second, across a restart, and the
//! record says how long it took.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use portcullis_testkit::gateway::{Gateway, Setup, portcullis};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use crate::{
    message::{call, modern},
    odd::odd,
    processes::all_gone,
    raw::{Answer, Request, SOON},
    until::until,
};

/// What the product promises.
const EFFECTIVE: Duration = Duration::from_secs(1);

async fn ask(gateway: &Gateway, server: &str, tool: &str) -> Answer {
    let message = modern(1, "tools/call", call(tool, json!({ "text": "hello" })));
    Request::modern(&format!("/mcp/{server}"), &message).send(gateway.address()).await
}

fn home(gateway: &Gateway) -> PathBuf {
    gateway.config().parent().unwrap().to_owned()
}

fn directory(gateway: &Gateway) -> PathBuf {
    home(gateway).join(".local/state/portcullis/stop")
}

/// Runs the program on the gateway's configuration.
async fn command(gateway: &Gateway, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(portcullis().unwrap());
    command.args(args).arg("--config").arg(gateway.config()).env("HOME", home(gateway));
    let output = command.output().await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn api(gateway: &Gateway, path: &str, subject: &str) {
    let token = fs::read_to_string(directory(gateway).join("api.token")).unwrap();
    let body = json!({ "subject": subject, "reason": "leak" }).to_string();
    let mut stream = TcpStream::connect(gateway.admin_address()).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn signal(gateway: &Gateway, signal: Signal) {
    kill_process(Pid::from_raw(gateway.pid()).unwrap(), signal).unwrap();
}

/// Stops or resumes through one source; what is stopped is the server `one`, or everything that has it.
async fn switch(gateway: &Gateway, source: &str, on: bool) {
    let file = directory(gateway).join("server:one");
    match (source, on) {
        ("command", true) => drop(command(gateway, &["stop", "server", "one", "--reason", "leak"]).await),
        ("command", false) => drop(command(gateway, &["resume", "server", "one"]).await),
        ("file", true) => fs::write(file, "leak").unwrap(),
        ("file", false) => fs::remove_file(file).unwrap(),
        ("api", true) => api(gateway, "/stop", "server:one").await,
        ("api", false) => api(gateway, "/resume", "server:one").await,
        ("signal", true) => signal(gateway, Signal::USR1),
        _ => signal(gateway, Signal::USR2),
    }
}

fn events(gateway: &Gateway, event: &str) -> Vec<Value> {
    let records = gateway.records().unwrap();
    records.iter().filter(|it| it.text("event") == event).map(|it| it.value().clone()).collect()
}

/// A number out of the words of an event.
fn figure(event: &Value, name: &str) -> u64 {
    let detail = event["detail"].as_str().unwrap();
    let (_, rest) = detail.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in {detail}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// The process of a server that was started last.
fn process(gateway: &Gateway, server: &str) -> i32 {
    let started =
        events(gateway, "child-started").into_iter().rfind(|event| event["subject"] == server).unwrap();
    started["detail"].as_str().unwrap().trim_start_matches("process ").parse().unwrap()
}

#[tokio::test]
async fn every_source_ends_calls_under_way_and_refuses_new_ones_within_a_second() {
    let gateway = Setup::new().stdio("one", &odd(&[])).stdio("two", &odd(&[])).start().await.unwrap();
    let refused = |answer: &Answer| (answer.status, answer.code()) == (403, 40301);
    for (round, source) in ["command", "file", "api", "signal"].into_iter().enumerate() {
        assert_eq!(ask(&gateway, "one", "echo").await.code(), 0, "{source}");
        let never = Request::modern("/mcp/one", &modern(2, "tools/call", call("never", json!({}))));
        let address = gateway.address();
        let hanging = tokio::spawn(async move { never.send(address).await });
        let under_way =
            |it: &&_| portcullis_testkit::gateway::Record::allows(it, "tools/call", "one", "never");
        until("the call", || gateway.records().unwrap().iter().filter(under_way).count() > round).await;
        let process = process(&gateway, "one");

        let asked = Instant::now();
        switch(&gateway, source, true).await;
        let ended = hanging.await.unwrap();
        let took = asked.elapsed();
        assert!(took < EFFECTIVE, "{source}: the call under way ended after {took:?}");
        assert!(ended.body.contains("is stopped by the operator"), "{source}: {ended:?}");
        let answer = ask(&gateway, "one", "echo").await;
        assert!(refused(&answer) && answer.body.contains("\"record\":"), "{source}: {answer:?}");
        // Its twin goes on, unless everything is stopped, and the server that is stopped is gone.
        assert_eq!(refused(&ask(&gateway, "two", "echo").await), source == "signal");
        all_gone(&[process], SOON).await;
        until("containment", || events(&gateway, "contained").len() > round).await;
        let contained = events(&gateway, "contained").pop().unwrap();
        let (asked, done) = (figure(&contained, "requested_ms"), figure(&contained, "contained_ms"));
        assert!(figure(&contained, "calls") >= 1 && figure(&contained, "left") == 0, "{contained}");
        assert!(done - asked < 1_000, "{source}: {contained}");

        switch(&gateway, source, false).await;
        until("the end of the stop", || events(&gateway, "stop-lifted").len() > round).await;
        assert_eq!(ask(&gateway, "one", "echo").await.code(), 0, "{source}");
    }
    let records = gateway.records().unwrap();
    let outcomes = records.iter().filter(|it| it.text("outcome") == "stopped").count();
    assert_eq!(outcomes, 4, "one call of each round");
}

#[tokio::test]
async fn a_stop_survives_a_kill_and_every_source_has_to_resume() {
    let mut gateway = Setup::new().stdio("one", &odd(&[])).start().await.unwrap();
    assert_eq!(ask(&gateway, "one", "echo").await.code(), 0);
    switch(&gateway, "command", true).await;
    switch(&gateway, "file", true).await;
    until("two stops", || events(&gateway, "stop-in-force").len() == 2).await;
    gateway.kill();
    let gateway = gateway.again().await.unwrap();
    assert_eq!(ask(&gateway, "one", "echo").await.code(), 40301, "from the first call on");
    let (status, says) = command(&gateway, &["resume", "server", "one"]).await;
    assert!(status == Some(1) && says.contains("stays stopped by file"), "{status:?} {says}");
    until("the command's end", || !events(&gateway, "stop-lifted").is_empty()).await;
    assert_eq!(ask(&gateway, "one", "echo").await.code(), 40301, "the file holds");
    switch(&gateway, "file", false).await;
    until("the file's end", || events(&gateway, "stop-lifted").len() == 2).await;
    assert_eq!(ask(&gateway, "one", "echo").await.code(), 0);
}

#[tokio::test]
async fn tools_and_principals_are_stopped_alone() {
    let dev = "[auth]\nmode = \"dev\"\ndanger_dev_principal = \"alice\"\n";
    let gateway = Setup::new().stdio("one", &odd(&[])).sections(dev).start().await.unwrap();
    // In the form in which records and alerts write it, and in fewer words.
    for (subject, other_tool) in [
        (&["tool", "one__echo"][..], 0),
        (&["tool:one__echo"], 0),
        (&["principal", "dev:alice"], 40301),
        (&["principal:dev:alice"], 40301),
        (&["principal", "alice"], 40301),
    ] {
        assert_eq!(ask(&gateway, "one", "echo").await.code(), 0, "{subject:?}");
        let (status, says) = command(&gateway, &[&["stop"], subject].concat()).await;
        // What the command says is so when it has said it.
        let process = format!("in force in process {}", gateway.pid());
        assert!(status == Some(0) && says.contains(&process), "{subject:?}: {says}");
        assert_eq!(ask(&gateway, "one", "echo").await.code(), 40301, "{subject:?}");
        assert_eq!(ask(&gateway, "one", "stranger").await.code(), other_tool, "{subject:?}");
        assert_eq!(command(&gateway, &[&["resume"], subject].concat()).await.0, Some(0));
    }
    let stopped = events(&gateway, "stop-in-force");
    assert!(stopped.iter().skip(2).all(|it| it["subject"] == "principal:dev:alice"), "{stopped:?}");
    assert_eq!(ask(&gateway, "one", "echo").await.code(), 0);
}

#[tokio::test]
async fn what_can_meet_nobody_is_refused_and_says_what_there_is() {
    let gateway = Setup::new().stdio("one", &odd(&[])).start().await.unwrap();
    for (subject, why) in [
        (&["server", "oen"][..], "did you mean `one`?"),
        (&["tool", "two__echo"], "there is no server `two`"),
        (&["tool", "one.echo"], "nothing that can be stopped"),
        (&["principal", "local-user:loopbak"], "did you mean `local-user:loopback`?"),
        (&["principal", "oauth:corp:alice"], "can be nobody here"),
        (&["tenant", "acme"], "no tenant is configured"),
    ] {
        let (status, says) = command(&gateway, &[&["stop"], subject].concat()).await;
        assert!(status == Some(2) && says.contains(why), "{subject:?}: {status:?} {says}");
    }
    assert!(events(&gateway, "stop-in-force").is_empty());
    let (status, says) = command(&gateway, &["resume", "server", "one"]).await;
    assert!(status == Some(1) && says.contains("`server:one` was not stopped"), "{status:?} {says}");

    // A server that comes later is stopped when it does.
    assert_eq!(command(&gateway, &["stop", "server", "two", "--anyway"]).await.0, Some(0));
    let (status, says) = command(&gateway, &["stop", "principal", "local-user:uid:4000000000"]).await;
    assert!(status == Some(0) && says.contains("nobody of that name is connected at present"), "{says}");
    assert_eq!(ask(&gateway, "one", "echo").await.code(), 0, "somebody else's stops");
    let (status, says) = command(&gateway, &["stop", "principal", "loopback"]).await;
    assert_eq!(status, Some(0), "{says}");
    assert_eq!(ask(&gateway, "one", "echo").await.code(), 40301);

    fs::write(directory(&gateway).join("server:three"), "").unwrap();
    until("the warning", || gateway.said().contains("a file stops `server:three`: there is no server")).await;
}

#[tokio::test]
async fn who_stops_is_told_what_it_met() {
    let gateway = Setup::new().stdio("one", &odd(&[])).start().await.unwrap();
    let never = Request::modern("/mcp/one", &modern(2, "tools/call", call("never", json!({}))));
    let address = gateway.address();
    let hanging = tokio::spawn(async move { never.send(address).await });
    let under_way = |it: &portcullis_testkit::gateway::Record| it.allows("tools/call", "one", "never");
    until("the call", || gateway.records().unwrap().iter().any(under_way)).await;
    let (status, says) = command(&gateway, &["stop", "principal", "local-user:loopback"]).await;
    assert!(status == Some(0) && says.contains("ended 1 call"), "{says}");
    assert_eq!(hanging.await.unwrap().code(), 40301);
    let (status, says) = command(&gateway, &["resume", "principal", "local-user:loopback"]).await;
    assert_eq!(status, Some(0), "{says}");
}
