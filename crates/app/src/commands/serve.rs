//! `portcullis serve`

use std::path::PathBuf;

use super::{locate, tell, unusable};
use crate::{
    compose::{self, Deployment, Door},
    config,
    exit::Outcome,
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
    let loaded = config::load(&file).map_err(|report| {
        tell(&report, printer);
        unusable(&file, &report)
    })?;
    tell(&loaded.warnings, printer);
    let deployment = Deployment::of(loaded.config).map_err(|report| {
        tell(&report, printer);
        unusable(&file, &report)
    })?;
    tell(&deployment.warnings, printer);
    compose::serve(deployment, if args.stdio { Door::Stdio } else { Door::Http }, printer)
}
