//! Behaviour that is out of the ordinary is an alert on record, in a running gateway and from the records alone, and stops
//! whom it is about where an operator allowed that.

use std::path::Path;

use portcullis_testkit::gateway::{Gateway, Record, Setup, portcullis};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpSocket, process::Command};

use crate::{
    message::{call, modern},
    odd::odd,
    raw::{Answer, Request, read},
    until::until,
};

async fn ask(gateway: &Gateway, tool: &str) -> Answer {
    let message = modern(1, "tools/call", call(tool, json!({ "text": "hello" })));
    Request::modern("/mcp/one", &message).send(gateway.address()).await
}

fn alerts(gateway: &Gateway) -> Vec<Record> {
    gateway.records().unwrap().into_iter().filter(|it| it.text("event") == "alert").collect()
}

async fn command(gateway: &Gateway, args: &[&str]) -> (Option<i32>, String) {
    let config = gateway.config();
    let home = config.parent().unwrap_or(Path::new("/"));
    let mut command = Command::new(portcullis().unwrap());
    let output = command.args(args).arg("--config").arg(&config).env("HOME", home).output().await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn refusals_become_an_alert_and_stop_their_caller_until_an_operator_resumes_it() {
    let settings = "[behaviour]\nrefusals = 5\nstop_on = [\"refusals\"]\n";
    let gateway = Setup::new().stdio("one", &odd(&[])).sections(settings).start().await.unwrap();
    assert_eq!(ask(&gateway, "echo").await.code(), 0);
    let who =
        gateway.records().unwrap().iter().find(|it| it.is_allowed()).unwrap().value()["caller"]["principal"]
            .clone();
    let (kind, id) = (who["kind"].as_str().unwrap(), who["id"].as_str().unwrap());
    for _ in 0..4 {
        assert_ne!(ask(&gateway, "missing").await.code(), 0);
    }
    assert_eq!(
        command(&gateway, &["audit", "alerts"]).await,
        (Some(0), "nothing out of the ordinary\n".into())
    );
    assert_ne!(ask(&gateway, "missing").await.code(), 0);
    until("the alert", || !alerts(&gateway).is_empty()).await;
    let alert = alerts(&gateway).remove(0);
    assert_eq!(alert.text("subject"), format!("principal:{kind}:{id}"));
    assert!(alert.text("detail").starts_with("refusals: 5 refusals within 60 s; record "), "{alert:?}");

    let subject = alert.text("subject").to_owned();
    let in_force = |it: &Record| it.text("event") == "stop-in-force" && it.text("subject") == subject;
    until("the stop", || gateway.records().unwrap().iter().any(in_force)).await;
    let refused = ask(&gateway, "echo").await;
    assert_eq!((refused.status, refused.code()), (403, 40301));
    assert!(refused.body.contains("is stopped by a rule about behaviour"), "{refused:?}");
    // As the alert writes it.
    assert_eq!(command(&gateway, &["resume", &subject]).await.0, Some(0));
    let lifted = |it: &Record| it.text("event") == "stop-lifted";
    until("the end of the stop", || gateway.records().unwrap().iter().any(lifted)).await;
    assert_eq!(ask(&gateway, "echo").await.code(), 0);

    // The same, from the records alone, with how a gateway comes.
    let records = gateway.log();
    let mut command = Command::new(portcullis().unwrap());
    let output =
        command.args(["audit", "alerts", "--json", "--records"]).arg(records).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "20 refusals make an alert unless configured otherwise");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!([]));
}

#[tokio::test]
async fn addresses_of_nobody_known_are_told_apart() {
    let settings = "[behaviour]\nunauthenticated = 5\n";
    let gateway = Setup::new().stdio("one", &odd(&[])).sections(settings).start().await.unwrap();
    let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
    let passed_on = Request::modern("/mcp/one", &message).header("forwarded", "for=192.0.2.1");
    let refused = async |from: [u8; 4], times: usize| {
        for _ in 0..times {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((from, 0).into()).unwrap();
            let mut stream = socket.connect(gateway.address()).await.unwrap();
            stream.write_all(&passed_on.bytes()).await.unwrap();
            assert_eq!(read(&mut stream).await.status, 401);
        }
    };
    // Eight in all, and too few of each.
    refused([127, 0, 0, 1], 4).await;
    refused([127, 0, 0, 2], 4).await;
    let (code, _) = command(&gateway, &["audit", "alerts", "--json"]).await;
    assert_eq!(code, Some(0), "neither is out of the ordinary");
    refused([127, 0, 0, 2], 1).await;
    until("the alert", || !alerts(&gateway).is_empty()).await;
    assert_eq!(alerts(&gateway)[0].text("subject"), "peer:127.0.0.2");
}

#[tokio::test]
async fn nothing_is_watched_where_that_is_switched_off() {
    let settings = "[behaviour]\nwatch = false\nrefusals = 2\n";
    let gateway = Setup::new().stdio("one", &odd(&[])).sections(settings).start().await.unwrap();
    for _ in 0..4 {
        assert_ne!(ask(&gateway, "missing").await.code(), 0);
    }
    let (code, found) = command(&gateway, &["audit", "alerts", "--json"]).await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((code, &found[0]["rule"]), (Some(1), &json!("refusals")));
    assert!(alerts(&gateway).is_empty());
}
