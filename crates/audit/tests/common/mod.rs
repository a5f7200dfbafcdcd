//! Records to record, and logs to read back.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "test code; no test file uses all of it")]

use std::{path::Path, sync::Arc};

use portcullis_audit::{
    Digests, Fsync, JsonLines, JsonLinesOptions, LoggedRecord, Recorder, RecorderOptions, read_records,
    segments,
};
use portcullis_core::{
    AuthMethod, Caller, Channel, ControlId, ControlRun, Decision, DecisionRecord, Digest, FakeClock,
    Principal, PrincipalKind, RefusalKind, RunState, Sink,
};

/// 2026-11-22T10:15:00.042Z
pub const NOW_MS: u64 = 1_795_342_500_042;

pub fn allowed() -> DecisionRecord {
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "uid:1000".into() };
    let runs = [
        ControlRun { control: ControlId::Az01, state: RunState::Ran, reason: None },
        ControlRun {
            control: ControlId::Ti03,
            state: RunState::Skipped,
            reason: Some("no arguments".into()),
        },
    ];
    DecisionRecord {
        channel: Channel::Stdio,
        caller: Some(Arc::new(Caller {
            principal,
            actor: None,
            tenant: None,
            method: AuthMethod::StdioPeer,
            grant: None,
        })),
        endpoint: None,
        version: Some("2026-07-28"),
        method: Some("tools/call".into()),
        server: "notes".parse().ok(),
        item_kind: Some("Tool"),
        item: Some("read_file".into()),
        definition: Some(Digest::of(b"definition")),
        request: Some(Digest::of(b"request").into()),
        request_bytes: 17,
        trace_id: None,
        policy: None,
        config: None,
        controls_digest: None,
        controls: runs.into_iter().collect(),
        findings: Vec::new(),
        context: portcullis_core::CallContext::default(),
        decision: Decision::Allow { policies: ["p1".into()].into() },
        spans: None,
    }
}

pub fn refused(detail: &str) -> DecisionRecord {
    let (kind, control) = (RefusalKind::Denied, Some(ControlId::Az01));
    DecisionRecord { decision: Decision::Refuse { kind, control, detail: detail.to_owned() }, ..allowed() }
}

pub fn recorder(sink: Arc<dyn Sink>) -> Recorder {
    recorder_with(sink, RecorderOptions::new("node"))
}

pub fn recorder_with(sink: Arc<dyn Sink>, options: RecorderOptions) -> Recorder {
    let digests = Digests { policy: Some(Digest::of(b"policy")), ..Digests::default() };
    Recorder::new(sink, Arc::new(FakeClock::at(NOW_MS)), options, digests).unwrap()
}

/// A directory in memory where there is one: these tests sync often and none looks at the platter.
pub fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub fn options(path: &Path) -> JsonLinesOptions {
    JsonLinesOptions { fsync: Fsync::DangerNever, ..JsonLinesOptions::new(path) }
}

pub fn open(options: JsonLinesOptions) -> JsonLines {
    JsonLines::open(options, Arc::new(FakeClock::at(NOW_MS))).unwrap()
}

/// Every record of every segment; panics at the first line that is not one.
pub fn read_all(path: &Path) -> Vec<LoggedRecord> {
    segments(path).unwrap().iter().flat_map(|path| read_records(path).unwrap()).map(Result::unwrap).collect()
}
