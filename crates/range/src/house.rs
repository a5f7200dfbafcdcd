//! A house that admits servers: a registry of our own, a store, a lock, and the key of somebody who may approve.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use portcullis_testkit::registry::{Registry, tarball};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    time::timeout,
};

use crate::{place::Place, trouble::Trouble};

/// npm asks again for what is missing.
const DEADLINE: Duration = Duration::from_secs(180);

/// A registry, a store and a lock.
pub(crate) struct House<'p> {
    place: &'p Place,
    directory: TempDir,
    pub(crate) registry: Registry,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) said: String,
}

impl Ended {
    /// Whether it was refused for this reason.
    pub(crate) fn is_refused(&self, reason: &str) -> bool {
        self.status == Some(1) && self.said.contains(reason)
    }
}

/// A package without anything special about it.
pub(crate) fn manifest(name: &str, version: &str) -> Value {
    json!({ "name": name, "version": version, "bin": "main.js" })
}

impl<'p> House<'p> {
    pub(crate) async fn open(place: &'p Place) -> Result<Self, Trouble> {
        let directory = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let house = Self { place, directory, registry: Registry::start() };
        house.command(&["audit", "key", "new", "bob.key", "--name", "bob"]).await?;
        Ok(house)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn prepared(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = self.place.command();
        command.args(args).current_dir(self.directory.path()).kill_on_drop(true);
        command.env("HOME", self.path("home")).env("npm_config_cache", self.path("home"));
        command.env("npm_config_userconfig", "/dev/null").env("NO_PROXY", "127.0.0.1");
        command
    }

    pub(crate) async fn command(&self, args: &[&str]) -> Result<Ended, Trouble> {
        let output = self.prepared(args).stdin(Stdio::null()).output();
        let output = timeout(DEADLINE, output).await.map_err(Trouble::other)?;
        let output = output.map_err(Trouble::io("running a command"))?;
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        Ok(Ended { status: output.status.code(), said })
    }

    /// Submits a package of npm, from the registry unless `more` says otherwise.
    pub(crate) async fn add(&self, name: &str, more: &[&str]) -> Result<Ended, Trouble> {
        let registry = self.registry.npm();
        let own: &[&str] =
            if more.contains(&"--registry-url") { &[] } else { &["--registry-url", registry.as_str()] };
        self.add_anywhere(name, &[own, more].concat()).await
    }

    /// Submits a package of npm, from wherever the options lead.
    pub(crate) async fn add_anywhere(&self, name: &str, more: &[&str]) -> Result<Ended, Trouble> {
        let package = format!("npm:{name}");
        let common = ["add", &package, "--submitter", "alice", "--store", "store"];
        self.command(&[&common, more].concat()).await
    }

    pub(crate) async fn approve(&self, name: &str) -> Result<Ended, Trouble> {
        self.command(&["approve", name, "--key", "bob.key", "--store", "store"]).await
    }

    /// Starts an admitted server and ends at once.
    pub(crate) async fn start(&self, name: &str) -> Result<Ended, Trouble> {
        self.command(&["run", "--admitted", name, "--store", "store", "--approver", "bob.key.pub"]).await
    }

    /// The name that an admitted server gives itself when it is started and asked.
    pub(crate) async fn name_given(&self, name: &str) -> Result<String, Trouble> {
        let args = ["run", "--admitted", name, "--store", "store", "--approver", "bob.key.pub"];
        let mut command = self.prepared(&args);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(Trouble::io("starting a server"))?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Ok(String::new());
        };
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"} }});
        let written = input.write_all(format!("{asked}\n").as_bytes()).await;
        written.map_err(Trouble::io("asking a server"))?;
        let mut answer = String::new();
        let read = timeout(DEADLINE, BufReader::new(output).read_line(&mut answer)).await;
        read.map_err(Trouble::other)?.map_err(Trouble::io("reading an answer"))?;
        drop(input);
        timeout(DEADLINE, child.wait()).await.map_err(Trouble::other)?.map_err(Trouble::io("waiting"))?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let name = answer.pointer("/result/serverInfo/name").and_then(Value::as_str);
        Ok(name.unwrap_or_default().to_owned())
    }

    /// What is in the store, and whether the lock names anything.
    pub(crate) fn kept(&self) -> (usize, bool) {
        let entries = fs::read_dir(self.path("store")).into_iter().flatten().flatten();
        let trees = entries.filter(|entry| entry.file_name() != "quarantine").count();
        (trees, self.lock().contains("[[server]]"))
    }

    /// The text of the lock.
    pub(crate) fn lock(&self) -> String {
        fs::read_to_string(self.path("portcullis.lock")).unwrap_or_default()
    }

    /// Publishes a package of one file.
    pub(crate) fn publish(&self, name: &str, version: &str, body: &str) {
        publish(&self.registry, &manifest(name, version), body);
    }

    /// Writes something else into a server's program, as somebody could who may write the store.
    pub(crate) fn change(&self, package: &str, text: &str) -> Result<bool, Trouble> {
        let trees = fs::read_dir(self.path("store")).map_err(Trouble::io("reading the store"))?;
        let mut changed = false;
        for tree in trees.flatten() {
            let directory = tree.path().join("node_modules").join(package);
            if directory.join("main.js").exists() {
                rewrite(&directory, text)?;
                changed = true;
            }
        }
        Ok(changed)
    }
}

/// Publishes a package of one file somewhere.
pub(crate) fn publish(registry: &Registry, manifest: &Value, body: &str) {
    let archive = tarball(manifest, &[("main.js", body)]);
    registry.publish_npm(manifest, &archive, &archive);
}

fn rewrite(directory: &Path, text: &str) -> Result<(), Trouble> {
    use std::os::unix::fs::PermissionsExt as _;

    let program = directory.join("main.js");
    for path in [directory, &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(Trouble::io("chmod"))?;
    }
    fs::write(&program, text).map_err(Trouble::io("changing a program"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o444)).map_err(Trouble::io("chmod"))
}
