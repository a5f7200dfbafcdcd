//! `portcullis sandbox exec`

use std::{path::PathBuf, process::Command};

use portcullis_core::{Exit as ProcessExit, ServerName};
use portcullis_sandbox::{Contained, StartError};

use super::{
    plan::{PlanArgs, Planned},
    way_out::{self, Served},
};
use crate::{
    commands::run::{default_record, name_of},
    exit::{Exit, Failure, Outcome},
    own::Own,
    printer::Printer,
};

/// The time was up.
const TIMED_OUT: Exit = Exit::Command(124);
/// There is no sandbox, so nothing was run.
const NO_SANDBOX: Exit = Exit::Command(125);
/// The command cannot be executed.
const NOT_EXECUTED: Exit = Exit::Command(126);

/// Run a command in the foreground, inside the boundaries of a plan. The exit status is the command's: 128 and the
/// number of the signal when one ended it, 124 when its time was up, 125 when there is no sandbox, 126 when the
/// command cannot be executed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// What the command is called in records of what it reaches; made from the command when absent.
    #[arg(long)]
    name: Option<ServerName>,
    /// File those records are appended to; when absent, a new one in ~/.local/state/portcullis/sandbox.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let Planned { plan, program, args: arguments } = args.plan.plan(printer)?;
    let own = args.record.iter().fold(Own::of_user(printer), |own, file| own.with(file, "the record"));
    own.is_out_of_reach_of(&plan).map_err(|reached| super::apart(NO_SANDBOX, &reached))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    for name in &plan.env {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // Before any thread is started.
    let mut contained = Contained::start(&plan, command).map_err(|error| refused(&error))?;
    if contained.cgroup().is_none() {
        printer.warning(
            "memory and processor time are not limited: no control group can be made here",
            Some("run it as root, or in a delegated group (`systemd-run --user --scope -p Delegate=yes`)"),
        );
    }
    let way_out = contained.way_out().map(|listener| {
        let name = args.name.clone().map_or_else(|| name_of(&args.plan.command), Ok)?;
        let record = args.record.clone().map_or_else(|| default_record("sandbox", &name), Ok)?;
        way_out::serve(Served { name: &name, record: &record, plan: &plan }, listener, printer)
    });
    let way_out = way_out.transpose()?;
    let ended = contained.wait();
    ended.denied.iter().for_each(|calls| printer.status(&format!("the command was refused {calls}")));
    if let Some(way_out) = way_out {
        way_out.close(&ended.denied, printer)?;
    }
    if ended.timed_out {
        let seconds = plan.limits.seconds.unwrap_or_default();
        return Err(Failure::new(TIMED_OUT, format!("ended after {seconds} s")));
    }
    let status = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match ended.exit {
        ProcessExit::Code(code) => Ok(Exit::Command(status(code))),
        exit @ ProcessExit::Signal(signal) => Err(Failure::new(
            Exit::Command(status(signal.saturating_add(128))),
            format!("the command {exit}"),
        )),
        exit @ (ProcessExit::OutOfMemory | ProcessExit::Unknown) => {
            Err(Failure::new(Exit::Command(137), format!("the command {exit}")))
        }
    }
}

fn refused(error: &StartError) -> Failure {
    let (exit, remedy) = match error {
        StartError::Unmet { .. } => (
            NO_SANDBOX,
            "nothing was run; the kernel needs unprivileged user namespaces, Landlock and seccomp",
        ),
        StartError::Program(_) => {
            (NOT_EXECUTED, "see with `portcullis sandbox show` what it could execute and read")
        }
    };
    Failure::new(exit, error.to_string()).remedy(remedy)
}
