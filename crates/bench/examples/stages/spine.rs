//! The stages of the spine, each alone.

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
};

use bytes::Bytes;
use portcullis_audit::{Digests, Recorder, RecorderOptions};
use portcullis_core::{
    Answer, AuthMethod, BoxFuture, Call, Caller, Channel, Consent, Context, ControlRuns, Decision,
    DecisionRecord, Digest, Item, Outcome, Principal, PrincipalKind, ServerName, Sink, SinkError, Surface,
    SystemClock, TakenBy, Target,
    wire::{Message, Request, Version, decode_one},
};
use portcullis_inspect::{Inspector, InspectorOptions, MessageLimits, ToolSchema};
use portcullis_policy::{Authoriser, Options, PolicySet};

use crate::{Stage, samples};

pub(crate) const STAGES: &[Stage] = &[
    Stage { name: "decode-100", prepare: || decode(100) },
    Stage { name: "decode-10k", prepare: || decode(10_240) },
    Stage { name: "authorise-remembered", prepare: || authorise(BY_SERVER) },
    Stage { name: "authorise-arguments", prepare: || authorise(BY_ARGUMENT) },
    Stage { name: "inspect-100", prepare: || inspect(100) },
    Stage { name: "inspect-10k", prepare: || inspect(10_240) },
    Stage { name: "record", prepare: record },
    Stage { name: "release-100", prepare: || release(100) },
    Stage { name: "release-10k", prepare: || release(10_240) },
    Stage { name: "release-1m", prepare: || release(1 << 20) },
];

/// Decided once, then answered from memory.
const BY_SERVER: &str = r#"@id("all") permit (principal, action, resource in Mcp::Server::"echo");"#;
/// Depends on an argument, so it is decided anew each time.
const BY_ARGUMENT: &str = r#"@id("some") permit (principal, action == Mcp::Action::"tools/call", resource in Mcp::Server::"echo")
    when { context.arguments.text like "*quick*" };"#;
const SCHEMA: &str =
    r#"{"type":"object","properties":{"text":{"type":"string"},"size":{"type":"integer","minimum":0}}}"#;
const NOW: Context = Context { now_ms: 1_795_305_600_000 };

/// What `decode_one` makes of the bytes: the strict walk, and the envelope.
fn decode(size: usize) -> Box<dyn FnMut()> {
    let bytes = Bytes::from(samples::call(size));
    let limits = MessageLimits::default().request;
    Box::new(move || drop(black_box(decode_one(bytes.clone(), &limits).unwrap())))
}

fn authorise(policies: &str) -> Box<dyn FnMut()> {
    let set = PolicySet::load(&[("stages.cedar", policies)]).unwrap();
    let authoriser = Authoriser::new(set, Options::default()).unwrap();
    let call = call(100);
    Box::new(move || drop(black_box(authoriser.authorise(&call, &NOW).unwrap())))
}

fn inspect(size: usize) -> Box<dyn FnMut()> {
    let inspector = Inspector::new(InspectorOptions::default()).unwrap();
    let schema = ToolSchema::compile(SCHEMA.as_bytes()).unwrap();
    let call = call(size);
    Box::new(move || drop(black_box(inspector.request(&call, Some(&schema), Consent::Absent, &NOW).unwrap())))
}

/// A decision and its outcome, into a log that keeps nothing.
fn record() -> Box<dyn FnMut()> {
    let options = RecorderOptions::new("stages");
    let recorder =
        Recorder::new(Arc::new(Nowhere), Arc::new(SystemClock), options, Digests::default()).unwrap();
    let record = decision(&call(100));
    Box::new(move || {
        let ticket = at_once(recorder.open(record.clone())).unwrap();
        let receipt = at_once(ticket.settle(Outcome::Completed, 100, None)).unwrap();
        let _ = black_box(receipt);
    })
}

/// An answer decoded and inspected.
fn release(size: usize) -> Box<dyn FnMut()> {
    let inspector = Inspector::new(InspectorOptions::default()).unwrap();
    let bytes = Bytes::from(samples::answer(size));
    let server = server();
    Box::new(move || {
        let message = decode_one(bytes.clone(), &inspector.limits().response).unwrap();
        let answer = Answer { server: Some(server.clone()), surface: Surface::Result, message };
        drop(black_box(inspector.response(answer, None, Consent::Absent, &NOW).unwrap()));
    })
}

fn call(size: usize) -> Call {
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "uid:1000".into() };
    Call {
        caller: Caller {
            principal,
            actor: None,
            tenant: None,
            method: AuthMethod::LoopbackPeer,
            grant: None,
        },
        channel: Channel::Http,
        peer: None,
        endpoint: Some(server()),
        version: Version::LATEST,
        request: request(size),
        target: Target { server: Some(server()), item: Item::Tool("echo".into()), definition: None },
        put_back: None,
    }
}

fn request(size: usize) -> Request {
    let bytes = Bytes::from(samples::call(size));
    let Message::Request(request) = decode_one(bytes, &MessageLimits::default().request).unwrap() else {
        unreachable!("the sample is a request");
    };
    request
}

fn server() -> ServerName {
    "echo".parse().unwrap()
}

fn decision(call: &Call) -> DecisionRecord {
    DecisionRecord {
        channel: call.channel,
        caller: Some(Arc::new(call.caller.clone())),
        endpoint: call.endpoint.clone(),
        version: Some(call.version.as_str()),
        method: Some("tools/call".into()),
        server: call.target.server.clone(),
        item_kind: Some(call.target.item.kind()),
        item: Some("echo".into()),
        definition: Some(Digest::of(SCHEMA.as_bytes())),
        request: Some(Digest::of(call.request.bytes()).into()),
        request_bytes: call.request.bytes().len() as u64,
        trace_id: None,
        policy: None,
        config: None,
        controls_digest: None,
        controls: ControlRuns::default(),
        findings: Vec::new(),
        context: portcullis_core::CallContext::default(),
        decision: Decision::Allow { policies: Arc::new(["all".into()]) },
        spans: None,
    }
}

/// Accepts every record and forgets it.
struct Nowhere;

impl Sink for Nowhere {
    fn append(&self, line: Vec<u8>) -> Result<(), SinkError> {
        drop(black_box(line));
        Ok(())
    }

    fn append_durable(&self, line: Vec<u8>) -> BoxFuture<'_, Result<TakenBy, SinkError>> {
        Box::pin(std::future::ready(self.append(line).map(|()| TakenBy::Log)))
    }
}

/// The value of a future that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut cx = std::task::Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the log that keeps nothing never waits"),
    }
}
