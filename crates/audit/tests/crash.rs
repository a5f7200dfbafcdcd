//! A process killed while it records.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod common;

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{allowed, open, options, read_all, recorder};
use portcullis_audit::{Fsync, JsonLinesOptions, Recorder, unfinished};
use portcullis_core::Outcome;

/// Set for the process that is to be killed: the log, and the policy.
const LOG: &str = "AUDIT_CRASH_TEST_LOG";
const POLICY: &str = "AUDIT_CRASH_TEST_POLICY";
const TASKS: usize = 16;

fn policy(name: &str) -> Fsync {
    match name {
        "always" => Fsync::Always,
        "interval" => Fsync::Interval(Duration::from_millis(2)),
        _ => Fsync::DangerNever,
    }
}

/// Not a test of its own: the process the tests kill. Says which decisions are on record, one a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests that kill it"]
async fn child() {
    let path = std::env::var_os(LOG).unwrap();
    let fsync = policy(&std::env::var(POLICY).unwrap());
    let log = open(JsonLinesOptions { fsync, rotate_bytes: Some(256 << 10), ..options(Path::new(&path)) });
    let recorder = recorder(Arc::new(log));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        tasks.spawn(record_for_ever(recorder.clone()));
    }
    // None of them ends by itself.
    assert!(tasks.join_next().await.is_none());
}

async fn record_for_ever(recorder: Recorder) {
    loop {
        let ticket = recorder.open(allowed()).await.unwrap();
        println!("on record: {}", ticket.record_id());
        let _ = ticket.close(Outcome::Completed, 1, None);
    }
}

/// Kills a recording process after `acknowledged` records and compares what it said with what is there.
fn check(fsync: &str, acknowledged: usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(LOG, &path)
        .env(POLICY, fsync)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = HashSet::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        said.extend(line.unwrap().strip_prefix("on record: ").map(str::to_owned));
        if said.len() >= acknowledged && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(said.len() >= acknowledged, "the process said {} records and ended", said.len());
    // Opening repairs the end; from then on every line is a whole record.
    open(options(&path)).shutdown().unwrap();
    let records = read_all(&path);
    let there: HashSet<_> =
        records.iter().filter(|r| r.allows()).map(|r| r.id().unwrap().to_owned()).collect();
    let missing: Vec<_> = said.difference(&there).collect();
    assert!(missing.is_empty(), "{} of {} acknowledged records are missing", missing.len(), said.len());
    // What the log says about itself has numbers of its own.
    let of_run = records.iter().filter(|r| !r.id().unwrap().starts_with("log-"));
    let numbers: Vec<_> = of_run.filter_map(|r| r.sequence()).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "in order and none missing");
    assert!(unfinished(&records).len() <= TASKS, "each task has one call open at most");
}

#[test]
fn every_acknowledged_record_survives_a_kill() {
    for (fsync, acknowledged) in
        [("always", 1), ("always", 300), ("interval", 3_000), ("never", 1), ("never", 6_000)]
    {
        check(fsync, acknowledged);
    }
}
