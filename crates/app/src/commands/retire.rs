//! `portcullis retire`

use portcullis_core::ServerName;
use portcullis_supply::admit::{Retirement, State};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    supply::{Place, account, now},
};

/// End a server for good: its files are removed from the store, and neither they nor the same files under another name
/// are admitted or started again. What this command cannot do is listed.
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
    if let Some(place) = lock.find_mut(&args.name) {
        place.retired = Some(Retirement { by: by.clone(), at: at.clone(), reason: args.reason.clone() });
    }
    // First the word, then the files: a kill in between leaves files that nobody may start.
    args.place.write(&lock)?;
    let others = lock.servers().iter().any(|it| it.tree == server.tree && it.retired.is_none());
    let mut left = Vec::new();
    if others {
        left.push("its files are another server's too and stay".to_owned());
    } else {
        match args.place.store()?.remove(server.tree) {
            Ok(true) => done.push("its files are removed from the store".to_owned()),
            Ok(false) => left.push("its files were not in the store".to_owned()),
            Err(fault) => left.push(format!("its files could not be removed: {fault}")),
        }
    }
    left.push("a process of it that runs goes on: `portcullis stop server:NAME` ends its calls".to_owned());
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
