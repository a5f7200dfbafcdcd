//! `portcullis audit publish`

mod target;

use std::{path::PathBuf, time::Duration};

use portcullis_audit::{
    note::{Checkpoint, Note, VerifierKey},
    tlog::LogDir,
    tree,
};
use tokio_util::sync::CancellationToken;

use self::target::Target;
use super::{trust, unreadable};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    runtime::{runtime, stop_on_signal},
};

/// Copy a log to where others read it: a directory, a web server that takes PUT, or an S3-compatible store.
///
/// Tiles are copied before the checkpoint that covers them, so what is published can always be verified. A log that does not
/// continue what is published there is not copied: status 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of the log.
    #[arg(value_name = "DIR")]
    log: PathBuf,
    /// Public key of the log, or a file of them.
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// Where to: a directory, `http://…`, `https://…`, or `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "WHERE")]
    to: String,
    /// URL of the S3-compatible store.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Region of the store.
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    region: String,
    /// File only its owner can read: for S3 the access key id and, on a second line, the secret; for a web server a bearer token.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Copy what is new once and end.
    #[arg(long)]
    once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let keys = trust::keys(&args.key)?;
    let (endpoint, region) = (args.endpoint.as_deref(), args.region.as_str());
    let target = Target::at(&args.to, endpoint, region, args.credentials.as_deref())?;
    let log = LogDir::at(&args.log);
    runtime()?.block_on(async {
        if args.once {
            return publish(&log, &keys, &target, printer).await;
        }
        follow(args, &log, &keys, &target, printer).await
    })
}

async fn follow(
    args: &Args,
    log: &LogDir,
    keys: &[VerifierKey],
    target: &Target,
    printer: &Printer,
) -> Outcome {
    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(stop.clone()));
    let mut ticks = tokio::time::interval(Duration::from_secs(args.every));
    let mut said = String::new();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // Said once and not with every look.
        if let Err(failure) = publish(log, keys, target, printer).await
            && failure.to_line() != said
        {
            said = failure.to_line();
            failure.report(printer);
        }
    }
    signals.abort();
    Ok(Exit::Fine)
}

const CHECKPOINT: &str = "checkpoint";

async fn publish(log: &LogDir, keys: &[VerifierKey], target: &Target, printer: &Printer) -> Outcome {
    let (note, newest) = log.checkpoint().map_err(|fault| unreadable(log, &fault))?;
    if !keys.iter().any(|key| key.name() == newest.origin && note.verify(key).is_ok()) {
        return Err(Failure::new(Exit::Findings, "the log's checkpoint is not signed by a trusted key"));
    }
    let from = published(log, keys, target, &newest).await?;
    if from == Some(newest.size) {
        return Ok(Exit::Fine);
    }
    let mut files = 0_u64;
    for path in LogDir::lacking(from.unwrap_or(0), newest.size) {
        let bytes = log.contents(path).map_err(|fault| unreadable(log, &fault))?;
        target.put(&path.to_string(), bytes).await?;
        files += 1;
    }
    target.put(CHECKPOINT, note.to_string().into_bytes()).await?;
    printer.done(&format!("{} entries published, with {files} tiles that were new", newest.size));
    Ok(Exit::Fine)
}

/// How many entries are published; none when nothing is. They have to be the beginning of the log.
async fn published(
    log: &LogDir,
    keys: &[VerifierKey],
    target: &Target,
    newest: &Checkpoint,
) -> Result<Option<u64>, Failure> {
    let Some(bytes) = target.get(CHECKPOINT).await? else { return Ok(None) };
    let foreign = |what: &str| {
        Failure::new(Exit::Findings, format!("what is published {what}"))
            .remedy("publish to another place, and find out whose this is")
    };
    let note = Note::parse(&bytes).map_err(|fault| foreign(&fault.to_string()))?;
    let old = Checkpoint::parse(note.text()).map_err(|fault| foreign(&fault.to_string()))?;
    if old.origin != newest.origin || !keys.iter().any(|key| note.verify(key).is_ok()) {
        return Err(foreign("is not of this log"));
    }
    let proof = match old.size <= newest.size {
        true => log.prove_consistency(old.size, newest.size).map_err(|fault| unreadable(log, &fault))?,
        false => Vec::new(),
    };
    if !tree::consistent((old.size, old.root), (newest.size, newest.root), &proof) {
        let what = format!("has {} entries, which the log of {} does not continue", old.size, newest.size);
        return Err(foreign(&what).remedy("look at the log with `portcullis audit verify --since`"));
    }
    Ok(Some(old.size))
}
