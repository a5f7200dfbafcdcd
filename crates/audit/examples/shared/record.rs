//! What the measuring programs record, and what they measure with.

use std::{sync::Arc, time::Duration};

use portcullis_audit::{Digests, Recorder, RecorderOptions};
use portcullis_core::{
    AuthMethod, BoxFuture, Caller, Channel, ControlId, ControlRun, Decision, DecisionRecord, Digest,
    Principal, PrincipalKind, RunState, Sink, SinkError, SystemClock, TakenBy,
};

/// Accepts everything, to measure what the recorder alone costs.
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    fn append(&self, _line: Vec<u8>) -> Result<(), SinkError> {
        Ok(())
    }

    fn append_durable(&self, _line: Vec<u8>) -> BoxFuture<'_, Result<TakenBy, SinkError>> {
        Box::pin(std::future::ready(Ok(TakenBy::Log)))
    }
}

pub(crate) fn recorder(sink: Arc<dyn Sink>) -> Recorder {
    let digests = Digests {
        policy: Some(Digest::of(b"policy")),
        config: Some(Digest::of(b"config")),
        controls: Some(Digest::of(b"controls")),
    };
    Recorder::new(sink, Arc::new(SystemClock), RecorderOptions::new("node"), digests).unwrap()
}

/// A record as large as one of a real tool call.
pub(crate) fn record() -> DecisionRecord {
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "uid:1000".into() };
    let ran = |control| ControlRun { control, state: RunState::Ran, reason: None };
    let controls = [ControlId::Net04, ControlId::Net05, ControlId::Iam01, ControlId::Az01, ControlId::Ti01];
    DecisionRecord {
        channel: Channel::Http,
        caller: Some(Arc::new(Caller {
            principal,
            actor: None,
            tenant: None,
            method: AuthMethod::LoopbackPeer,
            grant: None,
        })),
        endpoint: None,
        version: Some("2026-07-28"),
        method: Some("tools/call".into()),
        server: "filesystem".parse().ok(),
        item_kind: Some("Tool"),
        item: Some("read_text_file".into()),
        definition: Some(Digest::of(b"definition")),
        request: Some(Digest::of(b"request").into()),
        request_bytes: 560,
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        policy: None,
        config: None,
        controls_digest: None,
        controls: controls.map(ran).into_iter().collect(),
        findings: Vec::new(),
        context: portcullis_core::CallContext::default(),
        decision: Decision::Allow { policies: ["readers-may-read".into()].into() },
        spans: None,
    }
}

/// CPU time this process has used.
pub(crate) fn cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.try_into().unwrap_or(0), used.tv_nsec.try_into().unwrap_or(0))
}
