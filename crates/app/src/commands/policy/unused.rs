//! `portcullis policy unused`

use std::{collections::HashMap, path::PathBuf};

use portcullis_audit::query::{Matcher, Source};
use serde::Serialize;
use serde_json::Value;

use super::replay::records;
use crate::{
    commands::{
        audit::{records::unread, selection::Selection},
        counted,
    },
    exit::{Exit, Outcome},
    policies::Meant,
    printer::Printer,
};

/// Say which permits have let nothing through, according to the records: grants that nobody needs.
///
/// Ends with status 1 when there are some.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    meant: Meant,
    /// File of records (`audit.file`), or directory of the transparency log. Taken from the configuration when absent.
    #[arg(long, value_name = "PATH")]
    records: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The result for programs.
#[derive(Serialize)]
struct Used {
    /// Whether every permit has let something through.
    ok: bool,
    /// Calls that were allowed.
    calls: u64,
    policies: Vec<Permit>,
    unreadable: u64,
}

#[derive(Serialize)]
struct Permit {
    policy: String,
    place: String,
    /// Calls that it was among the reasons to allow.
    allowed: u64,
    /// When the last of them was decided.
    last: Option<String>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let authoriser = args.meant.load(printer)?;
    let path = records(args.records.as_deref(), args.meant.config.as_deref(), printer)?;
    let mut matcher = Matcher::new(args.selection.filter()?);
    let mut counts: HashMap<String, (u64, Option<String>)> = HashMap::new();
    let (mut calls, mut unreadable) = (0, 0);
    let scanned = Source::at(&path).scan(&mut |line| match matcher.wanted(line) {
        Ok(Some(record)) if record.allows() => {
            calls += 1;
            let time = record.get("time").and_then(Value::as_str).map(str::to_owned);
            let named = record.get("decision").and_then(|it| it.get("policies")).and_then(Value::as_array);
            for policy in named.into_iter().flatten().filter_map(Value::as_str) {
                let entry = counts.entry(policy.to_owned()).or_default();
                *entry = (entry.0 + 1, time.clone());
            }
        }
        Ok(_) => {}
        Err(_) => unreadable += 1,
    });
    unreadable += scanned.map_err(|fault| unread(&path, &fault))?.unreadable;
    let permits = authoriser.permits().map(|(policy, place)| {
        let (allowed, last) = counts.get(policy).cloned().unwrap_or_default();
        Permit { policy: policy.to_owned(), place: place.to_owned(), allowed, last }
    });
    let policies: Vec<_> = permits.collect();
    let ok = policies.iter().all(|permit| permit.allowed > 0);
    let exit = if ok { Exit::Fine } else { Exit::Findings };
    if args.json {
        printer.json(&Used { ok, calls, policies, unreadable });
        return Ok(exit);
    }
    for Permit { policy, place, allowed, last } in &policies {
        let last = last.as_ref().map(|last| format!(", last {last}")).unwrap_or_default();
        printer.line(&format!("{allowed:>8}  {policy}  ({place}){last}"));
    }
    let never = policies.iter().filter(|permit| permit.allowed == 0).count();
    let (calls, permits) = (counted(usize::try_from(calls).unwrap_or(usize::MAX), "call"), policies.len());
    printer.status(&match never {
        0 => format!("{calls} were allowed, and each of {} was needed", counted(permits, "permit")),
        _ => format!("{calls} were allowed, and {never} of {} allowed none", counted(permits, "permit")),
    });
    if unreadable > 0 {
        let remedy = "`portcullis audit verify` says whether they were changed";
        printer.warning(&format!("{unreadable} lines are no records"), Some(remedy));
    }
    Ok(exit)
}
