//! A changed configuration takes over while calls go on; one with a mistake does not.

use std::{fs, path::Path};

use portcullis_testkit::gateway::{Gateway, Record, Setup};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    message::{call, modern},
    odd::odd,
    raw::{Answer, Request},
    until::until,
};

async fn ask(gateway: &Gateway, server: &str) -> Answer {
    let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
    Request::modern(&format!("/mcp/{server}"), &message).send(gateway.address()).await
}

/// Waits for the `count`th event of this kind.
async fn told(gateway: &Gateway, event: &str, count: usize) {
    let told = |it: &&Record| it.text("event") == event;
    until(event, || gateway.records().unwrap().iter().filter(told).count() >= count).await;
}

#[tokio::test]
async fn a_good_file_takes_over_and_a_bad_one_does_not() {
    let gateway = Setup::new().stdio("one", &odd(&[])).start().await.unwrap();
    let good = fs::read_to_string(gateway.config()).unwrap();
    assert_eq!(ask(&gateway, "one").await.code(), 0);

    for (number, bad) in ["[server.one\n", "[server.one]\nflavour = \"sweet\"\n"].into_iter().enumerate() {
        fs::write(gateway.config(), bad).unwrap();
        told(&gateway, "config-rejected", number + 1).await;
        assert_eq!(ask(&gateway, "one").await.code(), 0, "{bad}");
    }

    let (_, server) = good.split_once("[server.one]").unwrap();
    fs::write(gateway.config(), format!("{good}\n[server.two]{server}")).unwrap();
    told(&gateway, "config-changed", 1).await;
    for server in ["one", "two"] {
        let answer = ask(&gateway, server).await;
        assert_eq!(answer.code(), 0, "{server}: {answer:?}");
    }
}

#[tokio::test]
async fn a_policy_is_reloaded_and_a_broken_one_keeps_the_old() {
    let gateway = Setup::new().stdio("one", &odd(&[])).start().await.unwrap();
    assert_eq!(ask(&gateway, "one").await.code(), 0);
    fs::write(gateway.policy(), "permit (principal, action").unwrap();
    told(&gateway, "config-rejected", 1).await;
    // Where the mistake is, for whoever looks at either.
    let place = |said: &str| said.contains("policy.cedar:1:");
    until("the place", || place(&gateway.said())).await;
    let records = gateway.records().unwrap();
    let rejected = records.iter().find(|it| it.text("event") == "config-rejected").unwrap();
    assert!(place(rejected.text("detail")), "{rejected:?}");
    assert_eq!(ask(&gateway, "one").await.code(), 0);
    fs::write(gateway.policy(), "// Nobody may do anything.\n").unwrap();
    told(&gateway, "config-changed", 1).await;
    let refused = ask(&gateway, "one").await;
    assert_eq!((refused.status, refused.code()), (403, 40301), "{refused:?}");
}

/// Puts a text in the place of a file at once, as deployment tools do.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[tokio::test]
async fn what_waits_for_the_next_start_waits_until_then_and_a_change_is_told_once() {
    let gateway = Setup::new().stdio("one", &odd(&[])).start().await.unwrap();
    let good = fs::read_to_string(gateway.config()).unwrap();
    let policy = fs::read_to_string(gateway.policy()).unwrap();
    let lines = |what: &str| gateway.said().lines().filter(|line| line.contains(what)).count();
    let waits = "these changes wait for the next start: limits.connections";
    replace(&gateway.config(), &format!("{good}\n[limits]\nconnections = 77\n"));
    until("what waits", || lines(waits) == 1).await;
    // Another change, which is in force at once, does not make the first one so.
    replace(&gateway.policy(), &format!("{policy}\n// changed\n"));
    until("what still waits", || lines(waits) == 2).await;
    // Nothing waits any more.
    replace(&gateway.config(), &good);
    told(&gateway, "config-changed", 3).await;

    // The signal that comes with a change asks for nothing more, and one without a change says so.
    let signal = |signal| kill_process(Pid::from_raw(gateway.pid()).unwrap(), signal).unwrap();
    signal(Signal::STOP);
    replace(&gateway.policy(), &policy);
    signal(Signal::HUP);
    signal(Signal::CONT);
    told(&gateway, "config-changed", 4).await;
    until("the change", || lines("the changed configuration is in force") == 4).await;
    signal(Signal::HUP);
    until("the signal", || lines("read again on SIGHUP and has not changed") == 1).await;
    assert_eq!((lines("the changed configuration is in force"), lines(waits)), (4, 2), "{}", gateway.said());
}
