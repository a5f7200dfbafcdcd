//! Newer versions of admitted servers, and the way back: what is approved goes on until what is newer is approved too.

use std::fs;

use portcullis_testkit::{
    bed::Bed,
    registry::{Registry, tarball},
};
use serde_json::{Value, json};

use crate::admission::{DESK, House, server};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What the lock says a server is, what waits and what was before.
fn seats(house: &House) -> (String, String, Vec<String>) {
    let list = parsed(&house.succeed(&["inventory", "--json"]));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let previous = list[0]["previous"].as_array().unwrap().iter().map(text).collect();
    (text(&list[0]["package"]), text(&list[0]["next"]), previous)
}

fn update<'a>(which: &'a str, registry: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let common = ["update", which, "--registry-url", registry, "--submitter", "alice", "--store", "store"];
    common.iter().chain(more).copied().collect()
}

const APPROVE: [&str; 6] = ["approve", "desk", "--store", "store", "--key", "bob.key"];
const RUN: [&str; 7] = ["run", "--admitted", "desk", "--store", "store", "--approver", "bob.key.pub"];

fn back(more: &'static [&'static str]) -> Vec<&'static str> {
    ["rollback", "desk", "--reason", "it is slow", "--store", "store"].iter().chain(more).copied().collect()
}

#[test]
fn a_version_goes_on_until_the_next_is_approved_and_comes_back() {
    let (house, registry) = (House::new(), Registry::start());
    let npm = registry.npm();
    server(&registry, "1.0.0", DESK);
    house.succeed(&house.add("npm:@acme/desk", &npm, &[]));
    house.succeed(&APPROVE);
    let said = house.run(&update("desk", &npm, &["--json"]));
    assert!(said.status.success() && String::from_utf8_lossy(&said.stderr).contains("already"), "{said:?}");
    house.refused(&update("nobody", &npm, &[]), 2, "is not in");
    house.refused(&update("desk@9.9.9", &npm, &[]), 3, "9.9.9");

    // A version that needs something else, runs a script, and says another name.
    let library = json!({ "name": "acme-helper", "version": "2.0.0", "scripts": { "install": "steal" } });
    let archive = tarball(&library, &[("index.js", "module.exports = 2")]);
    registry.publish_npm(&library, &archive, &archive);
    let manifest = json!({
        "name": "@acme/desk", "version": "2.0.0", "bin": { "desk": "./main.js" }, "author": "somebody else",
        "dependencies": { "acme-helper": "2.0.0" },
    });
    let archive = tarball(&manifest, &[("main.js", &DESK.replace("acme-library", "acme-helper"))]);
    registry.publish_npm(&manifest, &archive, &archive);
    let told = parsed(&house.succeed(&update("desk", &npm, &["--json"])));
    let difference = &told["difference"];
    let packages: Vec<(&str, usize, usize)> = difference["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let count = |side: &str| it[side].as_array().unwrap().len();
            (it["name"].as_str().unwrap(), count("before"), count("after"))
        })
        .collect();
    assert_eq!(packages, [("@acme/desk", 1, 1), ("acme-helper", 0, 1), ("acme-library", 1, 0)]);
    assert_eq!(difference["identity"][0]["after"], "somebody else");
    let kinds: Vec<&str> = difference["new_findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["install-script", "identity-changed"]);
    let shown = house.succeed(&["update", "desk", "--show"]);
    assert!(shown.contains("+ acme-helper 2.0.0") && shown.contains("- acme-library 1.0.0"), "{shown}");
    let (one, two) = ("npm:@acme/desk@1.0.0".to_owned(), "npm:@acme/desk@2.0.0".to_owned());
    assert_eq!(seats(&house), (one.clone(), two.clone(), vec![]));
    assert_eq!(house.answer(&RUN).as_deref(), Some("desk 1"), "the approved version goes on");
    house.refused(&back(&[]), 1, "no earlier version");

    house.succeed(&APPROVE);
    assert_eq!(seats(&house), (two.clone(), String::new(), vec![one.clone()]));
    // What it says it is has changed too, so that its pins of before hold that back; with others it is shown.
    let fresh = [&RUN[..], &["--pins", "fresh"]].concat();
    assert_eq!(house.answer(&fresh).as_deref(), Some("desk 2"));
    house.succeed(&["lock", "--check", "--store", "store", "--approver", "bob.key.pub"]);
    // The registry goes back: not without being asked to.
    server(&registry, "1.5.0", DESK);
    house.refused(&update("desk", &npm, &[]), 1, "is older than 2.0.0");
    house.succeed(&["audit", "key", "new", "eve.key", "--name", "eve"]);
    house.refused(&back(&["--approver", "eve.key.pub"]), 1, "nobody whose key is known");

    let told = parsed(&house.succeed(&back(&["--json", "--approver", "bob.key.pub"])));
    assert_eq!((&told["restored"], &told["replaced"]), (&json!(one), &json!(two)));
    assert_eq!(house.answer(&RUN).as_deref(), Some("desk 1"), "at once, on the approval it has");
    house.refused(&back(&[]), 1, "was rolled back by");
    // Whoever takes it again is told.
    let again = parsed(&house.succeed(&update("desk@2.0.0", &npm, &["--json"])));
    let findings = again["server"]["finding"].to_string();
    assert!(findings.contains("rolled-back") && findings.contains("it is slow"), "{findings}");
    house.succeed(&["retire", "desk", "--reason", "not needed", "--store", "store"]);
    assert!(house.stored().is_empty(), "every version of it is gone");
    house.refused(&back(&[]), 1, "is retired");
    house.refused(&update("desk", &npm, &[]), 1, "is retired");
    house.refused(&house.add("npm:@acme/desk@2.0.0", &npm, &["--name", "other"]), 1, "was retired as");
}

#[test]
fn nobody_goes_back_to_what_advisories_refuse() {
    let (house, registry) = (House::new(), Registry::start());
    let npm = registry.npm();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        server(&registry, version, DESK);
        house.succeed(&house.add("npm:@acme/desk", &npm, &[]));
        house.succeed(&APPROVE);
    }
    let advisory = |fixed: &str| {
        json!({ "id": "GHSA-desk", "modified": "2999-01-01T00:00:00Z", "affected": [{
            "package": { "ecosystem": "npm", "name": "@acme/desk" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "2.0.0" }, { "fixed": fixed }] }],
        }] })
    };
    fs::create_dir(house.path("osv")).unwrap();
    fs::write(house.path("osv/one.json"), advisory("3.0.0").to_string()).unwrap();
    let told = parsed(&house.succeed(&back(&["--osv", "osv", "--json"])));
    assert_eq!(told["restored"], "npm:@acme/desk@1.0.0");
    assert!(told["passed_over"][0][1].as_str().unwrap().contains("GHSA-desk"), "{told}");
}

#[test]
fn real_servers_are_updated_and_rolled_back() {
    let house = House::new();
    let bed = Bed::load().unwrap();
    let python = bed.python().to_str().unwrap().to_owned();
    let common = ["--store", "store", "--submitter", "alice", "--python", &python];
    let succeed = |args: &[&str]| house.succeed(&[args, &common[..]].concat());
    for (name, older, newer, package) in [
        (
            "desk",
            "npm:@modelcontextprotocol/server-memory@2026.1.26",
            "2026.7.4",
            "@modelcontextprotocol/server-memory",
        ),
        ("clock", "pypi:mcp-server-time==2026.8.18", "2026.10.19", "mcp-server-time"),
    ] {
        succeed(&["add", older, "--name", name]);
        let approve = ["approve", name, "--store", "store", "--key", "bob.key"];
        house.succeed(&approve);
        let which = format!("{name}@{newer}");
        let told = parsed(&succeed(&["update", &which, "--json"]));
        let changes = told["difference"]["packages"].as_array().unwrap();
        let own = changes.iter().find(|it| it["name"] == package).unwrap();
        assert_eq!(own["after"][0][0], newer, "{own}");
        let run = ["run", "--admitted", name, "--store", "store", "--approver", "bob.key.pub"];
        let before = house.answer(&run);
        assert!(before.is_some(), "{name}");
        house.succeed(&approve);
        assert_eq!(house.answer(&run), before, "{name}");
        house.succeed(&["rollback", name, "--reason", "a test", "--store", "store"]);
        assert_eq!(house.answer(&run), before, "{name}");
        house.succeed(&["retire", name, "--reason", "a test", "--store", "store"]);
    }
    assert!(house.stored().is_empty());
}
