//! Records the log writes about itself. They have the shape of an event but neither id nor sequence
//! number: they are made below the recorder.

use serde::Serialize;

use crate::{line::FORMAT_VERSION, time};

#[derive(Serialize)]
struct Marker<'a> {
    v: u64,
    id: Option<&'a str>,
    time: &'a str,
    seq: Option<u64>,
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
}

/// One whole line, with its newline.
pub(crate) fn line(now_ms: u64, event: Event, subject: Option<&str>, detail: &str) -> Vec<u8> {
    let marker = Marker {
        v: FORMAT_VERSION,
        id: None,
        time: &time::rfc3339(now_ms),
        seq: None,
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
