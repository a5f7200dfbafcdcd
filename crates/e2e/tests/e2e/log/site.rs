//! A log that the program wrote, copies of it to spoil, and both of its verifiers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{SystemTime, UNIX_EPOCH},
};

use portcullis_audit::{
    note::{Algorithm, Checkpoint, KeyRing, Note, SigningKey},
    tlog::{LogDir, decode_bundle, read_key_file},
    tree::{Edge, Kind, TILE_WIDTH, TilePath, TreeHash},
};
use portcullis_testkit::{bed::Bed, gateway::portcullis};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    message::{LEGACY, call, initialize, legacy},
    odd::odd,
    pipe::Pipe,
};

/// Calls of each of the three runs: with two records a call, tiles of both levels come to be.
const CALLS: [u64; 3] = [80, 70, 150];
const ORIGIN: &str = "example.com/gateway";

/// What a finding says apart from words: kind, first bad entry, and the entry before which it is.
pub(super) type Found = (String, Option<u64>, Option<u64>);

/// A log and what was kept of it elsewhere.
pub(super) struct Site {
    home: TempDir,
    bed: Bed,
    /// The directory of each run's copy, in order; the last is the whole log.
    runs: Vec<PathBuf>,
    pub(super) witness: SigningKey,
}

impl Site {
    /// Runs the gateway three times in front of a server, with a log under an Ed25519 and an ML-DSA-44 key.
    pub(super) async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for key in ["live.key", "stranger.key"] {
            let mut command = Command::new(portcullis().unwrap());
            command
                .args(["audit", "key", "new", "--post-quantum", "--name", ORIGIN])
                .arg(home.path().join(key));
            assert!(command.output().unwrap().status.success());
        }
        let witness = SigningKey::generate("example.org/witness", Algorithm::Ed25519Cosignature).unwrap();
        let mut site = Self { home, bed: Bed::load().unwrap(), runs: Vec::new(), witness };
        for (number, calls) in CALLS.into_iter().enumerate() {
            site.call(calls).await;
            let copy = site.path(&format!("run-{number}"));
            copy_into(&site.path("live"), &copy);
            site.runs.push(copy);
        }
        site
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    async fn call(&self, calls: u64) {
        let mut command = tokio::process::Command::new(portcullis().unwrap());
        command.args(["run", "--name", "odd", "--record"]).arg(self.path("record.jsonl"));
        command.arg("--log").arg(self.path("live"));
        command.arg("--").arg(odd(&[]).program).env("HOME", self.home.path());
        let mut pipe = Pipe::start(command);
        pipe.ask(&initialize(LEGACY)).await;
        for id in 1..=calls {
            let answer = pipe.ask(&legacy(id, "tools/call", call("echo", json!({ "text": "hello" })))).await;
            assert!(answer["result"].is_object(), "{answer}");
        }
        pipe.close();
        assert!(pipe.child.wait().await.unwrap().success());
    }

    /// The checkpoint file after a run.
    pub(super) fn kept(&self, run: usize) -> PathBuf {
        self.runs[run].join("checkpoint")
    }

    /// A copy of the log as it was after a run, to be spoilt.
    pub(super) fn copy(&self, run: usize) -> Copy<'_> {
        let directory = tempfile::tempdir_in(self.home.path()).unwrap();
        copy_into(&self.runs[run], directory.path());
        let size = LogDir::at(directory.path()).checkpoint().unwrap().1.size;
        Copy { site: self, directory, size }
    }

    pub(super) fn key(&self, name: &str) -> KeyRing {
        read_key_file(&self.path(name)).unwrap()
    }
}

/// A copy of a log.
pub(super) struct Copy<'s> {
    site: &'s Site,
    directory: TempDir,
    pub(super) size: u64,
}

impl Copy<'_> {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn log(&self) -> LogDir {
        LogDir::at(self.directory.path())
    }

    pub(super) fn entries(&self) -> Vec<Vec<u8>> {
        TilePath::all(Kind::Entries, self.size).flat_map(|path| self.log().entries(path).unwrap()).collect()
    }

    /// Every file that verifying depends on.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let kinds = [Kind::Entries, Kind::Hashes(0), Kind::Hashes(1)];
        let tiles = kinds.into_iter().flat_map(|kind| TilePath::all(kind, self.size));
        tiles.map(|path| self.path(&path.to_string())).chain([self.path("checkpoint")]).collect()
    }

    /// Changes the entries of the bundle that holds `number`, and no tile.
    pub(super) fn edit(&self, number: u64, change: impl FnOnce(&mut Vec<Vec<u8>>, usize)) {
        let (bundle, at) = (number / TILE_WIDTH as u64, usize::try_from(number % TILE_WIDTH as u64).unwrap());
        let path = TilePath::all(Kind::Entries, self.size).nth(usize::try_from(bundle).unwrap()).unwrap();
        let path = self.path(&path.to_string());
        let bytes = fs::read(&path).unwrap();
        let mut entries: Vec<_> = decode_bundle(&bytes).0.into_iter().map(<[u8]>::to_vec).collect();
        change(&mut entries, at);
        fs::write(path, encode(&entries)).unwrap();
    }

    /// Rebuilds every tile over other entries, as whoever can write the directory can.
    pub(super) fn rebuild(&self, entries: &[Vec<u8>]) -> Edge {
        let mut edge = Edge::new();
        for entry in entries {
            edge.push(TreeHash::leaf(entry), |level, index, hashes| self.put(level, index, hashes)).unwrap();
        }
        let partial: Vec<_> = edge.partial().map(|(l, i, hashes)| (l, i, hashes.to_vec())).collect();
        partial.iter().for_each(|(level, index, hashes)| self.put(*level, *index, hashes).unwrap());
        for (bundle, index) in entries.chunks(TILE_WIDTH).zip(0..) {
            self.write(TilePath { kind: Kind::Entries, index, width: bundle.len() }, &encode(bundle))
                .unwrap();
        }
        edge
    }

    fn put(&self, level: u8, index: u64, hashes: &[TreeHash]) -> std::io::Result<()> {
        let path = TilePath { kind: Kind::Hashes(level), index, width: hashes.len() };
        self.write(path, &hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<_>>())
    }

    fn write(&self, path: TilePath, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.path(&path.to_string());
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(path, bytes)
    }

    /// Signs the rebuilt tree with another key ring than the log's, or with its own.
    pub(super) fn sign(&self, ring: &KeyRing, edge: &Edge) {
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: edge.size(), root: edge.root() };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        fs::write(self.path("checkpoint"), ring.sign(&checkpoint, now).unwrap().to_string()).unwrap();
    }

    /// Puts the witness's signature under a checkpoint, which becomes the newest one it has seen.
    pub(super) fn cosign(&self, checkpoint: &Path) {
        let text = fs::read_to_string(checkpoint).unwrap();
        let note = Note::parse(text.as_bytes()).unwrap();
        let signature = self.site.witness.sign(note.text(), 1_790_000_000).unwrap();
        fs::write(self.path("witnessed"), format!("{text}{signature}\n")).unwrap();
    }

    /// What each of the two verifiers reports.
    pub(super) fn verify(&self, more: &[String]) -> [Value; 2] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/verify-log.py");
        let mut own = Command::new(portcullis().unwrap());
        let mut other = Command::new(self.site.bed.python());
        [own.args(["audit", "verify"]), other.arg(script)].map(|command| {
            let output = command.arg(self.directory.path()).args(more).arg("--json").output().unwrap();
            report(&output)
        })
    }
}

fn report(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"));
    assert_eq!(output.status.code(), Some(i32::from(report["ok"] == false)), "{report} {errors}");
    report
}

/// The findings of a report in order, without their words.
pub(super) fn found(report: &Value) -> Vec<Found> {
    let finding = |it: &Value| {
        (it["kind"].as_str().unwrap().to_owned(), it["first_bad_entry"].as_u64(), it["before"].as_u64())
    };
    let mut found: Vec<_> = report["findings"].as_array().unwrap().iter().map(finding).collect();
    found.sort();
    found
}

fn encode(entries: &[Vec<u8>]) -> Vec<u8> {
    let entry = |e: &Vec<u8>| [&u16::try_from(e.len()).unwrap().to_be_bytes()[..], e].concat();
    entries.iter().flat_map(entry).collect()
}

fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
