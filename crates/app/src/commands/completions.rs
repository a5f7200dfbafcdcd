//! `portcullis completions`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    cli::Cli,
    exit::{Exit, Outcome},
    printer::Printer,
};

/// Write the completion script of a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "portcullis", &mut script);
    printer.document(&String::from_utf8_lossy(&script));
    Ok(Exit::Fine)
}
