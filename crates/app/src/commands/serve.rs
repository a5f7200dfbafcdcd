//! `portcullis serve`

use std::path::PathBuf;

use super::{locate, tell, unusable};
use crate::{
    compose::{self, Door},
    exit::Outcome,
    preflight::{self, Preflight},
    printer::Printer,
};

/// Stand in front of the configured servers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Speak with one client on standard input and output instead of listening.
    #[arg(long)]
    stdio: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let file = locate(args.config.as_deref())?;
    let Preflight { deployment, report, .. } = preflight::of_gateway(&file);
    tell(&report, printer);
    let deployment = deployment.ok_or_else(|| unusable(&file, &report))?;
    compose::serve(deployment, if args.stdio { Door::Stdio } else { Door::Http }, printer)
}
