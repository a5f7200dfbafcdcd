//! Records the log writes about itself. They are made below the recorder, so whoever makes them numbers them as a run of
//! its own: an identifier that begins with `log-` is that of a marker.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use portcullis_core::{Clock, RecordId};
use serde::Serialize;

use crate::{line::FORMAT_VERSION, metrics::Counter, time};

#[derive(Serialize)]
struct Marker<'a> {
    v: u64,
    id: RecordId,
    time: &'a str,
    seq: u64,
    r#type: &'static str,
    event: &'static str,
    subject: Option<&'a str>,
    detail: &'a str,
}

/// What the log has to say about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The log was opened after a crash that left part of a record.
    TornTail,
    /// This segment follows another.
    Continued,
    /// The file was moved or deleted while in use; this one replaces it.
    Replaced,
    /// Records were refused; how many.
    Refused,
    /// The file could not be written for a while and can be again.
    Resumed,
    /// Records come from a log that cannot be written.
    SpareBegins,
    /// Records since this log could not be written are in another.
    SpareEnds,
    /// Lines that should be in the transparency log are not there any more.
    Gap,
    /// Checkpoints are signed by other keys from here on.
    KeysChanged,
    /// The key file was replaced by one that cannot be used.
    KeysRefused,
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::TornTail => "log-torn-tail",
            Self::Continued => "log-continued",
            Self::Replaced => "log-replaced",
            Self::Refused => "log-refused",
            Self::Resumed => "log-resumed",
            Self::SpareBegins => "log-spare-begins",
            Self::SpareEnds => "log-spare-ends",
            Self::Gap => "log-gap",
            Self::KeysChanged => "log-keys-changed",
            Self::KeysRefused => "log-keys-refused",
        }
    }

    /// Whether records may be missing where it stands.
    const fn is_gap(self) -> bool {
        matches!(self, Self::TornTail | Self::Replaced | Self::Gap)
    }
}

/// Is told what a log says about itself that an operator has to know: that records may be missing, and why.
#[derive(Clone)]
pub struct Notice(pub Arc<dyn Fn(&str) + Send + Sync>);

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notice")
    }
}

/// Makes the markers of one log, or of one who writes into it, and numbers them.
pub(crate) struct Markers {
    run: Arc<str>,
    next: AtomicU64,
    clock: Arc<dyn Clock>,
    notice: Option<Notice>,
    gaps: Counter,
}

impl Markers {
    pub(crate) fn new(clock: Arc<dyn Clock>, notice: Option<Notice>) -> Self {
        let mut random = [0; 4];
        // Time and process tell runs apart as well, if less surely.
        let _no_randomness = getrandom::fill(&mut random);
        let (process, random) = (std::process::id(), u32::from_be_bytes(random));
        let run = format!("log-{:x}-{process:x}{random:08x}", clock.now_ms()).into();
        Self { run, next: AtomicU64::new(1), clock, notice, gaps: Counter::default() }
    }

    /// One whole line, with its newline. Whoever is to be told is told.
    pub(crate) fn line(&self, event: Event, subject: Option<&str>, detail: &str) -> Vec<u8> {
        if event.is_gap() {
            self.gaps.add(1);
            if let Some(Notice(tell)) = &self.notice {
                let about = subject.map(|subject| format!(" ({subject})")).unwrap_or_default();
                tell(&format!("{}: {detail}{about}", event.as_str()));
            }
        }
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        line(RecordId::new(self.run.clone(), sequence), sequence, self.clock.now_ms(), event, subject, detail)
    }

    /// Times that records may be missing.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps.get()
    }
}

fn line(
    id: RecordId,
    sequence: u64,
    now_ms: u64,
    event: Event,
    subject: Option<&str>,
    detail: &str,
) -> Vec<u8> {
    let marker = Marker {
        v: FORMAT_VERSION,
        id,
        time: &time::rfc3339(now_ms),
        seq: sequence,
        r#type: "event",
        event: event.as_str(),
        subject,
        detail,
    };
    // A struct of strings and numbers always serialises; an empty line would be skipped by the reader.
    let mut line = serde_json::to_vec(&marker).unwrap_or_default();
    line.push(b'\n');
    line
}
