//! `portcullis audit export`

use portcullis_audit::{
    export::{Exporter, Format},
    query::{Matcher, Source},
};

use super::{
    records::{Records, unread},
    selection::Selection,
};
use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
};

/// Write records in a format that security monitoring reads, one event a line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    records: Records,
    /// The format.
    #[arg(long, value_enum)]
    format: To,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum To {
    /// Open Cybersecurity Schema Framework 1.8, as JSON.
    Ocsf,
    /// Common Event Format.
    Cef,
    /// The records as they are.
    Jsonl,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let path = args.records.path(printer)?;
    let mut matcher = Matcher::new(args.selection.filter()?);
    let version = env!("CARGO_PKG_VERSION");
    let mut exporter = match args.format {
        To::Ocsf => Some(Exporter::new(Format::Ocsf, version)),
        To::Cef => Some(Exporter::new(Format::Cef, version)),
        To::Jsonl => None,
    };
    let mut no_records = 0_u64;
    let scanned = Source::at(&path).scan(&mut |line| match matcher.wanted(line) {
        Ok(Some(record)) => {
            let line = match &mut exporter {
                Some(exporter) => exporter.line(record),
                None => String::from_utf8_lossy(line).into_owned(),
            };
            printer.document(&format!("{line}\n"));
        }
        Ok(None) => {}
        Err(_) => no_records += 1,
    });
    no_records += scanned.map_err(|fault| unread(&path, &fault))?.unreadable;
    if no_records > 0 {
        printer.warning(&format!("{no_records} lines are no records"), None);
    }
    Ok(Exit::Fine)
}
