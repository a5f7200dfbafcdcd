//! What an investigator has: copies of the log, a public key, and the program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use portcullis_testkit::gateway::Gateway;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    ground::{Ground, SOON},
    place::Place,
    trouble::Trouble,
};

const POLL: Duration = Duration::from_millis(20);

/// Changes the entries of a log, given the number of one.
pub(super) type Edit = fn(&mut Vec<Vec<u8>>, usize);

/// The log of a gateway and copies of it.
pub(super) struct Evidence {
    place: Place,
    home: TempDir,
    /// The log as the gateway keeps it.
    pub(super) whole: PathBuf,
    /// A copy from before the incident ended.
    pub(super) early: PathBuf,
}

/// What a trace says.
pub(super) struct Chain(Value);

impl Chain {
    pub(super) fn state(&self, part: &str) -> String {
        let links = self.0.get("chain").and_then(Value::as_array).into_iter().flatten();
        let state = links.filter(|link| text(link, "part") == part).map(|link| text(link, "state")).next();
        state.unwrap_or("no such part").to_owned()
    }
}

impl Evidence {
    /// Makes the log's keys.
    pub(super) async fn new(place: &Place) -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let (whole, early) = (home.path().join("log"), home.path().join("early"));
        let evidence = Self { place: place.clone(), home, whole, early };
        let key = evidence.path("key");
        evidence.run(&["audit", "key", "new", &key, "--name", "example.com/gateway"]).await?;
        Ok(evidence)
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// The gateway's settings that keep the log here.
    pub(super) fn settings(&self) -> String {
        format!("log = {:?}\nlog_key = {:?}\n", self.path("log"), self.path("key"))
    }

    async fn run(&self, args: &[&str]) -> Result<Output, Trouble> {
        self.place.command().args(args).output().await.map_err(Trouble::io("running the program"))
    }

    /// Waits until the log holds every record and returns the number of its last entry. Keeps a copy of what it
    /// held before the last one.
    pub(super) async fn wait_for_all(&self, gateway: &Gateway) -> Result<u64, Trouble> {
        let before = self.holds(gateway.records()?.len() as u64).await?;
        copy(&self.whole, &self.early)?;
        // One more record, so that the copy is older.
        let refused = crate::http::Request::new("GET", "/mcp").header("host", "evil.test").bytes();
        crate::http::exchange(gateway.address(), &refused).await?;
        Ok(self.holds(before + 1).await?.saturating_sub(1))
    }

    /// Waits until the log holds as many records.
    async fn holds(&self, records: u64) -> Result<u64, Trouble> {
        let end = Instant::now() + SOON;
        loop {
            let size = size(&self.whole).unwrap_or(0);
            if size > 0 && size >= records {
                return Ok(size);
            }
            if Instant::now() >= end {
                return Err(Trouble::other(format!("the log holds {size} of {records} records")));
            }
            sleep(POLL).await;
        }
    }

    /// Status and first bad entry of `audit verify`.
    pub(super) async fn verify(&self, log: &Path, more: &[&str]) -> Result<(i32, Option<u64>), Trouble> {
        let (log, key) = (log.display().to_string(), self.path("key.pub"));
        let output = self.run(&[&["audit", "verify", &log, "--key", &key, "--json"], more].concat()).await?;
        let report: Value = serde_json::from_slice(&output.stdout).map_err(Trouble::other)?;
        Ok((status(&output), report.get("first_bad_entry").and_then(Value::as_u64)))
    }

    /// The records that `audit query` finds in the log.
    pub(super) async fn query(&self, args: &[&str]) -> Result<Vec<Value>, Trouble> {
        let log = self.whole.display().to_string();
        let output = self.run(&[&["audit", "query", "--records", &log, "--json"], args].concat()).await?;
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(Trouble::other)).collect()
    }

    /// Status of `audit trace` in the log and what it says.
    pub(super) async fn trace(&self, id: &str) -> Result<(i32, Chain), Trouble> {
        self.trace_in(&self.whole, id).await
    }

    pub(super) async fn trace_in(&self, records: &Path, id: &str) -> Result<(i32, Chain), Trouble> {
        let records = records.display().to_string();
        let output = self.run(&["audit", "trace", id, "--records", &records, "--json"]).await?;
        let chain = serde_json::from_slice(&output.stdout).map_err(Trouble::other)?;
        Ok((status(&output), Chain(chain)))
    }

    /// A copy of the log in which a record was changed.
    pub(super) fn spoilt(&self, number: u64, edit: Edit) -> Result<TempDir, Trouble> {
        let copied = tempfile::tempdir_in(self.home.path()).map_err(Trouble::io("making a directory"))?;
        copy(&self.whole, copied.path())?;
        let bundles = copied.path().join("tile/entries/000.p");
        let widest = newest(&bundles)?;
        let bytes = fs::read(&widest).map_err(Trouble::io("reading entries"))?;
        let mut entries = decode(&bytes);
        edit(&mut entries, usize::try_from(number).unwrap_or(usize::MAX));
        fs::write(widest, encode(&entries)).map_err(Trouble::io("writing entries"))?;
        Ok(copied)
    }

    /// A copy of the lines that ends with a decision to allow, and the decision's id.
    pub(super) fn cut_inside_a_call(&self, lines: &Path) -> Result<(PathBuf, String), Trouble> {
        let all = fs::read_to_string(lines).map_err(Trouble::io("reading the lines"))?;
        let mut kept = String::new();
        for line in all.lines() {
            kept.push_str(line);
            kept.push('\n');
            let record: Value = serde_json::from_str(line).map_err(Trouble::other)?;
            if record.pointer("/decision/verdict").and_then(Value::as_str) == Some("allow") {
                let cut = self.home.path().join("cut.jsonl");
                fs::write(&cut, kept).map_err(Trouble::io("writing lines"))?;
                return Ok((cut, text(&record, "id").to_owned()));
            }
        }
        Err(Trouble::other("nothing was allowed"))
    }
}

/// Runs the program on the files of a gateway.
pub(super) async fn program(place: &Place, ground: &Ground, args: &[&str]) -> Result<(), Trouble> {
    let config = ground.gateway.config();
    let mut command = place.command();
    command.args(args).arg("--config").arg(&config);
    command.env("HOME", config.parent().unwrap_or(&config));
    let output = command.output().await.map_err(Trouble::io("running the program"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Trouble::other(String::from_utf8_lossy(&output.stderr)))
    }
}

pub(super) async fn wait_for_event(gateway: &Gateway, event: &str) -> Result<(), Trouble> {
    gateway.wait_for(event, SOON, |record| record.text("event") == event).await?;
    Ok(())
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Entries of the log according to its checkpoint.
fn size(log: &Path) -> Option<u64> {
    fs::read_to_string(log.join("checkpoint")).ok()?.lines().nth(1)?.parse().ok()
}

fn newest(bundles: &Path) -> Result<PathBuf, Trouble> {
    let entries = fs::read_dir(bundles).map_err(Trouble::io("listing entries"))?;
    let width = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
    let widest = entries.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(width);
    widest.ok_or_else(|| Trouble::other("the log has no entries"))
}

/// Entries, each behind its length in two bytes.
fn decode(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let Some((entry, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))) else {
            break;
        };
        entries.push(entry.to_vec());
        bundle = rest;
    }
    entries
}

fn encode(entries: &[Vec<u8>]) -> Vec<u8> {
    let length = |entry: &Vec<u8>| u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes();
    entries.iter().flat_map(|entry| [&length(entry)[..], entry].concat()).collect()
}

fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(to).map_err(Trouble::io("making a directory"))?;
    for entry in fs::read_dir(from).map_err(Trouble::io("listing the log"))? {
        let entry = entry.map_err(Trouble::io("listing the log"))?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // The gateway replaces files meanwhile; what is gone was superseded.
            let _ = fs::copy(entry.path(), target);
        }
    }
    Ok(())
}
