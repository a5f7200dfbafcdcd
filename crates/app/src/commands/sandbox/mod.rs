//! `portcullis sandbox`: any command inside boundaries that are written down first.

mod exec;
mod plan;
mod show;
mod test;

use crate::{exit::Outcome, printer::Printer};

/// Run a command that can touch nothing but what is listed, show what that is, or try it out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Exec(exec::Args),
    Show(show::Args),
    Test(test::Args),
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    match &args.command {
        Command::Exec(args) => exec::run(args, printer),
        Command::Show(args) => show::run(args, printer),
        Command::Test(args) => test::run(args, printer),
    }
}
