//! `portcullis audit commitment`

use std::{
    fs,
    io::{Read as _, stdin},
    path::PathBuf,
};

use portcullis_audit::CommitmentKey;

use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Print what records hold in place of a request, so that `audit query --request` finds it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File with the request's body or the session's id, byte for byte as it was sent; `-` for standard input.
    #[arg(value_name = "FILE")]
    bytes: PathBuf,
    /// Key of the commitments, `audit.commitment_key`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let key = CommitmentKey::read(&args.key).map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    let mut bytes = Vec::new();
    let read = match args.bytes.to_str() {
        Some("-") => stdin().read_to_end(&mut bytes).map(drop),
        _ => fs::read(&args.bytes).map(|read| bytes = read),
    };
    read.map_err(|e| Failure::new(Exit::Usage, format!("`{}`: {e}", args.bytes.display())))?;
    printer.line(&key.commit(&bytes).to_string());
    Ok(Exit::Fine)
}
