//! Finding marked processes, and launching marked servers.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use portcullis_core::{Boundary, LaunchPlan, Launched, Launcher, Secret};
use portcullis_sandbox::ProcessLauncher;
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const RIG: &str = env!("CARGO_BIN_EXE_sandbox-rig");

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// A word that no other process on this machine has in its arguments or environment.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("mark-{}-{nanos}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Live processes, other than `except`, that carry the mark.
pub(crate) fn marked(mark: &str, except: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let carries = |pid: &u32| {
        ["environ", "cmdline"].iter().any(|file| {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.windows(mark.len()).any(|window| window == mark.as_bytes())
        })
    };
    pids.filter(|pid| *pid != except).filter(carries).collect()
}

/// Looks again and again until `found` says yes, and fails the test when it never does.
#[allow(clippy::disallowed_methods, reason = "this is the wait for a condition, with a deadline")]
pub(crate) fn wait_until(what: &str, mut found: impl FnMut() -> bool) {
    let start = Instant::now();
    while !found() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn wait_for_count(mark: &str, except: u32, at_least: usize) {
    wait_until("all processes of the server are up", || marked(mark, except).len() >= at_least);
}

pub(crate) fn wait_for_none(mark: &str, except: u32) {
    let mut left = Vec::new();
    wait_until("no process of the server is left", || {
        left = marked(mark, except);
        left.is_empty()
    });
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// A gateway in a process of its own that holds one marked server.
pub(crate) struct Gateway {
    pub(crate) process: Child,
    pub(crate) supervisor: u32,
    output: BufReader<ChildStdout>,
}

impl Gateway {
    pub(crate) fn holding(mark: &str, script: &str) -> Self {
        let mut process = Command::new(RIG)
            .args(["hold", mark, "/bin/sh", "-c", script, mark])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let supervisor = line(&mut output).parse().unwrap();
        Self { process, supervisor, output }
    }

    /// The direct child of the supervisor.
    pub(crate) fn server(&self) -> u32 {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.supervisor)).unwrap();
        children.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// What the gateway printed about the end of its server.
    pub(crate) fn verdict(&mut self) -> String {
        line(&mut self.output)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// A plan for a shell script, marked in environment and arguments.
pub(crate) fn script(mark: &str, script: &str) -> LaunchPlan {
    LaunchPlan {
        server: mark.parse().unwrap(),
        command: "/bin/sh".into(),
        args: ["-c", script, mark].map(str::to_owned).to_vec(),
        env: vec![("RIG_MARK".to_owned(), Secret::new(mark.as_bytes().to_vec()))],
        cwd: None,
        boundary: Boundary::DangerNone,
    }
}

pub(crate) async fn launch(plan: &LaunchPlan) -> Launched {
    ProcessLauncher::with_supervisor(RIG).unwrap().launch(plan).await.unwrap()
}
