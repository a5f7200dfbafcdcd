//! `portcullis audit consistency`

use std::path::PathBuf;

use portcullis_audit::{note::Checkpoint, tlog::LogDir, tree};
use serde::Serialize;

use super::{trust, unreadable};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Show that the log continues a checkpoint that was kept, by hashes alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of the log.
    #[arg(value_name = "DIR")]
    log: PathBuf,
    /// Checkpoint of this log that was kept elsewhere.
    #[arg(long, value_name = "FILE")]
    since: PathBuf,
    /// Public key of the log, or a file of them.
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Continues {
    ok: bool,
    origin: String,
    from: u64,
    to: u64,
    /// RFC 6962, section 2.1.2; base64.
    proof: Vec<String>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let log = LogDir::at(&args.log);
    let keys = trust::keys(&args.key)?;
    let (newest_note, newest) = log.checkpoint().map_err(|fault| unreadable(&log, &fault))?;
    let old_note = trust::checkpoint(&args.since)?;
    let old = Checkpoint::parse(old_note.text())
        .map_err(|fault| Failure::new(Exit::Usage, format!("{} {fault}", args.since.display())))?;
    for (note, whose) in [(&old_note, "the kept checkpoint"), (&newest_note, "the log's checkpoint")] {
        if !keys.iter().any(|key| note.verify(key).is_ok()) {
            return Err(Failure::new(Exit::Findings, format!("{whose} is not signed by a trusted key")));
        }
    }
    let proof = if old.origin == newest.origin && old.size <= newest.size {
        log.prove_consistency(old.size, newest.size).map_err(|fault| unreadable(&log, &fault))?
    } else {
        Vec::new()
    };
    let ok = old.origin == newest.origin
        && tree::consistent((old.size, old.root), (newest.size, newest.root), &proof);
    let (from, to) = (old.size, newest.size);
    if args.json {
        let proof = proof.iter().map(ToString::to_string).collect();
        printer.json(&Continues { ok, origin: newest.origin, from, to, proof });
    } else if ok {
        proof.iter().for_each(|hash| printer.line(&hash.to_string()));
        printer.done(&format!("the log of {to} entries continues the checkpoint of {from}"));
    } else {
        printer.error(
            &format!("the log of {to} entries does not continue the checkpoint of {from}"),
            Some("`portcullis audit verify` names the first bad entry"),
        );
    }
    Ok(if ok { Exit::Fine } else { Exit::Findings })
}
