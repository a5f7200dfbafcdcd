//! A changed configuration takes over while calls go on; one with a mistake does not.

use std::fs;

use portcullis_testkit::gateway::{Gateway, Record, Setup};
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
    assert_eq!(ask(&gateway, "one").await.code(), 0);
    fs::write(gateway.policy(), "// Nobody may do anything.\n").unwrap();
    told(&gateway, "config-changed", 1).await;
    let refused = ask(&gateway, "one").await;
    assert_eq!((refused.status, refused.code()), (403, 40301), "{refused:?}");
}
