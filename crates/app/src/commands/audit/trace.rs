//! `portcullis audit trace`

use portcullis_audit::query::{Observation, Source, trace};

use super::records::{Records, unread};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Rebuild what happened around a record: who asked, under which configuration, to which server, and how it ended.
///
/// Everything comes from records. Each part is `present`, `absent` (a record shows that there is none), `pending` (it
/// may still come) or `not_established`, and the status is 1 when one of them is that.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Identifier of a decision, an outcome or an event.
    #[arg(value_name = "RECORD_ID")]
    id: String,
    #[command(flatten)]
    records: Records,
    /// Write the result as JSON, with the records it rests on.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let path = args.records.path(printer)?;
    let found = trace(&Source::at(&path), &args.id).map_err(|fault| unread(&path, &fault))?;
    let Some(trace) = found else {
        let what = format!("there is no record `{}` in `{}`", args.id, path.display());
        return Err(Failure::new(Exit::Findings, what).remedy("`portcullis audit query` lists records"));
    };
    if args.json {
        printer.json(&trace);
    } else {
        for link in &trace.chain {
            let record = link.record.as_deref().unwrap_or("-");
            let (part, state) = (name(&link.part), name(&link.state));
            printer.line(&format!("{part:<14} {state:<16} {record:<30} {}", link.detail));
        }
    }
    let missing = trace.chain.iter().any(|link| link.state == Observation::NotEstablished);
    Ok(if missing { Exit::Findings } else { Exit::Fine })
}

/// A value as its JSON spells it.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
