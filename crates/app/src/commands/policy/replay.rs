//! `portcullis policy replay`

use std::path::{Path, PathBuf};

use portcullis_audit::{
    LoggedRecord,
    query::{Matcher, Source},
};
use portcullis_policy::in_words;

use super::compare::{Comparison, Side, Subject, decide};
use crate::{
    cases::{Recorded, read_record},
    commands::{
        audit::{records::unread, selection::Selection},
        configured,
    },
    exit::{Failure, Outcome},
    policies::Meant,
    printer::Printer,
};

/// Put recorded decisions to policies, and say which calls would now be decided otherwise.
///
/// Records do not hold arguments. Where what policies say depends on them, it is said that it cannot be decided. Ends
/// with status 1 when something would be decided otherwise.
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

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let authoriser = args.meant.load(printer)?;
    let path = records(args.records.as_deref(), args.meant.config.as_deref(), printer)?;
    let comparison = over_records(&path, &args.selection, &mut |subject, recorded, comparison| {
        let old =
            Side { decision: recorded.answer.as_str(), policies: recorded.policies, detail: recorded.detail };
        match recorded.asked {
            Ok(asked) => comparison.add(subject, Ok(old), decide(&authoriser, &asked)),
            Err(why) => comparison.cannot_say(why, subject.name),
        }
    })?;
    Ok(comparison.conclude(args.json, printer))
}

/// Where the records are.
pub(super) fn records(
    named: Option<&Path>,
    configuration: Option<&Path>,
    printer: &Printer,
) -> Result<PathBuf, Failure> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => Ok(configured(configuration, printer)?.audit.file),
    }
}

/// Hands every selected decision of policy to `visit`.
pub(super) fn over_records(
    path: &Path,
    selection: &Selection,
    visit: &mut dyn FnMut(Subject, Recorded, &mut Comparison),
) -> Result<Comparison, Failure> {
    let mut matcher = Matcher::new(selection.filter()?);
    let mut comparison = Comparison::default();
    let scanned = Source::at(path).scan(&mut |line| match matcher.wanted(line) {
        Ok(Some(record)) if record.kind() == "decision" => match read_record(&record) {
            Some(recorded) => visit(subject(&record, &recorded), recorded, &mut comparison),
            None => comparison.others += 1,
        },
        Ok(_) => {}
        Err(_) => comparison.unreadable += 1,
    });
    comparison.unreadable += scanned.map_err(|fault| unread(path, &fault))?.unreadable;
    Ok(comparison)
}

fn subject(record: &LoggedRecord, recorded: &Recorded) -> Subject {
    let time = record.get("time").and_then(|time| time.as_str()).map(str::to_owned);
    let question = recorded.asked.as_ref().map(|asked| in_words(&asked.call)).unwrap_or_default();
    Subject { name: record.id().unwrap_or_default().to_owned(), time, question }
}
