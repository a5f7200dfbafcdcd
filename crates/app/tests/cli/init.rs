//! The first configuration.

use std::fs;

use crate::case::{Case, SECRET, fixtures};

#[test]
fn the_first_configuration_is_valid() {
    let case = Case::new("init");
    case.succeed(&["init", "--dir", "new"]).check("init");
    case.succeed(&["check", "--config", "new/portcullis.toml"]).check("init-check");
}

#[test]
fn nothing_is_replaced_unless_asked() {
    let case = Case::new("init-force");
    case.write("policy.cedar", "// mine\n");
    case.run(&["init"]).check("init-existing");
    assert_eq!(case.read("policy.cedar"), "// mine\n");
    assert!(!case.path("portcullis.toml").exists());
    case.succeed(&["init", "--force"]);
    assert!(case.read("policy.cedar").contains("Cedar"));
}

#[test]
fn a_clients_servers_are_taken_over_with_their_secrets_hidden() {
    let case = Case::new("init-from");
    case.write("client.json", &fs::read_to_string(fixtures("clients/claude-desktop.json")).unwrap());
    let run = case.succeed(&["init", "--from", "client.json"]);
    run.check("init-from");
    let (config, policy) = (case.read("portcullis.toml"), case.read("policy.cedar"));
    assert!(config.contains("[server.github-work]") && !config.contains(SECRET));
    assert!(
        policy.contains("Mcp::Server::\"filesystem\"") && policy.contains("Mcp::Server::\"github-work\"")
    );
    assert_eq!(case.mode("secrets/github-work.GITHUB_PERSONAL_ACCESS_TOKEN"), 0o600);
    let check = case.run(&["check"]);
    let errors: Vec<_> =
        check.stderr.lines().filter(|line| line.starts_with("error: portcullis.toml:")).collect();
    let [docker] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(docker.contains("server.github-work.command: it will not be started: `docker`"), "{docker}");
}

#[test]
fn an_unreadable_client_file_leaves_nothing_behind() {
    let case = Case::new("init-from-broken");
    case.write("client.json", "{");
    assert_eq!(case.run(&["init", "--from", "client.json"]).status, 2);
    assert!(!case.path("portcullis.toml").exists());
}
