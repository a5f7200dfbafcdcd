//! Admitted servers behind `portcullis serve`: what was approved starts, looked at again at each start, and nothing else.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use portcullis_testkit::{
    gateway::{Gateway, Record, Setup},
    registry::{Registry, tarball},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    admission::House,
    message::{call, modern},
    raw::{Answer, Request, SOON},
    until::until,
};

/// A server with one tool, which says that it is the approved one.
const DESK: &str = "require('readline').createInterface({ input: process.stdin }).on('line', line => {
    const { id, method, params } = JSON.parse(line);
    const answer = {
        initialize: () => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'desk', version: '1' } }),
        'tools/list': () => ({ tools: [{ name: 'which', description: 'Says which one.', inputSchema: { type: 'object' } }] }),
        'tools/call': () => ({ content: [{ type: 'text', text: 'the approved one' }] }),
    }[method];
    const error = { code: -32601, message: 'unknown' };
    if (!answer && id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, error }));
    if (answer) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: answer() }));
})";

/// Submits the server as `name`.
fn submit(house: &House, name: &str, more: &[&str]) {
    let manifest = json!({ "name": name, "version": "1.0.0", "bin": "main.js" });
    let file = format!("{name}.tgz");
    fs::write(house.path(&file), tarball(&manifest, &[("main.js", DESK)])).unwrap();
    let package = format!("file:{file}");
    let common = ["add", &package, "--name", name, "--submitter", "alice", "--store", "store"];
    house.succeed(&common.iter().chain(more).copied().collect::<Vec<_>>());
}

fn approve(house: &House, name: &str) {
    house.succeed(&["approve", name, "--store", "store", "--key", "bob.key"]);
}

async fn ask(gateway: &Gateway, server: &str) -> Answer {
    let message = modern(1, "tools/call", call("which", json!({})));
    Request::modern(&format!("/mcp/{server}"), &message).send(gateway.address()).await
}

/// The call is answered, if need be after the gateway has waited before it starts the server again.
async fn works(gateway: &Gateway, server: &str) {
    says(gateway, server, "the approved one").await;
}

/// The same, by the version that says this.
async fn says(gateway: &Gateway, server: &str, text: &str) {
    let end = Instant::now() + SOON;
    loop {
        let answer = ask(gateway, server).await;
        if answer.body.contains(text) {
            return;
        }
        assert!(Instant::now() < end, "{server}: {answer:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// The call is refused and the record of the start says why.
async fn refused(gateway: &Gateway, server: &str, reason: &str) {
    let before = gateway.records().unwrap().len();
    let answer = ask(gateway, server).await;
    assert!(!answer.body.contains("the approved one"), "{server}: {answer:?}");
    let told = |it: &&Record| {
        it.text("event") == "not-started"
            && it.text("subject") == server
            && it.text("detail").contains(reason)
    };
    let after = || gateway.records().unwrap().into_iter().skip(before).collect::<Vec<_>>();
    until(reason, || after().iter().any(|it| told(&it))).await;
}

fn events(gateway: &Gateway, event: &str) -> usize {
    gateway.records().unwrap().iter().filter(|it| it.text("event") == event).count()
}

/// The section `[supply]`, with `more` in it, and servers of the lock.
fn sections(house: &House, servers: &[&str], more: &str) -> String {
    let key = fs::read_to_string(house.path("bob.key.pub")).unwrap();
    let (lock, store) = (house.path("portcullis.lock"), house.path("store"));
    let supply =
        format!("[supply]\nlock = {lock:?}\nstore = {store:?}\napprovers = [{:?}]\n{more}\n", key.trim());
    let servers = servers.iter().map(|name| format!("[server.{name}]\nadmitted = \"{name}\"\n"));
    std::iter::once(supply).chain(servers).collect()
}

/// Writes a file of the store, as somebody could who may.
fn change(program: &Path, text: &str) {
    fs::set_permissions(program, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(program, text).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o444)).unwrap();
}

#[tokio::test]
async fn what_is_behind_the_gateway_is_what_was_approved() {
    let house = House::new();
    submit(&house, "desk", &[]);
    submit(&house, "late", &["--review", "2026-01-01"]);
    approve(&house, "late");
    let sections = sections(&house, &["desk", "late"], "");
    let gateway = Setup::new().sections(&sections).start().await.unwrap();
    refused(&gateway, "desk", "nobody whose key is known approved").await;
    refused(&gateway, "late", "its review was due on 2026-01-01").await;

    approve(&house, "desk");
    until("a new configuration", || events(&gateway, "config-changed") > 0).await;
    works(&gateway, "desk").await;
    let allowed = |it: &Record| it.allows("tools/call", "desk", "which");
    let record = gateway.wait_for("the call", SOON, allowed).await.unwrap();
    let controls = record.value()["controls"].as_array().unwrap();
    let admission = controls.iter().find(|it| it["control"] == "SC-01").unwrap();
    let lock = fs::read_to_string(house.path("portcullis.lock")).unwrap();
    let digest =
        |member: &str| lock.lines().find_map(|line| line.strip_prefix(&format!("{member} = "))).unwrap();
    for part in [digest("artifact").trim_matches('"'), digest("tree").trim_matches('"'), "approved by bob"] {
        assert!(admission["reason"].as_str().unwrap().contains(part), "{admission} {part}");
    }

    // Changed while it runs: it goes on as what it was, and does not start again as what it is.
    let trees = house.stored().into_iter().map(|tree| house.path("store").join(tree).join("package"));
    let named = |tree: &std::path::PathBuf| {
        fs::read_to_string(tree.join("package.json")).unwrap().contains("\"desk\"")
    };
    let program = trees.into_iter().find(named).unwrap().join("main.js");
    change(&program, "process.exit(0)");
    let started =
        gateway.wait_for("the start", SOON, |it| it.text("event") == "child-started").await.unwrap();
    let pid = started.text("detail").rsplit(' ').next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    until("the end of the process", || events(&gateway, "child-exited") > 0).await;
    refused(&gateway, "desk", "was approved as").await;
    change(&program, DESK);
    works(&gateway, "desk").await;

    let said = house.succeed(&["retire", "desk", "--reason", "not needed", "--store", "store"]);
    assert!(
        said.contains("end it within seconds") && said.contains("`portcullis stop server desk`"),
        "{said}"
    );
    until("a new configuration", || events(&gateway, "config-changed") > 1).await;
    refused(&gateway, "desk", "is retired").await;
    until("the end of what was retired", || events(&gateway, "child-exited") > 1).await;
}

#[tokio::test]
async fn an_update_takes_effect_when_it_is_approved_and_so_does_the_way_back() {
    let (house, registry) = (House::new(), Registry::start());
    let publish = |version: &str, text: &str| {
        let manifest = json!({ "name": "acme-live", "version": version, "bin": "main.js" });
        let archive = tarball(&manifest, &[("main.js", &DESK.replace("the approved one", text))]);
        registry.publish_npm(&manifest, &archive, &archive);
    };
    publish("1.0.0", "the approved one");
    let npm = registry.npm();
    house.succeed(&house.add("npm:acme-live", &npm, &["--name", "live"]));
    approve(&house, "live");
    let gateway = Setup::new().sections(&sections(&house, &["live"], "")).start().await.unwrap();
    works(&gateway, "live").await;

    publish("1.1.0", "the newer one");
    house.succeed(&["update", "live", "--registry-url", &npm, "--submitter", "alice", "--store", "store"]);
    until("a new configuration", || events(&gateway, "config-changed") > 0).await;
    let answer = ask(&gateway, "live").await;
    assert!(answer.body.contains("the approved one"), "what waits changes nothing: {answer:?}");
    approve(&house, "live");
    // Calls go on meanwhile, and are written down beside the configuration.
    says(&gateway, "live", "the newer one").await;
    house.succeed(&["rollback", "live", "--reason", "a test", "--store", "store"]);
    works(&gateway, "live").await;
}

/// Writes that a package is malicious.
fn warn(folder: &Path, package: &str) {
    fs::create_dir_all(folder).unwrap();
    let advisory = json!({ "id": format!("MAL-{package}"), "modified": "2999-01-01T00:00:00Z", "affected": [{
        "package": { "ecosystem": "npm", "name": package },
        "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }] }],
    }] });
    fs::write(folder.join(format!("{package}.json")), advisory.to_string()).unwrap();
}

#[tokio::test]
async fn what_turns_out_to_be_malicious_is_ended() {
    let (house, registry) = (House::new(), Registry::start());
    let manifest = json!({ "name": "acme-known", "version": "1.0.0", "bin": "main.js" });
    let archive = tarball(&manifest, &[("main.js", DESK)]);
    registry.publish_npm(&manifest, &archive, &archive);
    house.succeed(&house.add("npm:acme-known", &registry.npm(), &["--name", "known"]));
    approve(&house, "known");
    let osv = house.path("osv");
    warn(&osv, "acme-other");
    let sections = sections(&house, &["known"], &format!("osv = {osv:?}"));
    let gateway = Setup::new().sections(&sections).start().await.unwrap();
    works(&gateway, "known").await;
    warn(&osv, "acme-known");
    // Folders of advisories are not watched.
    kill_process(Pid::from_raw(gateway.pid()).unwrap(), Signal::HUP).unwrap();
    until("a new configuration", || events(&gateway, "config-changed") > 0).await;
    refused(&gateway, "known", "MAL-acme-known (malicious)").await;
    until("the end of the process", || events(&gateway, "child-exited") > 0).await;
}
