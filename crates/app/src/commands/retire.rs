//! `portcullis retire`

use portcullis_core::ServerName;
use portcullis_supply::admit::{Retirement, State};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    supply::{Place, account, now},
};

/// End a server for good, with every version of it that is kept: its files are removed from the store, and neither they nor
/// the same files under another name are admitted or started again. What this command cannot do is listed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Server, as the lock names it.
    name: ServerName,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    place: Place,
    /// Write the receipt as JSON.
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Serialize)]
struct Receipt<'r> {
    server: &'r ServerName,
    tree: String,
    by: &'r str,
    at: &'r str,
    reason: &'r str,
    done: Vec<String>,
    /// What somebody has to do by hand, or to know.
    left: Vec<String>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let mut lock = args.place.read()?;
    let server = args.place.find(&lock, &args.name)?.clone();
    if server.state() == State::Retired {
        return Err(Failure::new(Exit::Findings, format!("`{}` is retired already", args.name))
            .remedy("`portcullis inventory` says by whom"));
    }
    let (by, at) = (account(), now());
    let mut done = vec![format!("`{}` is retired in {}", args.name, args.place.file().display())];
    let retired = Retirement { by: by.clone(), at: at.clone(), reason: args.reason.clone() };
    let trees = lock.retire(&args.name, &retired);
    // First the word, then the files: a kill in between leaves files that nobody may start.
    args.place.write(&lock)?;
    let (store, mut left) = (args.place.store()?, Vec::new());
    for tree in trees {
        if lock.needs(tree) {
            left.push(format!("the files {tree} are another server's too and stay"));
            continue;
        }
        match store.remove(tree) {
            Ok(true) => done.push(format!("the files {tree} are removed from the store")),
            Ok(false) => left.push(format!("the files {tree} were not in the store")),
            Err(fault) => left.push(format!("the files {tree} could not be removed: {fault}")),
        }
    }
    left.push(format!(
        "gateways with it in their configuration end it within seconds; a `portcullis run` of it goes on until its client ends, \
         or `portcullis stop server {}` ends it",
        args.name
    ));
    left.push(
        "its entry in configurations, its secrets, its data and its pins are where they were".to_owned(),
    );
    let receipt = Receipt {
        server: &args.name,
        tree: server.tree.to_string(),
        by: &by,
        at: &at,
        reason: &args.reason,
        done,
        left,
    };
    if args.json {
        printer.json(&receipt);
    } else {
        receipt.done.iter().for_each(|it| printer.line(&format!("done: {it}")));
        receipt.left.iter().for_each(|it| printer.line(&format!("left: {it}")));
    }
    Ok(Exit::Fine)
}
