//! `portcullis audit`: questions to the records, the transparency log and its proofs.

mod alerts;
mod commitment;
mod consistency;
mod evidence;
mod export;
mod key;
mod proof;
mod publish;
mod query;
pub(super) mod records;
pub(super) mod selection;
mod trace;
pub(super) mod trust;
mod verify;
mod witness;

use portcullis_audit::tlog::{LogDir, LogFault};

use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Find records, verify the transparency log, prove what is in it, and make its keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Query(query::Args),
    Trace(trace::Args),
    Alerts(alerts::Args),
    Export(export::Args),
    Evidence(evidence::Args),
    Commitment(commitment::Args),
    Verify(verify::Args),
    Proof(proof::Args),
    CheckProof(proof::CheckArgs),
    Consistency(consistency::Args),
    Publish(publish::Args),
    Witness(witness::Args),
    Key(key::Args),
}

pub(crate) fn run(args: Args, printer: &Printer) -> Outcome {
    match args.command {
        Command::Query(args) => query::run(&args, printer),
        Command::Alerts(args) => alerts::run(&args, printer),
        Command::Trace(args) => trace::run(&args, printer),
        Command::Export(args) => export::run(&args, printer),
        Command::Evidence(args) => evidence::run(&args, printer),
        Command::Commitment(args) => commitment::run(&args, printer),
        Command::Verify(args) => verify::run(&args, printer),
        Command::Proof(args) => proof::run(&args, printer),
        Command::CheckProof(args) => proof::check(&args, printer),
        Command::Consistency(args) => consistency::run(&args, printer),
        Command::Publish(args) => publish::run(&args, printer),
        Command::Witness(args) => witness::run(&args, printer),
        Command::Key(args) => key::run(args, printer),
    }
}

/// A part of a log that cannot be read ends a command that needs it.
fn unreadable(log: &LogDir, fault: &LogFault) -> Failure {
    Failure::new(Exit::Unreachable, format!("the log in {}: {fault}", log.path().display()))
        .remedy("name the directory of `audit.log`, and look at it with `portcullis audit verify`")
}
