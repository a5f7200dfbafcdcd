//! How fast records become durable, and what each costs.
//!
//! `cargo run --release -p portcullis-audit --example record_speed -- [directory] [seconds per row]`
//!
//! Each row opens and closes calls from that many concurrent tasks, as the gateway does: a decision that
//! waits for durability, then an outcome that does not. One call is two records.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a measuring program")]

#[path = "shared/record.rs"]
mod record;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_audit::{Fsync, JsonLines, JsonLinesOptions, Recorder};
use portcullis_core::{ControlId, Decision, Outcome, RefusalKind, SystemClock};
use record::{Nowhere, cpu, record, recorder};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(3, |s| s.parse().expect("seconds as a number"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(recorder_alone());
    println!(
        "| fsync | waiters | calls/s | records/s | CPU µs/record | wait p50 µs | p99 µs | records/batch | syncs/s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for fsync in [Fsync::Always, Fsync::Interval(Duration::from_millis(100)), Fsync::DangerNever] {
        for waiters in [1, 32, 256] {
            runtime.block_on(row(&directory, fsync, waiters, Duration::from_secs(seconds)));
        }
    }
}

async fn recorder_alone() {
    let recorder = recorder(Arc::new(Nowhere));
    let record = record();
    const CALLS: u32 = 200_000;
    let started = cpu();
    for _ in 0..CALLS {
        let ticket = recorder.open(record.clone()).await.unwrap();
        let _ = ticket.close(Outcome::Completed, 100, None);
    }
    let per_call = (cpu() - started) / CALLS;
    println!("recorder without a log: {per_call:?} of CPU per call of two records");
    let mut refused = record.clone();
    let detail = "no policy allows it".to_owned();
    refused.decision = Decision::Refuse { kind: RefusalKind::Denied, control: Some(ControlId::Az01), detail };
    let started = cpu();
    for _ in 0..CALLS {
        let _ = recorder.refuse(refused.clone()).unwrap();
    }
    println!("refusals under flood: {:?} of CPU each\n", (cpu() - started) / CALLS);
}

async fn row(directory: &Path, fsync: Fsync, waiters: usize, time: Duration) {
    let path = directory.join(format!("record-speed-{}.jsonl", std::process::id()));
    let mut options = JsonLinesOptions::new(&path);
    options.fsync = fsync;
    options.rotate_bytes = None;
    let log = Arc::new(JsonLines::open(options, Arc::new(SystemClock)).unwrap());
    let recorder = recorder(log.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let (started, cpu_started) = (Instant::now(), cpu());
    let tasks: Vec<_> = (0..waiters).map(|_| tokio::spawn(call(recorder.clone(), stop.clone()))).collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap());
    }
    let (elapsed, cpu_used) = (started.elapsed().as_secs_f64(), cpu() - cpu_started);
    log.shutdown().unwrap();
    let metrics = log.metrics();
    let records = metrics.appended.get();
    waits.sort_unstable();
    let at = |part: usize| waits.get(waits.len() * part / 100).copied().unwrap_or_default();
    println!(
        "| {fsync} | {waiters} | {:.0} | {:.0} | {:.2} | {} | {} | {:.1} | {:.0} |",
        waits.len() as f64 / elapsed,
        records as f64 / elapsed,
        cpu_used.as_secs_f64() * 1e6 / records as f64,
        at(50),
        at(99),
        records as f64 / metrics.batches.get() as f64,
        metrics.syncs.get() as f64 / elapsed,
    );
    std::fs::remove_file(&path).unwrap();
    let _ = std::fs::remove_file(path.with_extension("jsonl.lock"));
}

/// Opens and closes calls until told to stop; returns how long each waited for its ticket in microseconds.
async fn call(recorder: Recorder, stop: Arc<AtomicBool>) -> Vec<u32> {
    let record = record();
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let ticket = recorder.open(record.clone()).await.unwrap();
        waits.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        let _ = ticket.close(Outcome::Completed, 100, None);
    }
    waits
}
