//! How fast records become durable, and what each costs.
//!
//! `cargo run --release -p portcullis-audit --example record_speed -- [directory] [seconds per row]`
//!
//! Each row opens and closes calls from that many concurrent tasks, as the gateway does: a decision that
//! waits for durability, then an outcome that does not. One call is two records.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a measuring program")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_audit::{Digests, Fsync, JsonLines, JsonLinesOptions, Recorder, RecorderOptions};
use portcullis_core::{
    AuthMethod, BoxFuture, Caller, Channel, ControlId, ControlRun, Decision, DecisionRecord, Digest, Outcome,
    Principal, PrincipalKind, RefusalKind, RunState, Sink, SinkError, SystemClock,
};

/// Accepts everything, to measure what the recorder alone costs.
struct Nowhere;

impl Sink for Nowhere {
    fn append(&self, _line: Vec<u8>) -> Result<(), SinkError> {
        Ok(())
    }

    fn append_durable(&self, _line: Vec<u8>) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

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

fn recorder(sink: Arc<dyn Sink>) -> Recorder {
    let digests = Digests {
        policy: Some(Digest::of(b"policy")),
        config: Some(Digest::of(b"config")),
        controls: Some(Digest::of(b"controls")),
    };
    Recorder::new(sink, Arc::new(SystemClock), RecorderOptions::new("node"), digests).unwrap()
}

/// A record as large as one of a real tool call.
fn record() -> DecisionRecord {
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "uid:1000".into() };
    let ran = |control| ControlRun { control, state: RunState::Ran, reason: None };
    let controls = [ControlId::Net04, ControlId::Net05, ControlId::Iam01, ControlId::Az01, ControlId::Ti01];
    DecisionRecord {
        channel: Channel::Http,
        caller: Some(Arc::new(Caller {
            principal,
            actor: None,
            tenant: None,
            method: AuthMethod::LoopbackPeer,
            grant: None,
        })),
        endpoint: None,
        version: Some("2026-07-28"),
        method: Some("tools/call".into()),
        server: "filesystem".parse().ok(),
        item_kind: Some("Tool"),
        item: Some("read_text_file".into()),
        definition: Some(Digest::of(b"definition")),
        request: Some(Digest::of(b"request").into()),
        request_bytes: 560,
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        policy: None,
        config: None,
        controls_digest: None,
        controls: controls.map(ran).into_iter().collect(),
        findings: Vec::new(),
        context: portcullis_core::CallContext::default(),
        decision: Decision::Allow { policies: ["readers-may-read".into()].into() },
        spans: None,
    }
}

/// CPU time this process has used.
fn cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.try_into().unwrap_or(0), used.tv_nsec.try_into().unwrap_or(0))
}
