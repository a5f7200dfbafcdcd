//! `portcullis sandbox`: any command inside boundaries that are written down first.

mod exec;
mod plan;
mod show;

use crate::{exit::Outcome, printer::Printer};

/// Run a command that can touch nothing but what is listed, or show what that is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Exec(exec::Args),
    Show(show::Args),
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    match &args.command {
        Command::Exec(args) => exec::run(args, printer),
        Command::Show(args) => show::run(args, printer),
    }
}
