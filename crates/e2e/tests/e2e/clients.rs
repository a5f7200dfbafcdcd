//! Every client of the test bed in front of every server.
//!
//! [`house`] is what stands behind the gateway, [`plan`] what a client is asked to do and what it has to see,
//! [`rust`] the client on the `rmcp` crate. The others are programs in `testbed/clients`; all of them take the
//! same plan and print the same report.

mod house;
mod plan;
mod rust;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use portcullis_testkit::bed::Bed;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use self::{
    house::House,
    plan::{Breadth, Seen, Target},
};
use crate::message::{LEGACY, MODERN};

/// A client has a whole plan to do, and the machine has others to run.
const PATIENCE: Duration = Duration::from_secs(240);

/// A way to be a client.
struct Client {
    name: &'static str,
    kind: Kind,
    /// The word that chooses the era, if the program takes one.
    mode: Option<&'static str>,
    /// The version it has to end up with.
    version: &'static str,
    /// Whether it is to try HTTP+SSE too, which 2026-07-28 no longer has.
    sse: bool,
    breadth: Breadth,
    /// Whether it starts servers with all variables of its own.
    hands_down: bool,
}

enum Kind {
    Python(&'static str),
    Node(&'static str),
    Rust,
}

const fn client(name: &'static str, kind: Kind, mode: &'static str, version: &'static str) -> Client {
    Client { name, kind, mode: Some(mode), version, sse: false, breadth: Breadth::Full, hands_down: false }
}

const PYTHON: &[Client] = &[
    Client { sse: true, ..client("python legacy", Kind::Python("python-2.py"), "legacy", LEGACY) },
    client("python auto", Kind::Python("python-2.py"), "auto", MODERN),
    client("python pinned", Kind::Python("python-2.py"), MODERN, MODERN),
];

const TYPESCRIPT: &[Client] = &[
    Client { sse: true, mode: None, ..client("typescript 1", Kind::Node("typescript-1.mjs"), "", LEGACY) },
    Client { sse: true, ..client("typescript 2 legacy", Kind::Node("typescript-2.mjs"), "legacy", LEGACY) },
    client("typescript 2 auto", Kind::Node("typescript-2.mjs"), "auto", MODERN),
    client("typescript 2 pinned", Kind::Node("typescript-2.mjs"), MODERN, MODERN),
];

/// Each operation of the inspector is a program of its own, so it does fewer.
const INSPECTOR: &[Client] = &[
    Client { sse: true, ..inspector("inspector legacy", "legacy", LEGACY) },
    inspector("inspector auto", "auto", MODERN),
    inspector("inspector modern", "modern", MODERN),
];

const fn inspector(name: &'static str, mode: &'static str, version: &'static str) -> Client {
    Client { breadth: Breadth::Brief, ..client(name, Kind::Node("inspector.mjs"), mode, version) }
}

const RMCP: &[Client] = &[
    Client { hands_down: true, ..client("rmcp legacy", Kind::Rust, "legacy", LEGACY) },
    Client { hands_down: true, ..client("rmcp modern", Kind::Rust, "modern", MODERN) },
];

#[tokio::test]
async fn python_sdk() {
    check(PYTHON).await;
}

#[tokio::test]
async fn typescript_sdks() {
    check(TYPESCRIPT).await;
}

#[tokio::test]
async fn inspector_cli() {
    check(INSPECTOR).await;
}

#[tokio::test]
async fn rmcp_crate() {
    check(RMCP).await;
}

/// Lets each client do its plan in front of one house, two at a time, and compares what they saw.
async fn check(clients: &[Client]) {
    let bed = Bed::load().unwrap();
    let house = House::build(&bed).await;
    let mut wrong = Vec::new();
    for pair in clients.chunks(2) {
        let visits = pair.iter().map(|client| visit(&bed, &house, client));
        wrong.extend(futures_util::future::join_all(visits).await.into_iter().flatten());
    }
    wrong.extend(house.tear_down().await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What one client saw that it should not have, and the other way round.
async fn visit(bed: &Bed, house: &House, client: &Client) -> Vec<String> {
    let targets = house.plan(client);
    let seen = match client.kind {
        Kind::Rust => rust::visit_all(&targets, client.version).await,
        Kind::Python(script) => run(bed, bed.python(), script, client, &targets).await,
        Kind::Node(script) => run(bed, bed.node(), script, client, &targets).await,
    };
    let named = |name: &str| seen.iter().find(|seen| seen.target == name);
    let compare = |target: &Target| match named(&target.name) {
        Some(seen) => target.compare(seen, client.version),
        None => vec!["no report".to_owned()],
    };
    let all = targets.iter().map(|target| (target, compare(target)));
    let mut wrong: Vec<_> = all
        .flat_map(|(target, wrong)| {
            wrong.into_iter().map(|it| format!("{}, {}: {it}", client.name, target.name))
        })
        .collect();
    wrong.extend(house.compare_logs(&targets, client.name));
    wrong
}

/// Runs a client program of the test bed.
async fn run(bed: &Bed, interpreter: &Path, script: &str, client: &Client, targets: &[Target]) -> Vec<Seen> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/clients").join(script);
    let mut command = Command::new(interpreter);
    command.arg(script).args(client.mode).env("PORTCULLIS_BED_NODE_MODULES", modules(bed));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let plan = serde_json::to_vec(targets).unwrap();
    // The client reads the whole plan before it writes anything.
    child.stdin.take().unwrap().write_all(&plan).await.unwrap();
    let output = timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.unwrap_or_else(|_| panic!("{} took longer than {PATIENCE:?}", client.name)).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}\n{said}", client.name, output.status);
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn modules(bed: &Bed) -> PathBuf {
    bed.module("")
}
