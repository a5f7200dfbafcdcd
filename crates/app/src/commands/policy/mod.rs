//! `portcullis policy`: policies tried out, explained and compared before they are in force.

mod check;
mod compare;
mod diff;
mod explain;
mod import;
mod replay;
mod test;
mod unused;

use crate::{exit::Outcome, printer::Printer};

/// Check policies, test them with cases, and see what a change of them changes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(check::Args),
    Test(test::Args),
    Explain(Box<explain::Args>),
    Diff(diff::Args),
    Replay(replay::Args),
    Unused(unused::Args),
    Import(import::Args),
}

pub(crate) fn run(args: Args, printer: &Printer) -> Outcome {
    match args.command {
        Command::Check(args) => check::run(&args, printer),
        Command::Test(args) => test::run(&args, printer),
        Command::Explain(args) => explain::run(&args, printer),
        Command::Diff(args) => diff::run(&args, printer),
        Command::Replay(args) => replay::run(&args, printer),
        Command::Unused(args) => unused::run(&args, printer),
        Command::Import(args) => import::run(&args, printer),
    }
}
