//! What happens to servers outside any request, into the record and to the person at the terminal.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use portcullis_audit::{EventKind, Recorder};
use portcullis_core::ServerName;
use portcullis_gateway::upstream::{Observer, ServerEvent};

use crate::printer::Printer;

/// How often a person is told the same of a server.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Different things that are told of a server within that time.
const TOLD_AT_ONCE: usize = 5;

/// Writes server events down. A line on a server's standard error is shown to the person at the terminal
/// under the server's name and otherwise left alone: it is the server's own text and proves nothing. What
/// keeps a server from being used is shown as well.
pub(super) fn observer(recorder: Recorder, printer: Printer) -> Observer {
    let told = Told::default();
    Arc::new(move |server: &ServerName, event: ServerEvent| {
        if let Some(text) = trouble(&event).and_then(|text| told.admit(server, text, Instant::now())) {
            printer.warning(&format!("server `{server}`: {text}"), None);
        }
        let (kind, detail) = match event {
            ServerEvent::Stderr(line) => {
                let skipped = if line.skipped > 0 {
                    format!(" ({} lines left out)", line.skipped)
                } else {
                    String::new()
                };
                printer.status(&format!("[{server}]{skipped} {}", line.text));
                return;
            }
            // The outcome of the call that needed it says so.
            ServerEvent::Unready { .. } => return,
            ServerEvent::Started { pid } => (EventKind::ChildStarted, format!("process {pid}")),
            ServerEvent::Connected { version } => (EventKind::Connected, format!("speaks {version}")),
            ServerEvent::Garbage { reason } => {
                (EventKind::Degraded, format!("dropped what it sent: {reason}"))
            }
            ServerEvent::Exited(exit) => (EventKind::ChildExited, exit.to_string()),
            ServerEvent::Lost { reason } => (EventKind::Degraded, format!("link lost: {reason}")),
        };
        // Events explain; a call that depends on the log finds out by its own decision record.
        let _ = recorder.event(kind, Some(server.to_string()), detail);
    })
}

/// What a person has to know of.
fn trouble(event: &ServerEvent) -> Option<String> {
    match event {
        ServerEvent::Garbage { reason } => {
            Some(format!("what it wrote is no MCP message and was dropped: {reason}"))
        }
        ServerEvent::Unready { reason } | ServerEvent::Lost { reason } => Some(reason.clone()),
        ServerEvent::Started { .. }
        | ServerEvent::Connected { .. }
        | ServerEvent::Stderr(_)
        | ServerEvent::Exited(_) => None,
    }
}

/// What was told lately, by server.
#[derive(Default)]
struct Told(Mutex<HashMap<ServerName, Lately>>);

struct Lately {
    since: Instant,
    texts: Vec<String>,
    left_out: usize,
}

impl Told {
    /// The text, with what was left out before, unless it or too much else was told lately.
    fn admit(&self, server: &ServerName, text: String, now: Instant) -> Option<String> {
        let mut told = self.0.lock();
        let fresh = || Lately { since: now, texts: Vec::new(), left_out: 0 };
        let lately = told.entry(server.clone()).or_insert_with(fresh);
        let mut before = 0;
        if now.saturating_duration_since(lately.since) >= TOLD_EVERY {
            before = lately.left_out;
            *lately = fresh();
        }
        if lately.texts.contains(&text) || lately.texts.len() >= TOLD_AT_ONCE {
            lately.left_out += 1;
            return None;
        }
        lately.texts.push(text.clone());
        Some(if before > 0 { format!("{text} ({before} times more like this before)") } else { text })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn the_same_is_told_once_in_a_while_and_what_was_left_out_is_counted() {
        let (told, start) = (Told::default(), Instant::now());
        let admit = |server: &str, text: &str, seconds: u64| {
            told.admit(&server.parse().unwrap(), text.to_owned(), start + Duration::from_secs(seconds))
        };
        for (server, text, seconds, expected) in [
            ("a", "x", 0, Some("x")),
            ("a", "x", 1, None),
            ("a", "y", 2, Some("y")),
            ("b", "x", 3, Some("x")),
            ("a", "x", 4, None),
            ("a", "x", 10, Some("x (2 times more like this before)")),
            ("a", "1", 11, Some("1")),
            ("a", "2", 11, Some("2")),
            ("a", "3", 11, Some("3")),
            ("a", "4", 11, Some("4")),
            ("a", "5", 11, None),
        ] {
            assert_eq!(admit(server, text, seconds).as_deref(), expected, "{server} {text} {seconds}");
        }
    }
}
