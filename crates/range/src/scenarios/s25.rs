//! S-25: packages that are not what they seem, on their way in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use futures_util::FutureExt;
use portcullis_testkit::registry::{Registry, tarball};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use super::Scenario;
use crate::{
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-25",
    title: "supply chain and privileged host",
    claim: "what is unsigned where signatures are demanded, signed for something else, swapped, published again or named \
            like another is not admitted and leaves nothing behind; scripts of packages do not run; what was changed \
            after its approval, or retired, is not started",
    run: |place, report| run(place, report).boxed(),
};

/// npm asks twice for what is missing.
const DEADLINE: Duration = Duration::from_secs(180);

/// A registry, a store and a lock.
struct Ground<'p> {
    place: &'p Place,
    directory: TempDir,
    registry: Registry,
}

/// How a command ended.
struct Ended {
    status: Option<i32>,
    said: String,
}

impl Ground<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn command(&self, args: &[&str]) -> Result<Ended, Trouble> {
        let mut command = self.place.command();
        command.args(args).current_dir(self.directory.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env("HOME", self.path("home")).env("npm_config_cache", self.path("home"));
        command.env("npm_config_userconfig", "/dev/null").env("NO_PROXY", "127.0.0.1");
        let output = timeout(DEADLINE, command.output()).await.map_err(Trouble::other)?;
        let output = output.map_err(Trouble::io("running a command"))?;
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        Ok(Ended { status: output.status.code(), said })
    }

    async fn add(&self, name: &str, more: &[&str]) -> Result<Ended, Trouble> {
        let (package, registry) = (format!("npm:{name}"), self.registry.npm());
        let common =
            ["add", &package, "--registry-url", &registry, "--submitter", "alice", "--store", "store"];
        let args: Vec<&str> = common.into_iter().chain(more.iter().copied()).collect();
        self.command(&args).await
    }

    /// What is in the store, and whether the lock names anything.
    fn kept(&self) -> (usize, bool) {
        let entries = fs::read_dir(self.path("store")).into_iter().flatten().flatten();
        let trees = entries.filter(|entry| entry.file_name() != "quarantine").count();
        (
            trees,
            fs::read_to_string(self.path("portcullis.lock")).is_ok_and(|text| text.contains("[[server]]")),
        )
    }

    fn publish(&self, name: &str, body: &str) {
        let archive = tarball(&manifest(name), &[("main.js", body)]);
        self.registry.publish_npm(&manifest(name), &archive, &archive);
    }
}

fn manifest(name: &str) -> Value {
    json!({ "name": name, "version": "1.0.0", "bin": "main.js" })
}

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let directory = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let ground = Ground { place, directory, registry: Registry::start() };
    on_the_way_in(&ground, report).await?;
    scripts(&ground, report).await?;
    after_approval(&ground, report).await?;
    report.not_covered("root that edits the program or the policy itself", "measured boot or a TEE");
    report.not_covered(
        "a public package under an internal name",
        "a list of internal names and their registry",
    );
    report.not_covered("a revoked signing key", "TUF refresh of trust roots");
    Ok(())
}

async fn on_the_way_in(ground: &Ground<'_>, report: &mut Report) -> Result<(), Trouble> {
    ground.publish("acme-plain", "1");
    let swapped = |body| tarball(&manifest("acme-swapped"), &[("main.js", body)]);
    ground.registry.publish_npm(&manifest("acme-swapped"), &swapped("steal()"), &swapped("1"));
    let vectors =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../supply/tests/vectors/npm/npm_slsa_bundle_v03.json");
    let bundle = vectors.to_string_lossy().into_owned();
    let signed = ["--bundle", &bundle, "--source", "https://github.com/sigstore/sigstore-js"];
    let attacks: [(&str, &str, &[&str], &str); 4] = [
        (
            "unsigned where provenance is demanded",
            "acme-plain",
            &["--require-provenance"],
            "provenance-missing",
        ),
        ("a genuine signature over another package", "acme-plain", &signed, "artifact-mismatch"),
        ("other bytes than were announced", "acme-swapped", &[], "not what the registry says"),
        ("a name like another's", "@playwrlght/mcp", &[], "mistaken for `@playwright/mcp`"),
    ];
    for (attack, name, more, reason) in attacks {
        let ended = ground.add(name, more).await?;
        let refused = ended.status == Some(1) && ended.said.contains(reason) && ground.kept() == (0, false);
        report.check(Kind::Attack, attack, format!("{reason}, nothing kept"), ended.said, refused);
    }
    let ended = ground.add("acme-plain", &[]).await?;
    let admitted = ended.status == Some(0) && ground.kept() == (1, true);
    report.check(Kind::Twin, "the same package as it was published", "submitted", ended.said, admitted);
    ground.publish("acme-plain", "steal()");
    let ended = ground.add("acme-plain", &[]).await?;
    let refused = ended.status == Some(1) && ended.said.contains("published again");
    report.check(Kind::Attack, "the same version published again", "published again", ended.said, refused);
    Ok(())
}

async fn scripts(ground: &Ground<'_>, report: &mut Report) -> Result<(), Trouble> {
    let canary = ground.path("canary");
    let script = format!("touch {}", canary.display());
    let mut thief = manifest("acme-thief");
    if let Some(members) = thief.as_object_mut() {
        let scripts = json!({ "preinstall": script, "install": script, "postinstall": script });
        members.insert("scripts".to_owned(), scripts);
        members.insert("hasInstallScript".to_owned(), true.into());
    }
    let archive = tarball(&thief, &[("main.js", "1")]);
    ground.registry.publish_npm(&thief, &archive, &archive);
    let ended = ground.add("acme-thief", &[]).await?;
    let told = ended.said.matches("install-script: acme-thief").count() == 3 && !canary.exists();
    report.check(Kind::Attack, "scripts that run at installation", "told, and not run", ended.said, told);
    Ok(())
}

async fn after_approval(ground: &Ground<'_>, report: &mut Report) -> Result<(), Trouble> {
    ground.command(&["audit", "key", "new", "bob.key", "--name", "bob"]).await?;
    ground.publish("acme-desk", "process.exit(0)");
    ground.add("acme-desk", &["--name", "desk"]).await?;
    let run = ["run", "--admitted", "desk", "--store", "store", "--approver", "bob.key.pub"];
    let ended = ground.command(&run).await?;
    let refused = ended.status == Some(1) && ended.said.contains("nobody whose key is known");
    report.check(Kind::Attack, "a server that nobody approved", "not started", ended.said, refused);
    ground.command(&["approve", "desk", "--key", "bob.key", "--store", "store"]).await?;
    let ended = ground.command(&run).await?;
    report.check(
        Kind::Twin,
        "the approved server, as it was approved",
        "passes",
        &*ended.said,
        ended.status == Some(0),
    );
    let changed = change(ground)?;
    let ended = ground.command(&run).await?;
    let refused = changed && ended.status == Some(1) && ended.said.contains("somebody changed it");
    report.check(Kind::Attack, "a file swapped after approval", "not started", ended.said, refused);
    ground.command(&["retire", "desk", "--reason", "attack", "--store", "store"]).await?;
    let ended = ground.command(&run).await?;
    let refused = ended.status == Some(1) && ended.said.contains("is retired");
    report.check(Kind::Attack, "a retired server", "not started", ended.said, refused);
    Ok(())
}

/// Writes something else into the server's program, as somebody could who may write the store.
fn change(ground: &Ground<'_>) -> Result<bool, Trouble> {
    let trees = fs::read_dir(ground.path("store")).map_err(Trouble::io("reading the store"))?;
    let mut changed = false;
    for tree in trees.flatten() {
        let program = tree.path().join("node_modules/acme-desk/main.js");
        if program.exists() {
            let directory = tree.path().join("node_modules/acme-desk");
            for path in [&directory, &program] {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(Trouble::io("chmod"))?;
            }
            fs::write(&program, "steal()").map_err(Trouble::io("changing a program"))?;
            changed = true;
        }
    }
    Ok(changed)
}
