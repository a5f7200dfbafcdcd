//! Publication of a log to a directory and to an S3-compatible store, read back there by another client and verified.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use portcullis_testkit::{bed::Bed, gateway::portcullis};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    message::{LEGACY, call, initialize, legacy},
    odd::odd,
    pipe::Pipe,
    raw::SOON,
};

/// A store that runs.
struct Store {
    endpoint: String,
    _process: Child,
}

impl Store {
    async fn start(bed: &Bed) -> Self {
        let mut command = Command::new(bed.python());
        command.args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
        command.stderr(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        loop {
            let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap().expect("it serves");
            if let Some((_, endpoint)) = line.split_once("Running on ") {
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Self { endpoint: endpoint.trim().to_owned(), _process: process };
            }
        }
    }

    async fn does(&self, bed: &Bed, what: &str, bucket: &str, more: &[&Path]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/s3-store.py");
        let mut command = Command::new(bed.python());
        let output =
            command.arg(script).args([what, &self.endpoint, bucket]).args(more).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// A log and its keys.
struct Site {
    home: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let site = Self { home: tempfile::tempdir().unwrap() };
        let mut command = Command::new(portcullis().unwrap());
        command.args(["audit", "key", "new", "--name", "example.com/published"]).arg(site.path("log.key"));
        assert!(command.output().await.unwrap().status.success());
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Adds calls to the log.
    async fn calls(&self, count: u64) {
        let mut command = Command::new(portcullis().unwrap());
        command.args(["run", "--name", "odd", "--record"]).arg(self.path("record.jsonl"));
        command
            .arg("--log")
            .arg(self.path("log"))
            .arg("--")
            .arg(odd(&[]).program)
            .env("HOME", self.home.path());
        let mut pipe = Pipe::start(command);
        pipe.ask(&initialize(LEGACY)).await;
        for id in 1..=count {
            pipe.ask(&legacy(id, "tools/call", call("echo", json!({ "text": "hello" })))).await;
        }
        pipe.close();
        assert!(pipe.child.wait().await.unwrap().success());
    }

    /// Publishes once; the status.
    async fn publish(&self, more: &[&str]) -> Option<i32> {
        let mut command = Command::new(portcullis().unwrap());
        command.args(["audit", "publish"]).arg(self.path("log")).arg("--key").arg(self.path("log.key.pub"));
        command.arg("--once").args(more).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().await.unwrap().code()
    }

    /// Whether the log in `place` is whole; how many entries it has.
    async fn verified(&self, place: &Path) -> Option<u64> {
        let mut command = Command::new(portcullis().unwrap());
        command.args(["audit", "verify", "--json", "--key"]).arg(self.path("log.key.pub")).arg(place);
        let output = command.output().await.unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (report["ok"] == true).then(|| report["size"].as_u64().unwrap())
    }
}

#[tokio::test]
async fn a_published_log_is_the_log_and_only_ever_continued() {
    let (site, bed) = (Site::new().await, Bed::load().unwrap());
    let store = Store::start(&bed).await;
    store.does(&bed, "make", "logs", &[]).await;
    let credentials = site.path("credentials");
    fs::write(&credentials, "key-id\nsecret\n").unwrap();
    fs::set_permissions(&credentials, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let directory = site.path("copy");
    let to_directory = ["--to", directory.to_str().unwrap()];
    let to_store = [
        "--to",
        "s3://logs/gateways/one",
        "--endpoint",
        &store.endpoint,
        "--credentials",
        credentials.to_str().unwrap(),
    ];
    let mut sizes = Vec::new();
    for calls in [3, 140] {
        site.calls(calls).await;
        assert_eq!((site.publish(&to_directory).await, site.publish(&to_store).await), (Some(0), Some(0)));
        let fetched = site.path(&format!("fetched-{calls}"));
        store.does(&bed, "fetch", "logs", &[&fetched]).await;
        let (own, copied) = (site.verified(&site.path("log")).await, site.verified(&directory).await);
        let kept = site.verified(&fetched.join("gateways/one")).await;
        assert!(own.is_some() && own == copied && own == kept, "{own:?} {copied:?} {kept:?}");
        sizes.push(own.unwrap());
    }
    assert!(sizes[0] < 256 && sizes[1] > 256, "{sizes:?}");

    // Another history by the same key is not put over it.
    fs::remove_dir_all(site.path("log")).unwrap();
    fs::remove_file(site.path("record.jsonl")).unwrap();
    site.calls(150).await;
    assert_eq!((site.publish(&to_directory).await, site.publish(&to_store).await), (Some(1), Some(1)));
    assert_eq!(site.verified(&directory).await, Some(sizes[1]), "what was published stays");
    for (wrong, status) in [
        (&["--to", "s3://logs/x"][..], 2),
        (&["--to", "ftp://logs/x"], 2),
        (&["--to", "http://127.0.0.1:1/x"], 3),
        (
            &[
                "--to",
                "s3://no-such-bucket/x",
                "--endpoint",
                &store.endpoint,
                "--credentials",
                credentials.to_str().unwrap(),
            ],
            3,
        ),
    ] {
        assert_eq!(site.publish(wrong).await, Some(status), "{wrong:?}");
    }
}
