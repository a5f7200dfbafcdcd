//! `portcullis sandbox exec`

use std::process::Command;

use portcullis_core::Exit as ProcessExit;
use portcullis_sandbox::{Contained, StartError};

use super::plan::{PlanArgs, Planned};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Run a command in the foreground, inside the boundaries of a plan. Its exit status is 0 when the command's is,
/// and 1 otherwise; what that was is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let Planned { plan, program, args } = args.plan.plan()?;
    let mut command = Command::new(program);
    command.args(args).env_clear();
    for name in &plan.env {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let contained = Contained::start(&plan, command).map_err(|error| refused(&error))?;
    if contained.cgroup().is_none() {
        printer.warning(
            "memory and processor time are not limited: no control group can be made here",
            Some("run it as root, or in a delegated group (`systemd-run --user --scope -p Delegate=yes`)"),
        );
    }
    let ended = contained.wait();
    if ended.timed_out {
        let seconds = plan.limits.seconds.unwrap_or_default();
        return Err(Failure::new(Exit::Findings, format!("ended after {seconds} s")));
    }
    match ended.exit {
        ProcessExit::Code(0) => Ok(Exit::Fine),
        exit => Err(Failure::new(Exit::Findings, format!("the command {exit}"))),
    }
}

fn refused(error: &StartError) -> Failure {
    let remedy = match error {
        StartError::Unmet { .. } => {
            "nothing was run; the kernel needs unprivileged user namespaces, Landlock and seccomp"
        }
        StartError::Program(_) => "see with `portcullis sandbox show` what it could execute and read",
    };
    Failure::new(Exit::Findings, error.to_string()).remedy(remedy)
}
