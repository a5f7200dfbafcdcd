//! Attempts of servers to reach the world, on record like calls: a decision before anything leaves, an outcome
//! with its bytes after.

use std::{collections::BTreeSet, net::SocketAddr, path::Path, sync::Arc};

use parking_lot::Mutex;
use portcullis_audit::{Digests, JsonLines, JsonLinesOptions, Recorder, RecorderOptions, Ticket};
use portcullis_core::{
    BoxFuture, Channel, Clock, ControlId, ControlRun, Decision, DecisionRecord, Digest, Outcome, RunState,
};
use portcullis_sandbox::egress::{Attempt, Denial, End, Entry, Ledger, Traffic};

use crate::{
    exit::{Exit, Failure},
    printer::{Printer, on_one_line},
    runtime::node_name,
};

/// Opens a log for attempts alone.
pub(crate) fn open_records(
    file: &Path,
    policy: Option<Digest>,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<JsonLines>, Recorder), Failure> {
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let log = JsonLines::open(JsonLinesOptions::new(file), clock.clone());
    let log = Arc::new(log.map_err(|e| usage(e.to_string()).remedy("name another file with `--record`"))?);
    let digests = Digests { policy, ..Digests::default() };
    let recorder = Recorder::new(log.clone(), clock.clone(), RecorderOptions::new(node_name()), digests);
    Ok((log, recorder.map_err(|e| usage(e.to_string()))?))
}

/// The kind of item a destination is on record.
const DESTINATION: &str = "Destination";

/// Writes attempts down with a recorder.
pub(crate) struct RecordedEgress {
    recorder: Recorder,
    hint: Option<Hint>,
}

/// Tells a person once what would allow a destination that was refused.
struct Hint {
    printer: Printer,
    /// The option or setting.
    allows: &'static str,
    told: Mutex<BTreeSet<String>>,
}

/// Destinations that are told in one run.
const MOST_TOLD: usize = 64;

impl RecordedEgress {
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self { recorder, hint: None }
    }

    /// The same, and what is on no list is told the person at the terminal, with the option or setting that `allows` it.
    pub(crate) fn hinting(self, printer: Printer, allows: &'static str) -> Self {
        Self { hint: Some(Hint { printer, allows, told: Mutex::default() }), ..self }
    }
}

impl Hint {
    fn tell(&self, attempt: &Attempt) {
        if let Some((what, remedy)) = self.admit(attempt) {
            self.printer.warning(&what, Some(&remedy));
        }
    }

    /// What there is to tell, the first time.
    fn admit(&self, attempt: &Attempt) -> Option<(String, String)> {
        let (server, destination) = (&attempt.server, on_one_line(&attempt.destination));
        let mut told = self.told.lock();
        let is_new = told.len() < MOST_TOLD && told.insert(format!("{server} {destination}"));
        is_new.then(|| {
            let what =
                format!("server `{server}` was refused `{destination}`; a call that fails may need it");
            (what, format!("`{}` allows a host", self.allows))
        })
    }
}

impl Ledger for RecordedEgress {
    fn allow<'a>(
        &'a self,
        attempt: &'a Attempt,
        rule: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Entry>, String>> {
        Box::pin(async move {
            let decision = Decision::Allow { policies: [rule.into()].into() };
            let record = record(attempt, decision, &[ControlId::Net02, ControlId::Ti06]);
            let opened = self.recorder.open(record).await;
            let ticket = opened.map_err(|refusal| refusal.detail().to_owned())?;
            let entry: Box<dyn Entry> = Box::new(Opened(ticket));
            Ok(entry)
        })
    }

    fn refuse(&self, attempt: &Attempt, denial: &Denial) {
        let control = denial.control();
        let decision =
            Decision::Refuse { kind: denial.kind(), control: Some(control), detail: denial.to_string() };
        // It is refused whether or not that can be written; the log itself reports what it loses.
        let _unwritten = self.recorder.refuse(record(attempt, decision, &[control]));
        if let (Denial::NotListed, Some(hint)) = (denial, &self.hint) {
            hint.tell(attempt);
        }
    }
}

struct Opened(Ticket);

impl Entry for Opened {
    fn close(self: Box<Self>, via: Option<SocketAddr>, end: &End, traffic: Traffic) {
        let outcome = match end {
            End::Closed => Outcome::Completed,
            End::Cut(Denial::Unreachable(_)) => Outcome::Unknown,
            End::Cut(_) => Outcome::Withheld,
        };
        let mut detail = format!("{} bytes sent, {} received", traffic.sent, traffic.received);
        if let Some(via) = via {
            detail.push_str(&format!(", {via}"));
        }
        if let End::Cut(denial) = end {
            detail.push_str(&format!(", cut off: {denial}"));
        }
        let _receipt = self.0.close(outcome, traffic.received, Some(detail));
    }
}

/// Members that have no meaning for a connection are `None`.
fn record(attempt: &Attempt, decision: Decision, ran: &[ControlId]) -> DecisionRecord {
    let ran = ran.iter().map(|control| ControlRun { control: *control, state: RunState::Ran, reason: None });
    DecisionRecord {
        channel: Channel::Egress,
        caller: None,
        endpoint: None,
        version: None,
        method: Some(attempt.way.as_str().into()),
        server: Some(attempt.server.clone()),
        item_kind: Some(DESTINATION),
        item: Some(attempt.destination.as_str().into()),
        definition: None,
        request: None,
        request_bytes: 0,
        trace_id: None,
        policy: None,
        config: None,
        controls_digest: None,
        controls: ran.collect(),
        findings: Vec::new(),
        context: portcullis_core::CallContext::default(),
        decision,
        spans: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use std::net::IpAddr;

    use portcullis_audit::MemorySink;
    use portcullis_core::{DomainName, FakeClock, RefusalKind};
    use portcullis_sandbox::egress::{Gate, GateParts, Limits, LookupFault, Policy, Resolve, Way, serve};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// Is asked by nobody: what is not listed is not looked up.
    struct NoNames;

    impl Resolve for NoNames {
        fn lookup<'a>(&'a self, _: &'a DomainName) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFault>> {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    async fn connect(address: SocketAddr, to: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let asked = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _reset_is_an_end_too = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_refused_destination_is_told_once_with_what_allows_it() {
        let hint = Hint { printer: Printer::new(), allows: "--allow HOST", told: Mutex::default() };
        let mut told = 0;
        for number in [0, 0, 1, 1].into_iter().chain(0..1_000) {
            let destination = format!("h{number}.example:443");
            let attempt = Attempt { server: "s".parse().unwrap(), way: Way::Connect, destination };
            let Some((what, remedy)) = hint.admit(&attempt) else { continue };
            assert!(what.contains(&format!("`s` was refused `h{number}.example:443`")), "{what}");
            assert_eq!(remedy, "`--allow HOST` allows a host");
            told += 1;
        }
        assert_eq!(told, MOST_TOLD);
    }

    #[tokio::test]
    async fn a_server_that_hammers_its_gate_costs_no_caller_a_record() {
        let (sink, clock) = (Arc::new(MemorySink::new()), Arc::new(FakeClock::at(7_000)));
        let options = RecorderOptions { full_refusals_per_second: 1, ..RecorderOptions::new("node") };
        let recorder = Recorder::new(sink.clone(), clock.clone(), options, Digests::default()).unwrap();
        let gate = Arc::new(Gate::new(GateParts {
            server: "hostile".parse().unwrap(),
            policy: Policy::default(),
            limits: Limits { connections_per_minute: 100, ..Limits::default() },
            resolver: Arc::new(NoNames),
            ledger: Arc::new(RecordedEgress::new(recorder.clone())),
            clock,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, gate.clone(), std::future::pending()));
        let mut answers = Vec::new();
        for n in 0..400 {
            answers.push(connect(address, &format!("host-{n}.test:443")).await);
        }
        serving.abort();
        let with = |status: &str| answers.iter().filter(|answer| answer.contains(status)).count();
        assert_eq!((with(" 403 "), with(" 429 ")), (100, 300));
        assert_eq!(
            (gate.metrics().refused(), sink.records().len()),
            (400, 65),
            "64 in full, and one that more follow"
        );

        // The second of a caller, in which there is room for one.
        let attempt = Attempt {
            server: "notes".parse().unwrap(),
            way: portcullis_sandbox::egress::Way::Connect,
            destination: "read_file".to_owned(),
        };
        let decision = Decision::Refuse { kind: RefusalKind::Denied, control: None, detail: "no".to_owned() };
        let of_caller = DecisionRecord { channel: Channel::Http, ..record(&attempt, decision, &[]) };
        let receipt = recorder.refuse(of_caller).unwrap();
        let last = sink.records().pop().unwrap();
        assert_eq!(last["id"], receipt.record_id().to_string());
        assert_eq!((&last["channel"], &last["decision"]["detail"]), (&"http".into(), &"no".into()));
    }
}
