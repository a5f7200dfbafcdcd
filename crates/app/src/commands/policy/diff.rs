//! `portcullis policy diff`

use std::path::PathBuf;

use portcullis_policy::in_words;

use super::{
    compare::{Comparison, Subject, decide},
    replay::{over_records, records},
    test::all,
};
use crate::{
    commands::audit::selection::Selection,
    exit::Outcome,
    policies::{Meant, put_into_force},
    printer::Printer,
};

/// Say which decisions a change of policies changes, over cases or over recorded calls.
///
/// Ends with status 1 when a decision changes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policies before the change: file, or directory of `*.cedar` files; may be given several times.
    #[arg(long, value_name = "PATH", required = true)]
    old: Vec<PathBuf>,
    #[command(flatten)]
    meant: Meant,
    /// File of cases; may be given several times. What they expect does not matter.
    #[arg(long, value_name = "FILE", conflicts_with = "records")]
    cases: Vec<PathBuf>,
    /// File of records (`audit.file`), or directory of the transparency log. Taken from the configuration when there
    /// are no cases either.
    #[arg(long, value_name = "PATH")]
    records: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let old = put_into_force(&args.old, printer)?;
    let new = args.meant.load(printer)?;
    if !args.cases.is_empty() {
        let mut comparison = Comparison::default();
        for (file, case) in all(&args.cases, printer)? {
            let name = format!("{}:{}: {}", file.display(), case.line, case.name);
            let subject = Subject { name, time: None, question: in_words(&case.asked.call) };
            comparison.add(subject, decide(&old, &case.asked), decide(&new, &case.asked));
        }
        return Ok(comparison.conclude(args.json, printer));
    }
    let path = records(args.records.as_deref(), args.meant.config.as_deref(), printer)?;
    let comparison =
        over_records(&path, &args.selection, &mut |subject, recorded, comparison| match recorded.asked {
            Ok(asked) => comparison.add(subject, decide(&old, &asked), decide(&new, &asked)),
            Err(why) => comparison.cannot_say(why, subject.name),
        })?;
    Ok(comparison.conclude(args.json, printer))
}
