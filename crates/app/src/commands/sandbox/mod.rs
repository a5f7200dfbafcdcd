//! `portcullis sandbox`: any command inside boundaries that are written down first.

mod exec;
mod learn;
mod plan;
mod show;
mod test;
mod way_out;

use crate::{
    exit::{Exit, Failure, Outcome},
    own::Reached,
    printer::Printer,
};

/// Run a command that can touch nothing but what is listed, show what that is, try it out, or learn what has to be listed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Exec(exec::Args),
    Learn(learn::Args),
    Show(show::Args),
    Test(test::Args),
}

/// Ends a command whose plan reaches what is the gateway's own.
fn apart(exit: Exit, reached: &Reached) -> Failure {
    Failure::new(exit, reached.to_string()).remedy("list less with `--read`, `--write` and `--execute`")
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    match &args.command {
        Command::Exec(args) => exec::run(args, printer),
        Command::Learn(args) => learn::run(args, printer),
        Command::Show(args) => show::run(args, printer),
        Command::Test(args) => test::run(args, printer),
    }
}
