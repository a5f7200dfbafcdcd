//! `portcullis audit witness`

mod serve;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use portcullis_audit::{
    note::{Algorithm, KeyRing},
    tlog::{LogDir, read_key_file},
    witness::{Seen, Witness, WitnessFault},
};
use portcullis_core::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use super::trust;
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    runtime::{runtime, stop_on_signal},
};

/// Cosign the checkpoints of a log as long as each continues the one before, and keep them.
///
/// It looks at the directory of a log, or listens for logs that bring their checkpoints. Run it as another user or on another machine than the gateway, with the log's directory readable and `--store`
/// where whoever can write the log cannot change it. `audit verify --witness KEY --since STORE/checkpoint` then finds
/// what was rolled back or rewritten even by the owner of the log's key.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of the log to look at.
    #[arg(value_name = "DIR", required_unless_present = "listen")]
    log: Option<PathBuf>,
    /// Has logs bring their checkpoints instead (C2SP tlog-witness): serves `POST /add-checkpoint` in plain HTTP here. May be
    /// a witness of several logs, each with a directory of its own in the store.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["log", "once", "every"])]
    listen: Option<SocketAddr>,
    /// Public key of the log, or a file of them.
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// Private keys of the witness, made by `portcullis audit key new --witness`.
    #[arg(long, value_name = "FILE")]
    witness_key: PathBuf,
    /// Directory for what was cosigned.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Look once and end; status 1 when the log contradicts what was cosigned.
    #[arg(long)]
    once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let keys = read_key_file(&args.witness_key).map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    refuse_log_keys(&keys)?;
    if let Some(address) = args.listen {
        return serve::run(address, &args.store, keys, trust::keys(&args.key)?, printer);
    }
    let witness = Witness::new(&args.store, keys, trust::keys(&args.key)?);
    let log = LogDir::at(args.log.clone().unwrap_or_default());
    if args.once {
        return look(&witness, &log, printer);
    }
    runtime()?.block_on(follow(args, &witness, &log, printer))
}

/// A log's own kind of signature says nothing about when, and by a witness it would be taken for the log's.
fn refuse_log_keys(keys: &KeyRing) -> Result<(), Failure> {
    if keys.public().all(|key| key.algorithm() != Algorithm::Ed25519) {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "`--witness-key` holds the key of a log")
        .remedy("`portcullis audit key new FILE --witness` makes one for a witness"))
}

async fn follow(args: &Args, witness: &Witness, log: &LogDir, printer: &Printer) -> Outcome {
    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(stop.clone()));
    let mut ticks = tokio::time::interval(Duration::from_secs(args.every));
    let mut said = String::new();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // Said once and not with every look.
        if let Err(failure) = look(witness, log, printer)
            && failure.to_line() != said
        {
            said = failure.to_line();
            failure.report(printer);
        }
    }
    signals.abort();
    Ok(Exit::Fine)
}

fn look(witness: &Witness, log: &LogDir, printer: &Printer) -> Outcome {
    match witness.look(log, SystemClock.now_ms() / 1_000) {
        Ok(Seen::Cosigned { from, to }) => {
            printer.done(&format!("{to} entries cosigned, which continue {from}"));
            Ok(Exit::Fine)
        }
        Ok(Seen::Unchanged { .. }) => Ok(Exit::Fine),
        Err(fault) => Err(failed(&fault)),
    }
}

fn failed(fault: &WitnessFault) -> Failure {
    let (exit, remedy) = match fault {
        WitnessFault::Rollback { .. } | WitnessFault::Rewritten { .. } | WitnessFault::NotSigned => (
            Exit::Findings,
            "look at the log with `portcullis audit verify`; what it showed is kept in the store",
        ),
        WitnessFault::Unkept(_) => (Exit::Findings, "move the file `evidence` in the store away"),
        WitnessFault::OtherLog { .. } => (Exit::Usage, "use one store for each log"),
        WitnessFault::Log(_) => (Exit::Unreachable, "name the directory of `audit.log`"),
        WitnessFault::Store(_) | WitnessFault::Sign => {
            (Exit::Unreachable, "check `--store` and `--witness-key`")
        }
    };
    Failure::new(exit, fault.to_string()).remedy(remedy)
}
