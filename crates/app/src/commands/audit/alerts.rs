//! `portcullis audit alerts`

use portcullis_audit::{
    behaviour::{Alert, Behaviour},
    query::Source,
};
use serde::Serialize;

use super::records::{Records, unread};
use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
};

/// Look through the records for behaviour that is out of the ordinary, by the rules of `[behaviour]`.
///
/// Habits are learnt from the beginning of the records on. Exits with 1 when there is something to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    records: Records,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    time: String,
    rule: &'static str,
    subject: String,
    detail: &'a str,
    record: &'a str,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let (path, thresholds) = args.records.path_and_thresholds(printer)?;
    let (mut behaviour, mut alerts) = (Behaviour::new(thresholds), Vec::new());
    let source = Source::at(&path);
    source.scan(&mut |line| alerts.extend(behaviour.see(line))).map_err(|fault| unread(&path, &fault))?;
    let shown: Vec<_> = alerts.iter().map(show).collect();
    if args.json {
        printer.json(&shown);
    } else {
        for it in &shown {
            printer
                .line(&format!("{} {:<18} {} {} ({})", it.time, it.rule, it.subject, it.detail, it.record));
        }
        if shown.is_empty() {
            printer.line("nothing out of the ordinary");
        }
    }
    Ok(if shown.is_empty() { Exit::Fine } else { Exit::Findings })
}

fn show(alert: &Alert) -> Shown<'_> {
    let Alert { rule, subject, record, at_ms, detail } = alert;
    let time = portcullis_audit::rfc3339(*at_ms);
    Shown { time, rule: rule.as_str(), subject: subject.to_string(), detail, record }
}
