//! Time from starting a gateway's process to its first successful `tools/list`.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process_group},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use serde::Serialize;

use crate::{
    figures::median,
    mcp::Client,
    options::{ColdStartOptions, Target, Work},
    pace::Timer,
    proc,
};

const PROBE_EVERY: Duration = Duration::from_micros(200);
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const GIVE_UP: Duration = Duration::from_secs(180);
/// How long a process may take to end, after SIGTERM and again after SIGKILL.
const END_LIMIT: Duration = Duration::from_secs(3);

#[derive(Serialize)]
pub(crate) struct Report {
    target: Target,
    first_tools_list_ms: Series,
    idle_rss_mb: Series,
    idle_pss_mb: Series,
    processes: usize,
}

#[derive(Serialize)]
struct Series {
    median: f64,
    all: Vec<f64>,
}

impl From<Vec<f64>> for Series {
    fn from(mut all: Vec<f64>) -> Series {
        all.sort_by(f64::total_cmp);
        Series { median: median(all.clone()), all }
    }
}

pub(crate) async fn run(options: &ColdStartOptions) -> Result<Report, String> {
    let (mut times, mut rss, mut pss, mut processes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..options.repeat.max(1) {
        let start = Instant::now();
        let mut child = Group::spawn(options)?;
        first_listing(options, &mut child, start).await?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(options.settle_ms)).await;
        let memory = proc::memory(child.0.id());
        rss.push(memory.rss_mb);
        pss.push(memory.pss_mb);
        processes = memory.processes;
    }
    Ok(Report {
        target: options.target.clone(),
        first_tools_list_ms: times.into(),
        idle_rss_mb: rss.into(),
        idle_pss_mb: pss.into(),
        processes,
    })
}

async fn first_listing(options: &ColdStartOptions, child: &mut Group, start: Instant) -> Result<(), String> {
    let timer = Timer::new().map_err(|e| e.to_string())?;
    loop {
        if let Ok(Some(status)) = child.0.try_wait() {
            return Err(format!("`{}` ended: {status}", options.command[0]));
        }
        if let Ok(Some(())) = tokio::time::timeout(PROBE_LIMIT, probe(&options.target)).await {
            return Ok(());
        }
        if start.elapsed() > GIVE_UP {
            return Err(format!("no answer to tools/list within {GIVE_UP:?}"));
        }
        timer.sleep_until(Instant::now() + PROBE_EVERY).await.map_err(|e| e.to_string())?;
    }
}

async fn probe(target: &Target) -> Option<()> {
    let mut client = Client::connect(target, &Work::listing()).await.ok()?;
    let listed = matches!(client.call().await, Ok(true));
    client.close().await;
    listed.then_some(())
}

/// A child in a process group of its own, ended as a whole.
struct Group(Child);

impl Group {
    fn spawn(options: &ColdStartOptions) -> Result<Group, String> {
        let mut command = Command::new(&options.command[0]);
        command
            .args(&options.command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let child = match options.cpu {
            Some(cpu) => spawn_on(cpu, &mut command),
            None => command.spawn(),
        };
        child.map(Group).map_err(|e| format!("`{}`: {e}", options.command[0]))
    }
}

/// A child inherits its parent's cores. Pinning this way, unlike with `taskset`, adds no second
/// exec to the time being measured.
fn spawn_on(cpu: usize, command: &mut Command) -> io::Result<Child> {
    let own = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only)?;
    let child = command.spawn();
    sched_setaffinity(None, &own)?;
    child
}

impl Drop for Group {
    #[allow(clippy::disallowed_methods, reason = "this is the wait for a condition, with a deadline")]
    fn drop(&mut self) {
        let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) else {
            return;
        };
        for signal in [Signal::TERM, Signal::KILL] {
            // Fails only when the group is gone already.
            let _ = kill_process_group(group, signal);
            let deadline = Instant::now() + END_LIMIT;
            while Instant::now() < deadline {
                if !matches!(self.0.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
