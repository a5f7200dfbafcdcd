//! Serving what a command in the foreground reaches.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use portcullis_audit::{EventKind, JsonLines, Recorder};
use portcullis_core::{BoxFuture, Clock, ServerName, SystemClock};
use portcullis_sandbox::{
    DeniedCall, Plan,
    egress::{self, Attempt, Denial, Entry, Gate, Gates, Ledger, Way},
};
use tokio_util::sync::CancellationToken;

use crate::{
    commands::egress::summary,
    egress::{RecordedEgress, open_records},
    exit::{Exit, Failure},
    printer::Printer,
    runtime::runtime,
};

/// A way out that is being served by a thread of its own.
pub(super) struct WayOut {
    gate: Arc<Gate>,
    log: Arc<JsonLines>,
    recorder: Recorder,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    name: String,
    noted: Arc<Noted>,
}

/// Who is served, and where that is recorded.
pub(super) struct Served<'a> {
    pub(super) name: &'a ServerName,
    pub(super) record: &'a Path,
    pub(super) plan: &'a Plan,
}

pub(super) fn serve(
    Served { name, record, plan }: Served<'_>,
    listener: TcpListener,
    printer: &Printer,
) -> Result<WayOut, Failure> {
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (log, recorder) = open_records(record, Some(plan.digest()), &clock)?;
    let noted = Arc::new(Noted::new(RecordedEgress::new(recorder.clone())));
    let gates = Gates::new(noted.clone(), clock);
    let gate = gates.of(name, &plan.egress).map_err(usage)?;
    printer.status(&format!("what it reaches is recorded in {}", record.display()));
    // The first attempt that cannot be recorded is refused; no need to fail twice.
    let _ = recorder.event(EventKind::Started, Some(name.to_string()), format!("plan {}", plan.digest()));
    let runtime = runtime()?;
    let stop = CancellationToken::new();
    let (served, stopped) = (gate.clone(), stop.clone());
    let serving = std::thread::spawn(move || {
        runtime.block_on(async {
            // Made by the kernel for us a moment ago: it has nothing to refuse.
            let nonblocking = listener.set_nonblocking(true);
            if let Ok(listener) = nonblocking.and_then(|()| tokio::net::TcpListener::from_std(listener)) {
                egress::serve(listener, served, stopped.cancelled()).await;
            }
        });
    });
    Ok(WayOut { gate, log, recorder, stop, serving, name: name.to_string(), noted })
}

impl WayOut {
    /// Ends it, with the last of its records on disk, and with what was refused of the command.
    /// Gives what it has asked for.
    pub(super) fn close(self, denied: &[DeniedCall], printer: &Printer) -> Result<BTreeSet<Asked>, Failure> {
        self.stop.cancel();
        // What it had to say is on record.
        let _ended = self.serving.join();
        let summary = summary(&self.gate);
        printer.status(&summary);
        // An event that cannot be written cannot be helped any more.
        for calls in denied {
            let _ = self.recorder.event(EventKind::Denied, Some(self.name.clone()), calls.to_string());
        }
        let _ = self.recorder.event(EventKind::Stopped, None, summary);
        self.log.shutdown().map_err(|e| Failure::new(Exit::Findings, e.to_string()))?;
        Ok(self.noted.asked())
    }
}

/// A destination that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// In the program's own words.
    pub(super) destination: String,
    /// Whether without encryption.
    pub(super) plain: bool,
    pub(super) allowed: bool,
}

/// Destinations that are remembered.
const MOST: usize = 1_000;

/// Writes down, and remembers what was asked for.
struct Noted {
    inner: RecordedEgress,
    asked: Mutex<BTreeSet<Asked>>,
}

impl Noted {
    fn new(inner: RecordedEgress) -> Self {
        Self { inner, asked: Mutex::default() }
    }

    fn note(&self, attempt: &Attempt, allowed: bool) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() < MOST {
            let destination = attempt.destination.clone();
            asked.insert(Asked { destination, plain: attempt.way == Way::Http, allowed });
        }
    }

    fn asked(&self) -> BTreeSet<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Ledger for Noted {
    fn allow<'a>(
        &'a self,
        attempt: &'a Attempt,
        rule: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Entry>, String>> {
        self.note(attempt, true);
        self.inner.allow(attempt, rule)
    }

    fn refuse(&self, attempt: &Attempt, denial: &Denial) {
        self.note(attempt, false);
        self.inner.refuse(attempt, denial);
    }
}
