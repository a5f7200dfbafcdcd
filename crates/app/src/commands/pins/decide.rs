//! `portcullis pins approve`, `reject` and `rollback`

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_core::PinKind;
use portcullis_inspect::pins::{Book, DecisionFault, Pin};
use serde::Serialize;

use super::{What, Where, chosen, unavailable};
use crate::{
    exit::{Exit, Failure, Outcome},
    pins::{books_in, change},
    printer::Printer,
};

/// Trust what is held back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// Everything of the server to which it applies.
    #[arg(long, requires = "server", conflicts_with = "name")]
    all: bool,
    #[command(flatten)]
    place: Where,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Hold back for good what is held back, or what is trusted.
#[derive(Debug, clap::Args)]
pub(crate) struct RejectArgs {
    #[command(flatten)]
    pub(super) decision: Args,
}

/// Trust again what was trusted before, and reject what is trusted now.
#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(super) decision: Args,
}

/// What is done to one pin.
type Act = fn(&mut Book, PinKind, &str, u32, u64) -> Result<(), DecisionFault>;

/// A decision, and the pins it can be taken about.
struct Decision {
    done: &'static str,
    applies: fn(&Pin) -> bool,
    act: Act,
}

#[derive(Serialize)]
struct Decided {
    server: String,
    kind: PinKind,
    name: String,
    decision: &'static str,
}

pub(super) fn approve(args: &Args, printer: &Printer) -> Outcome {
    let act: Act = |book, kind, name, uid, now_ms| book.approve(kind, name, uid, now_ms);
    decide(args, printer, &Decision { done: "approved", applies: |pin| pin.held.is_some(), act })
}

pub(super) fn reject(args: &Args, printer: &Printer) -> Outcome {
    let act: Act = |book, kind, name, _, now_ms| book.reject(kind, name, now_ms);
    decide(args, printer, &Decision { done: "rejected", applies: |pin| pin.held.is_some(), act })
}

pub(super) fn roll_back(args: &Args, printer: &Printer) -> Outcome {
    let act: Act = |book, kind, name, uid, now_ms| book.roll_back(kind, name, uid, now_ms);
    decide(args, printer, &Decision { done: "rolled back", applies: |pin| !pin.earlier.is_empty(), act })
}

fn decide(args: &Args, printer: &Printer, decision: &Decision) -> Outcome {
    let directory = args.place.directory()?;
    let books = books_in(&directory).map_err(unavailable)?;
    let mut decided = Vec::new();
    for (server, kind, name) in subjects(args, decision, &books)? {
        let (uid, now_ms) = (rustix::process::getuid().as_raw(), now_ms());
        let act = |book: &mut Book| (decision.act)(book, kind, name, uid, now_ms);
        change(&directory, server, act).map_err(unavailable)?.map_err(|fault| {
            Failure::new(Exit::Usage, fault.to_string()).remedy("`portcullis pins list` shows what there is")
        })?;
        let decision = decision.done;
        decided.push(Decided { server: server.to_owned(), kind, name: name.to_owned(), decision });
    }
    if args.json {
        printer.json(&decided);
    } else {
        for Decided { server, kind, name, decision } in &decided {
            printer.done(&format!("{decision} {kind} `{name}` of `{server}`"));
        }
    }
    Ok(Exit::Fine)
}

type Subject<'b> = (&'b str, PinKind, &'b str);

/// The pins that are meant: one by its name, or all of a server to which the decision applies.
fn subjects<'b>(
    args: &Args,
    decision: &Decision,
    books: &'b [(String, Book)],
) -> Result<Vec<Subject<'b>>, Failure> {
    if args.what.server.is_none() || !args.all && args.what.name.is_none() {
        return Err(Failure::new(Exit::Usage, "it has to be said what this is about")
            .remedy("name the server and the definition, or the server and `--all`"));
    }
    let found = chosen(books, &args.what);
    let meant: Vec<_> = found.iter().filter(|(.., pin)| !args.all || (decision.applies)(pin)).collect();
    match meant.as_slice() {
        [] => Err(Failure::new(Exit::Usage, "there is no such pin, or nothing to decide about it")
            .remedy("`portcullis pins list` shows what there is")),
        [_, _, ..] if !args.all => {
            let kinds: Vec<_> = meant.iter().map(|(_, kind, ..)| kind.as_str()).collect();
            Err(Failure::new(Exit::Usage, format!("several have that name: {}", kinds.join(", ")))
                .remedy("say which with `--kind`"))
        }
        all => Ok(all.iter().map(|(server, kind, name, _)| (*server, *kind, *name)).collect()),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
