//! `portcullis audit proof` and `check-proof`

use std::{fs, path::PathBuf};

use portcullis_audit::{
    LogReceipt, ReceiptFault,
    note::{InclusionProof, VerifierKey},
    tlog::LogDir,
};
use serde::Serialize;

use super::{trust, unreadable};
use crate::{
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
};

/// Prove that a record is in the log: the record and a file that `check-proof` needs nothing else for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Identifier of the record.
    #[arg(value_name = "RECORD_ID")]
    id: String,
    /// Directory of the log.
    #[arg(value_name = "DIR")]
    log: PathBuf,
    /// Writes the proof to this file, and the record beside it with `.json` added.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Check a proof that a record is in a log, without the log.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The proof.
    #[arg(value_name = "PROOF")]
    proof: PathBuf,
    /// File with the record, as it was written.
    #[arg(value_name = "RECORD", required_unless_present = "receipt")]
    record: Option<PathBuf>,
    /// Receipt of the record, as a client was given it, in place of the record.
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    receipt: Option<PathBuf>,
    /// Public key of the log, or a file of them.
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
}

#[derive(Serialize)]
struct Proof<'p> {
    index: u64,
    size: u64,
    record: &'p str,
    /// In the format of C2SP tlog-proof.
    proof: String,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let log = LogDir::at(&args.log);
    let failed = |fault| unreadable(&log, &fault);
    let (note, checkpoint) = log.checkpoint().map_err(failed)?;
    let Some((index, entry)) = log.find(&args.id, checkpoint.size).map_err(failed)? else {
        let what = format!("no record `{}` among the {} entries of the log", args.id, checkpoint.size);
        return Err(
            Failure::new(Exit::Findings, what).remedy("a record is in the log a second after it was written")
        );
    };
    let proof = log.prove(index, note, &checkpoint).map_err(failed)?.to_string();
    let record = String::from_utf8_lossy(&entry);
    if let Some(out) = &args.out {
        let mut beside = out.clone().into_os_string();
        beside.push(".json");
        files::write(out, proof.as_bytes(), Access::Usual, Existing::Replace)?;
        files::write(&PathBuf::from(&beside), &entry, Access::Private, Existing::Replace)?;
        printer.done(&format!(
            "entry {index} of {}: {} and {}",
            checkpoint.size,
            out.display(),
            PathBuf::from(beside).display()
        ));
    } else if args.json {
        printer.json(&Proof { index, size: checkpoint.size, record: &record, proof });
    } else {
        printer.document(&proof);
    }
    Ok(Exit::Fine)
}

pub(crate) fn check(args: &CheckArgs, printer: &Printer) -> Outcome {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
    };
    let keys = trust::keys(&args.key)?;
    let proof = InclusionProof::parse(&read(&args.proof)?)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("{} is no proof", args.proof.display())))?;
    if let Some(path) = &args.receipt {
        let receipt = serde_json::from_slice(&read(path)?).map_err(|error| {
            Failure::new(Exit::Usage, format!("{} is no receipt: {error}", path.display()))
        })?;
        return check_receipt(&receipt, &proof, &keys, printer);
    }
    let record = args.record.as_ref().map(read).transpose()?.unwrap_or_default();
    let record = record.strip_suffix(b"\n").unwrap_or(&record);
    match keys.iter().find_map(|key| proof.check(record, key)) {
        Some(checkpoint) => {
            printer.done(&format!(
                "the record is entry {} of the log {} with {} entries",
                proof.index, checkpoint.origin, checkpoint.size
            ));
            Ok(Exit::Fine)
        }
        None => Err(Failure::new(
            Exit::Findings,
            "the proof does not show that this record is in a log of this key",
        )),
    }
}

fn check_receipt(
    receipt: &LogReceipt,
    proof: &InclusionProof,
    keys: &[VerifierKey],
    printer: &Printer,
) -> Outcome {
    let mut why = ReceiptFault::Log;
    for key in keys {
        match receipt.check(proof, key) {
            Ok(index) => {
                printer.done(&format!(
                    "record {} is entry {index} of the log {}",
                    receipt.record,
                    key.name()
                ));
                return Ok(Exit::Fine);
            }
            // The most that a key could say.
            Err(ReceiptFault::Log) => {}
            Err(fault) => why = fault,
        }
    }
    Err(Failure::new(Exit::Findings, why.to_string()))
}
