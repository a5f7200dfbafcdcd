//! `portcullis audit verify`

use std::{
    io::{IsTerminal as _, stderr},
    path::PathBuf,
};

use portcullis_audit::{
    tlog::LogDir,
    verify::{Trust, Verification, verify},
};
use serde::Serialize;

use super::trust;
use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
};

/// Verify a transparency log with nothing but its directory and public keys.
///
/// Every entry and tile is hashed again and compared with the signed checkpoint. An older copy that was put back,
/// or a history signed anew with the log's own key, shows only against a checkpoint kept elsewhere: give those
/// with `--since`, or the keys of witnesses.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of the log.
    #[arg(value_name = "DIR")]
    log: PathBuf,
    /// Public key of the log, or a file of them.
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// Public key of a witness, or a file of them.
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,
    /// Checkpoint of this log that was kept elsewhere.
    #[arg(long, value_name = "FILE")]
    since: Vec<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Findings<'r> {
    ok: bool,
    /// The first entry that is wrong; absent when none is concerned.
    first_bad_entry: Option<u64>,
    #[serde(flatten)]
    report: &'r Verification,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let trust = Trust {
        keys: trust::keys(&args.key)?,
        witnesses: trust::keys(&args.witness)?,
        since: args.since.iter().map(|path| trust::checkpoint(path)).collect::<Result<_, _>>()?,
    };
    let mut shown = 0;
    let terminal = stderr().is_terminal() && !args.json;
    let mut progress = |checked: u64| {
        if terminal && checked >= shown + PROGRESS_EVERY {
            shown = checked;
            printer.status(&format!("{checked} entries checked"));
        }
    };
    let report = verify(&LogDir::at(&args.log), &trust, &mut progress);
    if args.json {
        let first_bad_entry = report.first_bad_entry();
        printer.json(&Findings { ok: report.is_whole(), first_bad_entry, report: &report });
    } else {
        tell(&report, printer);
    }
    Ok(if report.is_whole() { Exit::Fine } else { Exit::Findings })
}

/// Entries between two lines that tell how far it is.
const PROGRESS_EVERY: u64 = 100_000;

fn tell(report: &Verification, printer: &Printer) {
    for finding in &report.findings {
        printer.error(&format!("{}: {finding}", finding.kind.as_str()), None);
    }
    if let (Some(origin), Some(root)) = (&report.origin, &report.root) {
        printer.line(&format!("log {origin}: {} entries, root {root}", report.size));
    }
    for key in &report.signed_by {
        printer.line(&format!("signed by {key}"));
    }
    for seen in &report.witnessed_by {
        printer.line(&format!("{} entries witnessed by {} at {}", seen.size, seen.witness, seen.at));
    }
    for size in &report.continues {
        printer.line(&format!("continues the checkpoint of {size} entries"));
    }
    if report.is_whole() {
        printer.done(&format!("{} entries are those that were signed", report.checked));
    } else if let Some(first) = report.first_bad_entry() {
        printer.line(&format!("first bad entry: {first}"));
    }
}
