//! `portcullis version`

use portcullis_core::wire::Version;
use serde::Serialize;

use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
};

/// Show the version of the program and the protocol versions it speaks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct About {
    version: &'static str,
    /// Versions of the Model Context Protocol, oldest first.
    protocols: Vec<&'static str>,
    os: &'static str,
    arch: &'static str,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        protocols: Version::ALL.iter().map(|version| version.as_str()).collect(),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    };
    if args.json {
        printer.json(&about);
    } else {
        printer.line(&format!("portcullis {} ({}-{})", about.version, about.os, about.arch));
        printer.line(&format!("protocol versions: {}", about.protocols.join(", ")));
    }
    Ok(Exit::Fine)
}
