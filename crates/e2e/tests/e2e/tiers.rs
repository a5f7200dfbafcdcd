//! Servers held by container runtimes: they work, see no more than in the kernel tier, and records say what held them.
//!
//! Which runtimes a machine has is its own business: `PORTCULLIS_RUNTIMES` names directories besides those of `PATH`. One
//! that is not there is refused with what to install, and that is tested instead.

use std::{fs, path::PathBuf};

use portcullis_testkit::{
    bed::Bed,
    gateway::{portcullis, read_records},
    server::{Launch, Sandbox},
};
use serde_json::json;
use tokio::process::Command;

use crate::{
    message::{LEGACY, call, initialize, legacy},
    pipe::Pipe,
};

/// Tier, runtime, how the reason in records begins, and whether files can be made: gVisor's own process, which would make
/// them, is not the user they are to belong to.
const RUNTIMES: &[(&str, &str, &str, bool)] =
    &[("oci", "runc", "oci (", true), ("oci", "crun", "oci (", true), ("gvisor", "runsc", "gvisor (", false)];

fn found(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("PORTCULLIS_RUNTIMES").unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&named).chain(std::env::split_paths(&path));
    let places = places.chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    places.map(|place| place.join(name)).find(|file| file.is_file())
}

#[tokio::test]
async fn a_server_is_held_by_each_runtime_that_is_there_and_is_not_started_without_one() {
    let bed = Bed::load().unwrap();
    for (tier, name, reason, makes) in RUNTIMES {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = place.path().canonicalize().unwrap();
        for part in ["docs", "home", "outside"] {
            fs::create_dir(place.join(part)).unwrap();
        }
        let text = |path: &str| place.join(path).to_str().unwrap().to_owned();
        fs::write(place.join("docs/a"), "hello").unwrap();
        fs::write(place.join("outside/secret"), "secret").unwrap();
        let runtime = found(name).filter(|_| rustix::process::geteuid().is_root());
        let record = place.join("home/records.jsonl");
        let launch = Launch { sandbox: Sandbox::default(), ..Launch::filesystem(&bed, &place.join("docs")) };
        let mut command = Command::new(portcullis().unwrap());
        command.args(["run", "--name", "files", "--tier", tier, "--runtime"]);
        command.arg(runtime.clone().unwrap_or_else(|| format!("no-such-{name}").into()));
        command.arg("--record").arg(&record).arg("--").arg(&launch.program).args(&launch.args);
        command.env("HOME", place.join("home"));
        let mut pipe = Pipe::start(command);
        let answer = pipe.ask(&initialize(LEGACY)).await;
        let records = || fs::read_to_string(&record).unwrap();
        if runtime.is_none() {
            assert!(answer["error"].is_object(), "{name}: {answer}");
            let told = format!("install the package `no-such-{name}`");
            assert!(records().contains(&told), "{name}: {}", records());
            continue;
        }
        assert!(answer["result"].is_object(), "{name}: {answer} {}", records());
        pipe.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        for (id, tool, arguments, works) in [
            (1, "read_text_file", json!({ "path": text("docs/a") }), true),
            (2, "write_file", json!({ "path": text("docs/b"), "content": "new" }), *makes),
            (3, "read_text_file", json!({ "path": text("outside/secret") }), false),
        ] {
            let answer = pipe.ask(&legacy(id, "tools/call", call(tool, arguments))).await;
            let worked = answer["result"].is_object() && answer["result"]["isError"] != true;
            assert_eq!(worked, works, "{name}: {tool}: {answer}");
        }
        pipe.close();
        assert!(pipe.child.wait().await.unwrap().success(), "{name}");
        assert_eq!(fs::read_to_string(place.join("docs/b")).is_ok_and(|it| it == "new"), *makes, "{name}");
        let records = read_records(&record).unwrap();
        let allowed = records.iter().find(|it| it.allows("tools/call", "files", "write_file")).unwrap();
        let controls = allowed.value()["controls"].as_array().unwrap();
        let isolation = controls.iter().find(|run| run["control"] == "ISO-01").unwrap();
        assert_eq!(isolation["state"], "ran", "{isolation}");
        assert!(isolation["reason"].as_str().unwrap().starts_with(reason), "{isolation}");
    }
}

/// With `danger`, the kernel tier takes the place of a runtime that is not there, and every record says so.
#[tokio::test]
async fn a_tier_that_cannot_be_had_is_replaced_only_with_danger() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let record = place.path().join("records.jsonl");
    let launch = Launch::everything(&Bed::load().unwrap());
    let mut command = Command::new(portcullis().unwrap());
    command.args([
        "run",
        "--name",
        "odd",
        "--tier",
        "oci",
        "--runtime",
        "no-such-runtime",
        "--danger-tier-fallback",
    ]);
    command.arg("--record").arg(&record).arg("--").arg(&launch.program).args(&launch.args);
    command.env("HOME", place.path());
    let mut pipe = Pipe::start(command);
    let answer = pipe.ask(&initialize(LEGACY)).await;
    assert!(answer["result"].is_object(), "{answer}");
    pipe.ask(&legacy(1, "tools/call", call("get-env", json!({})))).await;
    pipe.close();
    assert!(pipe.child.wait().await.unwrap().success());
    let records = read_records(&record).unwrap();
    let allowed = records.iter().find(|it| it.allows("tools/call", "odd", "get-env")).unwrap();
    let controls = allowed.value()["controls"].as_array().unwrap();
    let isolation = controls.iter().find(|run| run["control"] == "ISO-01").unwrap();
    assert_eq!(isolation["state"], "degraded", "{isolation}");
    let reason = isolation["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("danger_tier_fallback: ") && reason.contains("; kernel tier, plan"),
        "{reason}"
    );
}
