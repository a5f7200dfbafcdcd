//! The program the tests start and kill: a supervisor, a gateway that holds one server, a sandbox, or a hostile
//! program to put into one.
//!
//! `sandbox-rig __supervise …` is the supervisor. `sandbox-rig hold MARK COMMAND ARG…` launches the
//! command with `RIG_MARK` in its environment, prints the supervisor's process id and then the way the
//! server ended, and waits to be killed. `sandbox-rig contain PLAN COMMAND ARG…` runs the command in a sandbox,
//! and with `RIG_TIME` set says how many microseconds it took to start;
//! `sandbox-rig probe NAME ARG…` makes one hostile attempt, and
//! `sandbox-rig apart NAME ARG…` makes it without harm to the machine. `sandbox-rig __prove` is the self-test, and
//! `sandbox-rig unproved DIR` makes its attempts outside of any sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    reason = "test program"
)]
#![allow(clippy::indexing_slicing, reason = "test program")]

mod probe;

use std::process::{Command, ExitCode};

use portcullis_core::{Boundary, Digest, Exit, LaunchPlan, Launcher, Secret};
use portcullis_sandbox::{Contained, Draft, Plan, ProcessLauncher, selftest, supervise};

/// No sandbox could be started.
const NOT_STARTED: u8 = 125;
/// The time was up.
const TIMED_OUT: u8 = 124;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some(supervise::SUBCOMMAND) => supervise::main(Some(digest_of)),
        Some("hold") => hold(&args.next().unwrap(), &args.next().unwrap(), args.collect()),
        Some("contain") => contain(&args.next().unwrap(), &args.next().unwrap(), args.collect()),
        Some(selftest::SUBCOMMAND) => selftest::main(),
        Some("unproved") => unproved(&args.next().unwrap()),
        Some("apart") => probe::apart(&args.next().unwrap(), &args.collect::<Vec<_>>()),
        Some("probe") => probe::main(&args.next().unwrap(), &args.collect::<Vec<_>>()),
        _ => ExitCode::from(2),
    }
}

/// What the tests seal is one file.
fn digest_of(directory: &std::path::Path) -> Result<Digest, String> {
    std::fs::read(directory.join("code")).map(|code| Digest::of(&code)).map_err(|error| error.to_string())
}

/// The attempts of the self-test, made by an ordinary process.
fn unproved(place: &str) -> ExitCode {
    let plan = Draft::new("/usr/bin:/bin".as_ref(), place.as_ref()).finish();
    println!("{}", selftest::unproved(&plan, place.as_ref()).unwrap().to_text());
    ExitCode::SUCCESS
}

fn contain(plan: &str, program: &str, args: Vec<String>) -> ExitCode {
    let plan: Plan = serde_json::from_str(plan).unwrap();
    let mut command = Command::new(program);
    command.args(args).env_clear();
    for name in &plan.env {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let began = std::time::Instant::now();
    let contained = match Contained::start(&plan, command) {
        Ok(contained) => contained,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(NOT_STARTED);
        }
    };
    if std::env::var_os("RIG_TIME").is_some() {
        eprintln!("{}", began.elapsed().as_micros());
    }
    let ended = contained.wait();
    ended.denied.iter().for_each(|calls| eprintln!("refused: {calls}"));
    match ended.exit {
        _ if ended.timed_out => ExitCode::from(TIMED_OUT),
        Exit::Code(code) => ExitCode::from(u8::try_from(code).unwrap()),
        Exit::Signal(signal) => ExitCode::from(u8::try_from(128 + signal).unwrap()),
        Exit::OutOfMemory => {
            println!("{}", ended.exit);
            ExitCode::from(137)
        }
        Exit::Unknown => ExitCode::from(NOT_STARTED),
    }
}

#[tokio::main]
async fn hold(mark: &str, command: &str, args: Vec<String>) -> ExitCode {
    let launcher = ProcessLauncher::new().unwrap();
    let env = vec![("RIG_MARK".to_owned(), Secret::new(mark.as_bytes().to_vec()))];
    let plan = LaunchPlan {
        server: mark.parse().unwrap(),
        command: command.into(),
        args,
        env,
        cwd: None,
        boundary: Boundary::DangerNone,
    };
    let launched = launcher.launch(&plan).await.unwrap();
    println!("{}", launched.process.id());
    let exit = launched.process.exited().await;
    println!("{exit}");
    std::future::pending().await
}
