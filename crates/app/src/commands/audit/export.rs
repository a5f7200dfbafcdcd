//! `portcullis audit export`

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use portcullis_audit::{
    export::{Exporter, Format, ParquetFile},
    query::{Matcher, Source},
};

use super::{
    records::{Records, unread},
    selection::Selection,
};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Write records in a format that security monitoring or analysis reads, one event a line or row.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    records: Records,
    /// The format.
    #[arg(long, value_enum)]
    format: To,
    /// Writes to this file instead of to standard output. Parquet is no text and needs one.
    #[arg(long, value_name = "FILE", required_if_eq("format", "parquet"))]
    out: Option<PathBuf>,
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
    /// Apache Parquet, one row a record.
    Parquet,
}

/// Where events go.
enum Sink {
    Printed(Printer),
    File(PathBuf, BufWriter<File>),
    Parquet(PathBuf, Box<ParquetFile<BufWriter<File>>>),
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let path = args.records.path(printer)?;
    let mut matcher = Matcher::new(args.selection.filter()?);
    let version = env!("CARGO_PKG_VERSION");
    let mut exporter = match args.format {
        To::Ocsf => Some(Exporter::new(Format::Ocsf, version)),
        To::Cef => Some(Exporter::new(Format::Cef, version)),
        To::Jsonl | To::Parquet => None,
    };
    let mut sink = Sink::open(args, printer)?;
    let (mut no_records, mut unwritten) = (0_u64, None);
    let scanned = Source::at(&path).scan(&mut |line| match matcher.wanted(line) {
        Ok(Some(_)) if unwritten.is_some() => {}
        Ok(Some(record)) => {
            let written = match (&mut sink, &mut exporter) {
                (Sink::Parquet(_, file), _) => file.add(record).map_err(|fault| fault.to_string()),
                (sink, Some(exporter)) => sink.line(&exporter.line(record)),
                (sink, None) => sink.line(&String::from_utf8_lossy(line)),
            };
            unwritten = written.err();
        }
        Ok(None) => {}
        Err(_) => no_records += 1,
    });
    no_records += scanned.map_err(|fault| unread(&path, &fault))?.unreadable;
    sink.finish(unwritten)?;
    if no_records > 0 {
        printer.warning(&format!("{no_records} lines are no records"), None);
    }
    Ok(Exit::Fine)
}

impl Sink {
    fn open(args: &Args, printer: &Printer) -> Result<Self, Failure> {
        let Some(path) = args.out.clone() else { return Ok(Self::Printed(*printer)) };
        // Records name people: nobody else reads them.
        let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let made = made.map_err(|error| failed(&path, &error.to_string()))?;
        let file = BufWriter::new(made);
        if !matches!(args.format, To::Parquet) {
            return Ok(Self::File(path, file));
        }
        let file = ParquetFile::new(file).map_err(|fault| failed(&path, &fault.to_string()))?;
        Ok(Self::Parquet(path, Box::new(file)))
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        match self {
            Self::Printed(printer) => {
                printer.document(&format!("{line}\n"));
                Ok(())
            }
            Self::File(_, file) => writeln!(file, "{line}").map_err(|error| error.to_string()),
            Self::Parquet(..) => Ok(()),
        }
    }

    fn finish(self, unwritten: Option<String>) -> Result<(), Failure> {
        let (path, finished) = match self {
            Self::Printed(_) => return Ok(()),
            Self::File(path, mut file) => (path, file.flush().map_err(|error| error.to_string())),
            Self::Parquet(path, file) => {
                let flushed = file.finish().map_err(|fault| fault.to_string());
                (path, flushed.and_then(|mut file| file.flush().map_err(|error| error.to_string())))
            }
        };
        unwritten.map_or(finished, Err).map_err(|what| failed(&path, &what))
    }
}

fn failed(path: &Path, what: &str) -> Failure {
    Failure::new(Exit::Usage, format!("`{}`: {what}", path.display()))
        .remedy("name another file with `--out`")
}
