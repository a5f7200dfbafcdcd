//! Watches the records of a running gateway for behaviour that is out of the ordinary.
//!
//! What is watched is the file of records, after each is written: no call waits for a rule.

use std::{
    io,
    path::Path,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use portcullis_audit::{
    EventKind, Recorder,
    behaviour::{Alert, Behaviour},
    query::Tail,
};
use portcullis_core::StopSource;

use crate::{
    config,
    exit::{Exit, Failure},
    printer::Printer,
    stops::StopDirectory,
};

/// How often records are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Bytes of earlier records from which habits are learnt at the start.
const LEARNT_BYTES: u64 = 16 << 20;

/// A watch that ends with this.
pub(crate) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a watch does with what it finds.
struct Watcher {
    tail: Tail,
    behaviour: Behaviour,
    stop_on: Vec<portcullis_audit::behaviour::Rule>,
    stops: StopDirectory,
    recorder: Recorder,
    printer: Printer,
    is_failing: bool,
}

impl Watch {
    /// Learns from the records there are and watches those that follow; none where the configuration says so.
    pub(crate) fn start(
        settings: &config::Behaviour,
        records: &Path,
        stops: StopDirectory,
        recorder: Recorder,
        printer: Printer,
    ) -> Result<Option<Self>, Failure> {
        if !settings.watch {
            return Ok(None);
        }
        let unusable = |error: io::Error| {
            Failure::new(Exit::Usage, format!("`{}` cannot be watched: {error}", records.display()))
                .remedy("make `audit.file` readable, or set `behaviour.watch = false`")
        };
        let mut tail = Tail::near_end(records, LEARNT_BYTES).map_err(unusable)?;
        let mut behaviour = Behaviour::new(settings.thresholds);
        tail.read(&mut |line| behaviour.learn(line)).map_err(unusable)?;
        let stop_on = settings.stop_on.clone();
        let watcher = Watcher { tail, behaviour, stop_on, stops, recorder, printer, is_failing: false };
        let (stop, stopped) = channel();
        let run = move || watcher.run(|| stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout));
        let thread = std::thread::Builder::new().name("behaviour".into()).spawn(run).map_err(unusable)?;
        Ok(Some(Self { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Watch {
    /// What was recorded until now is looked at first.
    fn drop(&mut self) {
        self.stop = None;
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

impl Watcher {
    fn run(mut self, go_on: impl Fn() -> bool) {
        while go_on() {
            self.look();
        }
        self.look();
    }

    fn look(&mut self) {
        let mut alerts = Vec::new();
        let read = self.tail.read(&mut |line| alerts.extend(self.behaviour.see(line)));
        alerts.iter().for_each(|alert| self.tell(alert));
        match (read, self.is_failing) {
            (Err(error), false) => {
                self.is_failing = true;
                let what = format!("records could not be read, so nobody watches for behaviour: {error}");
                self.note(EventKind::Degraded, "behaviour".to_owned(), what);
            }
            (Ok(_), true) => {
                self.is_failing = false;
                self.note(EventKind::Restored, "behaviour".to_owned(), "records are read again".to_owned());
            }
            _ => {}
        }
    }

    fn tell(&self, alert: &Alert) {
        let (rule, subject) = (alert.rule.as_str(), alert.subject.to_string());
        self.printer.warning(&format!("{rule}: {subject}: {} (record {})", alert.detail, alert.record), None);
        self.note(EventKind::Alert, subject, format!("{rule}: {}; record {}", alert.detail, alert.record));
        let Some(stop) = alert.subject.stop().filter(|_| self.stop_on.contains(&alert.rule)) else { return };
        let reason = format!("{rule}: {}; record {}", alert.detail, alert.record);
        if let Err(failure) = self.stops.stop(StopSource::Behaviour, &stop, &reason, alert.at_ms) {
            failure.report(&self.printer);
            self.note(EventKind::Degraded, stop.to_string(), format!("{rule} could not stop it"));
        }
    }

    /// The log itself says what it could not take.
    fn note(&self, kind: EventKind, subject: String, detail: String) {
        let _unwritten = self.recorder.event(kind, Some(subject), detail);
    }
}
