//! Decisions of an operator, taken up by a gateway that runs.

use std::{sync::Arc, time::Duration};

use portcullis_audit::EventKind;
use portcullis_core::PinKind;
use portcullis_gateway::Gateway;
use tokio_util::sync::CancellationToken;

use super::PinFiles;

/// How often files are looked at. It costs one system call a server, works on every file system, and is soon
/// enough for a person who has just decided.
const LOOK: Duration = Duration::from_millis(500);

/// Takes up what others change in the files of `pins`, until told to stop.
pub(crate) async fn follow(pins: PinFiles, gateway: Arc<Gateway>, stop: CancellationToken) {
    while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
        let files = pins.clone();
        let changed = tokio::task::spawn_blocking(move || files.changed_elsewhere()).await;
        for (server, notes) in changed.unwrap_or_default() {
            let kinds: Vec<PinKind> = notes.iter().map(|(kind, _)| *kind).collect();
            for (_, note) in notes {
                let event = if note.held { EventKind::DefinitionHeld } else { EventKind::DefinitionTrusted };
                gateway.event_of(event, &server, note.detail);
            }
            gateway.definitions_decided(&server, &kinds);
        }
    }
}
