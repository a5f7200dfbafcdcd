//! Records as a receiver wants them.

use portcullis_audit::{
    LoggedRecord,
    export::{Exporter, Format},
    query::{Filter, Matcher},
    stream::{Batch, Position},
};

use crate::config::StreamFormat;

/// One record on its way.
#[derive(Clone)]
pub(super) struct Line {
    /// As it is sent.
    pub(super) text: String,
    /// When it was written (RFC 3339).
    pub(super) time: Option<String>,
    /// `decision`, `outcome` or `event`.
    pub(super) kind: String,
    /// Whether it says that something was refused.
    pub(super) refusal: bool,
}

/// Turns batches into lines. A batch that has to be sent again is turned once: what an outcome is about is known only
/// the first time.
pub(super) struct Lines {
    exporter: Option<Exporter>,
    matcher: Matcher,
    last: Option<(Position, Vec<Line>)>,
}

impl Lines {
    pub(super) fn new(format: StreamFormat) -> Self {
        let exporter = |format| Some(Exporter::new(format, env!("CARGO_PKG_VERSION")));
        let exporter = match format {
            StreamFormat::Jsonl => None,
            StreamFormat::Ocsf => exporter(Format::Ocsf),
            StreamFormat::Cef => exporter(Format::Cef),
        };
        Self { exporter, matcher: Matcher::new(Filter::default()), last: None }
    }

    pub(super) fn of(&mut self, batch: &Batch) -> Vec<Line> {
        if let Some((_, lines)) = self.last.as_ref().filter(|(end, _)| *end == batch.end) {
            return lines.clone();
        }
        let whole = batch.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<_> = whole.map(|line| self.line(line)).collect();
        self.last = Some((batch.end.clone(), lines.clone()));
        lines
    }

    /// A line that is no record is sent as it is: leaving it out would be silent.
    fn line(&mut self, line: &[u8]) -> Line {
        let as_it_is = String::from_utf8_lossy(line).into_owned();
        let Ok(Some(record)) = self.matcher.wanted(line) else {
            return Line { text: as_it_is, time: None, kind: "unreadable".to_owned(), refusal: false };
        };
        let time = record.get("time").and_then(|time| time.as_str()).map(str::to_owned);
        let (kind, refusal) = (record.kind().to_owned(), is_refusal(&record));
        let text = match &mut self.exporter {
            Some(exporter) => exporter.line(record),
            None => as_it_is,
        };
        Line { text, time, kind, refusal }
    }
}

fn is_refusal(record: &LoggedRecord) -> bool {
    record.kind() == "decision" && !record.allows()
}
