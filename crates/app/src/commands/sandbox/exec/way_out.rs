//! Serving what a command in the foreground reaches.

use std::{net::TcpListener, sync::Arc, thread::JoinHandle};

use portcullis_audit::{EventKind, JsonLines, Recorder};
use portcullis_core::{Clock, SystemClock};
use portcullis_sandbox::{
    DeniedCall, Plan,
    egress::{self, Gate, Gates},
};
use tokio_util::sync::CancellationToken;

use super::Args;
use crate::{
    commands::{
        egress::summary,
        run::{default_record, name_of},
    },
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
}

pub(super) fn serve(
    args: &Args,
    plan: &Plan,
    listener: TcpListener,
    printer: &Printer,
) -> Result<WayOut, Failure> {
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let name = args.name.clone().map_or_else(|| name_of(&args.plan.command), Ok)?;
    let record = args.record.clone().map_or_else(|| default_record("sandbox", &name), Ok)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (log, recorder) = open_records(&record, Some(plan.digest()), &clock)?;
    let gates = Gates::new(Arc::new(RecordedEgress::new(recorder.clone())), clock);
    let gate = gates.of(&name, &plan.egress).map_err(usage)?;
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
    Ok(WayOut { gate, log, recorder, stop, serving, name: name.to_string() })
}

impl WayOut {
    /// Ends it, with the last of its records on disk, and with what was refused of the command.
    pub(super) fn close(self, denied: &[DeniedCall], printer: &Printer) -> Result<(), Failure> {
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
        self.log.shutdown().map_err(|e| Failure::new(Exit::Findings, e.to_string()))
    }
}
