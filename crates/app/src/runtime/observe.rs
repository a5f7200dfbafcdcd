//! What happens to servers outside any request, into the record.

use std::sync::Arc;

use portcullis_audit::{EventKind, Recorder};
use portcullis_core::ServerName;
use portcullis_gateway::upstream::{Observer, ServerEvent};

use crate::printer::Printer;

/// Writes server events down. A line on a server's standard error is shown to the person at the terminal
/// under the server's name and otherwise left alone: it is the server's own text and proves nothing.
pub(super) fn observer(recorder: Recorder, printer: Printer) -> Observer {
    Arc::new(move |server: &ServerName, event: ServerEvent| {
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
