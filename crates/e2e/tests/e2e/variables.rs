//! A server behind `portcullis run` gets the variables its client's settings give it, and no others.

use portcullis_testkit::gateway::portcullis;
use serde_json::json;
use tokio::process::Command;

use crate::{
    message::{LEGACY, call, initialize, legacy},
    odd::odd,
    pipe::Pipe,
};

/// How the client starts the gateway.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// With well-known variables and those of the settings, as the official SDKs do.
    Clean,
    /// With everything it has itself.
    HandingDown,
}

fn command(client: Client, named: &[&str], home: &std::path::Path) -> Command {
    let mut command = Command::new(portcullis().unwrap());
    if matches!(client, Client::Clean) {
        let path = std::env::var_os("PATH").unwrap();
        command.env_clear().env("PATH", path);
    }
    command.env("HOME", home).env("API_KEY", "of the settings").env("OTHER", "too");
    command.arg("run").args(["--name", "odd"]).args(named.iter().flat_map(|name| ["--env", *name]));
    command.arg("--").arg(odd(&[]).program);
    command
}

#[tokio::test]
async fn a_server_gets_what_the_settings_gave_it() {
    let home = tempfile::tempdir().unwrap();
    // `CARGO_MANIFEST_DIR` stands for what the client has itself: the tests have it, and so hand it down.
    let table = [
        (Client::Clean, &[][..], ["of the settings", "too", "not set"]),
        (Client::Clean, &["API_KEY"], ["of the settings", "not set", "not set"]),
        (Client::HandingDown, &[], ["not set", "not set", "not set"]),
        (Client::HandingDown, &["API_KEY"], ["of the settings", "not set", "not set"]),
        (Client::HandingDown, &["API_KEY", "OTHER"], ["of the settings", "too", "not set"]),
    ];
    for (client, named, expected) in table {
        let mut pipe = Pipe::start(command(client, named, home.path()));
        pipe.ask(&initialize(LEGACY)).await;
        for (number, (name, value)) in
            ["API_KEY", "OTHER", "CARGO_MANIFEST_DIR"].into_iter().zip(expected).enumerate()
        {
            let question = legacy(number as u64 + 1, "tools/call", call("variable", json!({ "name": name })));
            let answer = pipe.ask(&question).await;
            assert_eq!(
                answer["result"]["content"][0]["text"], value,
                "{name}, {client:?} {named:?}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_said_so() {
    let home = tempfile::tempdir().unwrap();
    let output = command(Client::Clean, &["NOBODY_SET_THIS"], home.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("NOBODY_SET_THIS"), "{said}");
}
