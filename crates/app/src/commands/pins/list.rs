//! `portcullis pins list`

use portcullis_core::{Digest, Hold, PinKind};
use portcullis_inspect::pins::{By, Pin};
use serde::Serialize;

use super::{What, Where, chosen, read};
use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
};

/// List the pins; the exit status is 1 when something is held back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    /// Only what is held back.
    #[arg(long)]
    held: bool,
    #[command(flatten)]
    place: Where,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'p> {
    server: &'p str,
    kind: PinKind,
    name: &'p str,
    /// What may be used; absent when nothing may.
    trusted: Option<Digest>,
    trusted_by: Option<By>,
    trusted_since_ms: Option<u64>,
    /// What the server offers instead.
    held: Option<Digest>,
    held_because: Option<Hold>,
    held_since_ms: Option<u64>,
    /// The name of the one it looks like.
    like: Option<&'p str>,
    /// Whether the server offered it when it was last asked.
    offered: bool,
    /// How many earlier versions can be gone back to.
    earlier: usize,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Outcome {
    let books = read(&args.place)?;
    let rows =
        chosen(&books, &args.what).into_iter().map(|(server, kind, name, pin)| row(server, kind, name, pin));
    let rows: Vec<Row<'_>> = rows.filter(|row| !args.held || row.held.is_some()).collect();
    if args.json {
        printer.json(&rows);
    } else {
        rows.iter().for_each(|row| printer.line(&line(row)));
        let held = rows.iter().filter(|row| row.held.is_some()).count();
        printer.status(&format!("{}, {held} held back", super::super::counted(rows.len(), "pin")));
    }
    Ok(if rows.iter().any(|row| row.held.is_some()) { Exit::Findings } else { Exit::Fine })
}

fn row<'p>(server: &'p str, kind: PinKind, name: &'p str, pin: &'p Pin) -> Row<'p> {
    let (trusted, held) = (pin.trusted.as_ref(), pin.held.as_ref());
    Row {
        server,
        kind,
        name,
        trusted: trusted.map(|it| it.digest),
        trusted_by: trusted.map(|it| it.by),
        trusted_since_ms: trusted.map(|it| it.since_ms),
        held: held.map(|it| it.digest),
        held_because: held.map(|it| it.reason),
        held_since_ms: held.map(|it| it.since_ms),
        like: held.and_then(|it| it.like.as_deref()),
        offered: pin.offered,
        earlier: pin.earlier.len(),
    }
}

fn line(row: &Row<'_>) -> String {
    let state = match (row.held_because, row.like, row.trusted_by) {
        (Some(Hold::Renamed), Some(like), _) => format!("HELD   looks like `{like}` renamed"),
        (Some(hold), ..) => format!("HELD   {}", hold.public()),
        (None, _, Some(by)) if row.offered => format!("ok     trusted {by}"),
        (None, _, Some(by)) => format!("away   trusted {by}, not offered now"),
        (None, _, None) => "away   not trusted, not offered now".to_owned(),
    };
    format!("{:<24} {:<12} {:<32} {state}", row.server, row.kind.as_str(), row.name)
}
