//! System calls that servers made and that their sandbox refused: on record as they happen, and told at the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use portcullis_audit::{EventKind, Recorder};
use portcullis_core::ServerName;
use portcullis_sandbox::{DeniedCall, OnDenied};

/// What was refused of each server since the start.
pub(super) struct DeniedCalls {
    recorder: Recorder,
    seen: Mutex<BTreeMap<ServerName, Vec<DeniedCall>>>,
}

/// Kinds of one server that are remembered for the end; all of them are on record.
const MOST: usize = 64;

impl DeniedCalls {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self { recorder, seen: Mutex::default() }
    }

    /// What a launcher calls.
    pub(super) fn listener(self: Arc<Self>) -> OnDenied {
        Arc::new(move |server, calls| self.note(server, calls))
    }

    fn note(&self, server: &ServerName, calls: &DeniedCall) {
        // It was refused whether or not that can be written; the log itself reports what it loses.
        let _ = self.recorder.event(EventKind::Denied, Some(server.to_string()), calls.to_string());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let of_server = seen.entry(server.clone()).or_default();
        if of_server.len() < MOST {
            DeniedCall::add(of_server, calls.clone());
        }
    }

    /// A line for each kind.
    pub(super) fn summary(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = seen
            .iter()
            .flat_map(|(server, all)| all.iter().map(move |calls| (server, calls)))
            .filter(|(_, calls)| !calls.is_tried())
            .map(|(server, calls)| format!("`{server}` was refused {calls}"));
        lines.collect()
    }
}
