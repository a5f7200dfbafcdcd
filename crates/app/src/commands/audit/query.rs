//! `portcullis audit query`

use std::{collections::BTreeSet, path::Path};

use portcullis_audit::{
    LoggedRecord,
    query::{Matcher, Source, Tail},
};
use portcullis_core::{Principal, spelling::nearest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use super::{
    records::{Records, unread},
    selection::Selection,
};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// How often a log that is followed is looked at.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Callers that are compared with one who is not on record.
const MOST: usize = 10_000;
/// Callers shown of those on record.
const SHOWN: usize = 8;

/// Find records: every condition has to hold, and a decision that is shown brings its outcome along.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    records: Records,
    #[command(flatten)]
    selection: Selection,
    /// Go on with what is written from now on, until interrupted.
    #[arg(long)]
    follow: bool,
    /// Write the records as they are, one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let path = args.records.path(printer)?;
    let source = Source::at(&path);
    let filter = args.selection.filter()?;
    let principal = filter.principal.clone();
    let mut show =
        Show { matcher: Matcher::new(filter), json: args.json, printer, shown: false, unreadable: 0 };
    if args.follow {
        let Source::Lines(lines) = &source else {
            let what = format!("`{}` is a transparency log, which follows its lines", path.display());
            return Err(Failure::new(Exit::Usage, what).remedy("follow the file of lines, `audit.file`"));
        };
        return follow(&mut Tail::new(lines), &mut show);
    }
    let scanned = source.scan(&mut |line| show.line(line)).map_err(|fault| unread(&path, &fault))?;
    show.conclude(scanned.unreadable);
    match principal.filter(|_| !show.shown) {
        Some(nobody) => on_record(&source, &path, &nobody),
        None => Ok(Exit::Fine),
    }
}

/// Nothing was found of somebody; whether they are on record at all.
fn on_record(source: &Source, path: &Path, wanted: &Principal) -> Outcome {
    let mut all = BTreeSet::new();
    let mut collect = |line: &[u8]| {
        let who = LoggedRecord::parse(line).and_then(|record| record.principal());
        // Enough to find a misspelt one.
        all.extend(who.filter(|_| all.len() < MOST).map(|who| who.to_string()));
    };
    source.scan(&mut collect).map_err(|fault| unread(path, &fault))?;
    let wanted = wanted.to_string();
    if all.contains(&wanted) {
        return Ok(Exit::Fine);
    }
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let remedy = match (nearest(&wanted, &names), names.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "no record names a caller".to_owned(),
        (None, names) => {
            let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
            format!(
                "those on record are {}{}",
                shown.join(", "),
                if names.len() > SHOWN { ", …" } else { "" }
            )
        }
    };
    Err(Failure::new(Exit::Findings, format!("no record names `{wanted}`")).remedy(remedy))
}

fn follow(tail: &mut Tail, show: &mut Show<'_>) -> Outcome {
    loop {
        tail.read(&mut |line| show.line(line))
            .map_err(|error| Failure::new(Exit::Unreachable, format!("the records: {error}")))?;
        if nobody_reads() {
            return Ok(Exit::Fine);
        }
    }
}

/// Waits until it is time to look again; says whether standard output has lost its reader.
fn nobody_reads() -> bool {
    let output = std::io::stdout();
    // Errors and hangups are reported without being asked for. A file never has any.
    let mut watched = [PollFd::new(&output, PollFlags::empty())];
    poll(&mut watched, Some(&LOOK_EVERY)).is_ok_and(|ready| ready > 0)
}

/// Shows what matches.
struct Show<'p> {
    matcher: Matcher,
    json: bool,
    printer: &'p Printer,
    shown: bool,
    unreadable: u64,
}

impl Show<'_> {
    fn line(&mut self, line: &[u8]) {
        let wanted = self.matcher.wanted(line);
        self.shown |= matches!(wanted, Ok(Some(_)));
        match wanted {
            Ok(Some(_)) if self.json => {
                self.printer.document(&format!("{}\n", String::from_utf8_lossy(line)))
            }
            Ok(Some(record)) => self.printer.line(&row(&record)),
            Ok(None) => {}
            Err(_) => self.unreadable += 1,
        }
    }

    fn conclude(&self, more: u64) {
        match self.unreadable + more {
            0 => {}
            lines => self.printer.warning(
                &format!("{lines} lines are no records"),
                Some("`portcullis audit verify` says whether they were changed"),
            ),
        }
    }
}

/// One record for a person: time, identifier, and what it says.
fn row(record: &LoggedRecord) -> String {
    let text = |path: &[&str]| {
        let mut value = record.get(path.first()?)?;
        for name in path.iter().skip(1) {
            value = value.get(name)?;
        }
        value.as_str().map(str::to_owned)
    };
    let said = |path: &[&str]| text(path).unwrap_or_else(|| "-".to_owned());
    let rest = match record.kind() {
        "decision" => {
            let what = [&["server"][..], &["item"]].map(said).join("/");
            let why = [&["decision", "control"][..], &["decision", "detail"]].map(text);
            let why = why.into_iter().flatten().collect::<Vec<_>>().join(" ");
            let verdict = said(&["decision", "verdict"]);
            let who = record.principal().map_or_else(|| "-".to_owned(), |who| who.to_string());
            format!("{verdict:<9} {who} {} {what} {why}", said(&["method"]))
        }
        "outcome" => {
            let took = record.get("duration_us").and_then(Value::as_u64).unwrap_or(0);
            let (how, of) = (said(&["outcome"]), said(&["decision"]));
            format!("{how:<9} of {of} after {took} \u{b5}s {}", text(&["detail"]).unwrap_or_default())
        }
        _ => format!(
            "{:<9} {} {}",
            "event",
            said(&["event"]),
            [said(&["subject"]), said(&["detail"])].join(" ")
        ),
    };
    format!("{} {:<30} {}", said(&["time"]), said(&["id"]), rest.trim_end())
}
