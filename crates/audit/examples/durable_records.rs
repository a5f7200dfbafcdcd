//! Durable records a second on one processor, beside plain JSON lines with a sync each, in the same run; and what recording
//! adds to a call in CPU time.
//!
//! `cargo run --profile bench-release -p portcullis-audit --example durable_records -- [directory] [seconds per row] [--check]`
//!
//! All threads share one processor. A call is two records, as in the gateway: a decision that waits until it is durable
//! (`fdatasync`), then an outcome that does too, as `audit.withhold_on_failed_outcome` comes. `--check` ends with status 1
//! below 50,000 records a second or above 15 µs a call.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a measuring program")]

#[path = "shared/record.rs"]
mod record;

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_audit::{
    Fsync, JsonLines, JsonLinesOptions, TransparencyLog, TransparencyLogOptions,
    note::{Algorithm, SigningKey},
};
use portcullis_core::{Outcome, Record, SystemClock};
use record::{Nowhere, cpu, recorder};

/// Calls under way at a time, as behind a busy gateway.
const WAITERS: usize = 512;
const WANTED_PER_SECOND: f64 = 50_000.0;
const MOST_CPU_US: f64 = 15.0;

/// What a row came to.
struct Row {
    records: u64,
    elapsed: Duration,
    cpu: Duration,
    syncs: u64,
}

impl Row {
    fn per_second(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64()
    }

    fn us_per_call(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.records as f64 * 2.0
    }

    fn print(&self, name: &str) {
        let batch = self.records as f64 / self.syncs.max(1) as f64;
        let (per_second, cpu) = (self.per_second(), self.us_per_call());
        println!("| {name} | {per_second:.0} | {cpu:.1} | {batch:.1} |");
    }
}

fn main() -> ExitCode {
    let (flags, arguments): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|it| it.starts_with("--"));
    let mut arguments = arguments.into_iter();
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("durable-records-{}", std::process::id()));
    let time = Duration::from_secs(arguments.next().map_or(5, |s| s.parse().expect("seconds as a number")));
    stay_on_one_processor();
    fs::create_dir_all(&directory).unwrap();
    println!("| one processor | records/s | CPU µs/call | records/sync |\n|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    plain(&directory, time).print("plain JSON lines, a sync each");
    let alone = runtime.block_on(nowhere());
    alone.print("recorder without a file");
    let lines = runtime.block_on(grouped(&directory, "lines", false, time));
    lines.print("recorder, group commit");
    let tree = runtime.block_on(grouped(&directory, "tree", true, time));
    tree.print("recorder, group commit, transparency log");
    fs::remove_dir_all(&directory).unwrap();
    let fast = lines.per_second() >= WANTED_PER_SECOND && lines.us_per_call() <= MOST_CPU_US;
    if flags.iter().any(|flag| flag == "--check") && !fast {
        println!(
            "wanted: {WANTED_PER_SECOND} records/s with group commit and at most {MOST_CPU_US} µs a call"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn stay_on_one_processor() {
    let mut set = rustix::thread::CpuSet::new();
    let all = rustix::thread::sched_getaffinity(None).unwrap();
    let one = (0..rustix::thread::CpuSet::MAX_CPU).rfind(|cpu| all.is_set(*cpu)).unwrap();
    set.set(one);
    rustix::thread::sched_setaffinity(None, &set).unwrap();
}

/// What anybody would write first: serialise, write, sync.
fn plain(directory: &Path, time: Duration) -> Row {
    let mut file = File::create(directory.join("plain.jsonl")).unwrap();
    let record = Record::Decision(Box::new(record::record()));
    let (started, cpu_started, mut records) = (Instant::now(), cpu(), 0);
    while started.elapsed() < time {
        let mut line = serde_json::to_vec(&record).unwrap();
        line.push(b'\n');
        file.write_all(&line).unwrap();
        file.sync_data().unwrap();
        records += 1;
    }
    Row { records, elapsed: started.elapsed(), cpu: cpu() - cpu_started, syncs: records }
}

async fn nowhere() -> Row {
    const CALLS: u64 = 100_000;
    let (recorder, record) = (recorder(Arc::new(Nowhere)), record::record());
    let (started, cpu_started) = (Instant::now(), cpu());
    for _ in 0..CALLS {
        let ticket = recorder.open(record.clone()).await.unwrap();
        let _ = ticket.close_durable(Outcome::Completed, 100, None).await.unwrap();
    }
    Row { records: 2 * CALLS, elapsed: started.elapsed(), cpu: cpu() - cpu_started, syncs: 0 }
}

async fn grouped(directory: &Path, name: &str, tree: bool, time: Duration) -> Row {
    let options = JsonLinesOptions {
        fsync: Fsync::Always,
        followed: tree,
        ..JsonLinesOptions::new(directory.join(format!("{name}.jsonl")))
    };
    let log = Arc::new(JsonLines::open(options, Arc::new(SystemClock)).unwrap());
    let tree = tree.then(|| follow(directory, &log));
    let recorder = recorder(log.clone());
    let (started, cpu_started) = (Instant::now(), cpu());
    let tasks: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (recorder, record) = (recorder.clone(), record::record());
            tokio::spawn(async move {
                while started.elapsed() < time {
                    let ticket = recorder.open(record.clone()).await.unwrap();
                    let _ = ticket.close_durable(Outcome::Completed, 100, None).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = started.elapsed();
    let (records, syncs) = (log.metrics().appended.get(), log.metrics().syncs.get());
    // What the tree still has to do is part of what records cost.
    match tree {
        Some(tree) => tree.shutdown().unwrap(),
        None => log.shutdown().unwrap(),
    }
    Row { records, elapsed, cpu: cpu() - cpu_started, syncs }
}

fn follow(directory: &Path, lines: &Arc<JsonLines>) -> TransparencyLog {
    let (key, line) = (directory.join("key"), SigningKey::generate("example.com/bench", Algorithm::Ed25519));
    fs::write(&key, line.unwrap().line().expose()).unwrap();
    let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    fs::set_permissions(&key, private).unwrap();
    let options = TransparencyLogOptions::new(directory.join("log"), key);
    TransparencyLog::open(options, lines.clone(), Arc::new(SystemClock)).unwrap()
}
