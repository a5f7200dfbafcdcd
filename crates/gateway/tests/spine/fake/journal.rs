//! What every server was sent, in one order, with how much had been recorded by then.

use std::sync::{Arc, atomic::AtomicUsize};

use parking_lot::Mutex;
use portcullis_audit::MemorySink;
use serde_json::Value;

use super::link::LinkState;

/// Everything all servers were sent.
pub(crate) struct Journal {
    entries: Mutex<Vec<Entry>>,
    sink: Arc<MemorySink>,
    /// Questions of servers and the answers they got.
    answered: Mutex<Vec<(Value, Value)>>,
    pub(super) under_way: AtomicUsize,
}

/// One thing that happened to a server.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) server: String,
    /// Which of the server's links, from 1 in the order they were made.
    pub(crate) link: usize,
    pub(crate) what: What,
    /// The message as received; for [`What::Cancelled`] the notification that says so on most transports.
    pub(crate) message: Value,
    pub(crate) headers: Vec<(String, String)>,
    /// Records in the log when it happened.
    pub(crate) records: usize,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Connected,
    Request,
    Notification,
    Reply,
    /// The caller let go of a request before its response.
    Cancelled,
}

impl Journal {
    pub(crate) fn new(sink: Arc<MemorySink>) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            sink,
            answered: Mutex::default(),
            under_way: AtomicUsize::new(0),
        })
    }

    pub(super) fn write(
        &self,
        server: &str,
        link: &LinkState,
        what: What,
        message: Value,
        headers: &[(http::HeaderName, http::HeaderValue)],
    ) -> Entry {
        let header = |(name, value): &(http::HeaderName, http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap_or_default().to_owned())
        };
        let entry = Entry {
            server: server.to_owned(),
            link: link.number,
            what,
            message,
            headers: headers.iter().map(header).collect(),
            records: self.sink.lines().len(),
        };
        self.entries.lock().push(entry.clone());
        entry
    }

    pub(super) fn answered(&self, question: Value, answer: Value) {
        self.answered.lock().push((question, answer));
    }

    /// Every question of a server with its answer.
    pub(crate) fn answers(&self) -> Vec<(Value, Value)> {
        self.answered.lock().clone()
    }

    /// Everything so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().clone()
    }
}
