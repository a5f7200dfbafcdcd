//! `portcullis pins diff`

use portcullis_core::{Digest, Hold, PinKind};
use portcullis_inspect::pins::{Difference, Pin, diff};
use serde::Serialize;

use super::{What, Where, chosen, read};
use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
};

/// Show how what is held back differs from what was trusted; the exit status is 1 when it does.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    place: Where,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Change<'p> {
    server: &'p str,
    kind: PinKind,
    name: &'p str,
    because: Hold,
    /// What was trusted; absent when nothing was.
    trusted: Option<Digest>,
    held: Digest,
    differences: Vec<Difference>,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Outcome {
    let books = read(&args.place)?;
    let changes = chosen(&books, &args.what).into_iter();
    let changes: Vec<Change<'_>> =
        changes.filter_map(|(server, kind, name, pin)| change(server, kind, name, pin)).collect();
    if args.json {
        printer.json(&changes);
    } else {
        changes.iter().for_each(|change| tell(change, printer));
        printer.status(&format!("{} held back", super::super::counted(changes.len(), "definition")));
    }
    Ok(if changes.is_empty() { Exit::Fine } else { Exit::Findings })
}

fn change<'p>(server: &'p str, kind: PinKind, name: &'p str, pin: &'p Pin) -> Option<Change<'p>> {
    let held = pin.held.as_ref()?;
    let before = pin.trusted.as_ref();
    let differences = diff(before.map_or("{}", |it| &it.definition), &held.definition);
    let (because, trusted, held) = (held.reason, before.map(|it| it.digest), held.digest);
    Some(Change { server, kind, name, because, trusted, held, differences })
}

fn tell(change: &Change<'_>, printer: &Printer) {
    let Change { server, kind, name, because, .. } = change;
    printer.line(&format!("{server} {kind} `{name}` {}", because.public()));
    for difference in &change.differences {
        let place = if difference.pointer.is_empty() { "(the whole)" } else { &difference.pointer };
        printer.line(&format!("  {place}  ({})", difference.meaning));
        for (sign, value) in [('-', &difference.before), ('+', &difference.after)] {
            if let Some(value) = value {
                printer.line(&format!("    {sign} {value}"));
            }
        }
    }
}
