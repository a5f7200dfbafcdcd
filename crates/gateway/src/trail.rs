//! What is known about a request so far, for the record that is written whether it passes or not.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use portcullis_audit::Recorder;
use portcullis_core::{
    CallContext, Caller, Channel, ControlId, ControlRun, ControlRuns, Decision, DecisionRecord, Deed, Digest,
    Finding, Flow, Item, Refusal, RunState, ServerName, Target,
    wire::{DecodeError, Method, Request, RequestId, Version},
};

use portcullis_inspect::data::masked;

use crate::{
    inbound::Inbound,
    reply::Reader,
    resolve::{Resolved, Route},
    serve,
    snapshot::Snapshot,
    trace::{Carried, Trace},
};

/// Facts in the order they become known.
pub(crate) struct Trail {
    channel: Channel,
    caller: Arc<Caller>,
    endpoint: Option<ServerName>,
    body: Bytes,
    in_session: bool,
    version: Option<Version>,
    id: Option<RequestId>,
    method: Option<Arc<str>>,
    target: Option<Target>,
    trace: Trace,
    peer: Option<IpAddr>,
    session: Option<Arc<str>>,
    catalogue: Option<Digest>,
    /// Where the answer will come from.
    cache: Option<&'static str>,
    /// The view through which the item was asked for.
    view: Option<ControlRun>,
    /// What policies were told about the conversation.
    told: Told,
}

/// As a record says it.
#[derive(Default)]
struct Told {
    labels: Arc<[Arc<str>]>,
    conduct: Option<Vec<&'static str>>,
    approved: Option<bool>,
}

impl Trail {
    pub(crate) fn of(inbound: &Inbound) -> Self {
        Self {
            channel: inbound.channel,
            caller: inbound.caller.clone().into_caller(),
            endpoint: inbound.endpoint.clone(),
            body: inbound.body.clone(),
            in_session: inbound.session.is_some(),
            version: inbound.session.as_ref().and_then(|s| s.terms()).map(|t| t.version),
            id: None,
            method: None,
            target: None,
            trace: Trace::default(),
            peer: inbound.peer,
            session: inbound.session.as_ref().map(|session| session.id.clone()),
            catalogue: None,
            cache: None,
            view: None,
            told: Told::default(),
        }
    }

    pub(crate) fn unreadable(&mut self, error: &DecodeError) -> Refusal {
        self.id = error.id().cloned();
        serve::unreadable(error)
    }

    pub(crate) fn request(&mut self, request: &Request, trace: Trace) {
        self.id = Some(request.id().clone());
        self.named(request.method());
        self.trace = trace;
    }

    /// What of the request's trace goes on to its server.
    pub(crate) fn carried(&self) -> Option<Arc<Carried>> {
        self.trace.carried.clone()
    }

    /// A method name, cut so that a hostile one cannot fill the log.
    pub(crate) fn named(&mut self, method: &str) {
        self.method = Some(match Method::parse(method).as_str() {
            Some(known) => Arc::from(known),
            None => method.chars().take(64).collect::<String>().into(),
        });
    }

    pub(crate) fn resolved(&mut self, resolved: &Resolved) {
        if resolved.is_view() {
            let target = &resolved.call.target;
            let digest = target.definition.map(|digest| digest.to_string()).unwrap_or_default();
            let reason = format!("asked for as the narrower tool `{}`, {digest}", target.item.name());
            self.view = Some(ControlRun {
                control: ControlId::Az01,
                state: RunState::Ran,
                reason: Some(reason.into()),
            });
        }
        self.version = Some(resolved.call.version);
        self.target = Some(resolved.call.target.clone());
        self.catalogue = resolved.catalogue();
        self.cache = Some(match resolved.route {
            Route::Server { .. } => "none",
            Route::Local if is_list(resolved.call.request.method_kind()) => "catalogue",
            Route::Local => "gateway",
        });
    }

    /// What policies were told about the conversation when they were asked last.
    pub(crate) fn flow(&mut self, flow: &Flow) {
        self.told = Told {
            labels: flow.labels.pairs().map(Arc::from).collect(),
            conduct: Some(flow.conduct.deeds().map(Deed::as_str).collect()),
            approved: Some(flow.approved),
        };
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { version: self.version, in_session: self.in_session, id: self.id.as_ref() }
    }

    pub(crate) fn allowed(
        &self,
        recorder: &Recorder,
        snapshot: &Snapshot,
        policies: Arc<[Arc<str>]>,
        controls: ControlRuns,
        findings: &[Finding],
    ) -> DecisionRecord {
        let server = self.target.as_ref().and_then(|target| snapshot.servers.get(target.server.as_ref()?));
        let of_server = server.map(|server| [server.isolation.as_ref(), server.admission.as_ref()]);
        let of_server: Vec<&ControlRun> = of_server.into_iter().flatten().flatten().collect();
        let controls = match (of_server.is_empty(), &self.view) {
            (true, None) => controls,
            _ => controls.iter().chain(of_server).chain(&self.view).cloned().collect(),
        };
        let record = self.record(recorder, snapshot, controls, Decision::Allow { policies });
        let findings = findings.iter().cloned().chain(self.trace.finding()).collect();
        DecisionRecord { findings, ..record }
    }

    pub(crate) fn refused(
        &self,
        recorder: &Recorder,
        snapshot: &Snapshot,
        refusal: &Refusal,
    ) -> DecisionRecord {
        let decision = Decision::Refuse {
            kind: refusal.kind(),
            control: refusal.control(),
            detail: refusal.detail().to_owned(),
        };
        self.record(recorder, snapshot, self.view.iter().cloned().collect(), decision)
    }

    fn record(
        &self,
        recorder: &Recorder,
        snapshot: &Snapshot,
        controls: ControlRuns,
        decision: Decision,
    ) -> DecisionRecord {
        let target = self.target.as_ref();
        let server = target.and_then(|target| snapshot.servers.get(target.server.as_ref()?));
        DecisionRecord {
            channel: self.channel,
            caller: Some(self.caller.clone()),
            endpoint: self.endpoint.clone(),
            version: self.version.map(Version::as_str),
            method: self.method.clone(),
            server: target.and_then(|t| t.server.clone()),
            item_kind: target.map(|t| t.item.kind()),
            item: target.map(|t| shown(&t.item)),
            definition: target.and_then(|t| t.definition),
            request: Some(recorder.commit(&self.body)),
            request_bytes: u64::try_from(self.body.len()).unwrap_or(u64::MAX),
            trace_id: self.trace.id(),
            policy: Some(snapshot.authoriser.digest()),
            config: Some(snapshot.config_digest),
            controls_digest: Some(snapshot.inspector.digest()),
            controls,
            findings: Vec::new(),
            context: CallContext {
                peer: self.peer,
                session: self.session.as_ref().map(|id| recorder.commit(id.as_bytes())),
                catalogue: self.catalogue,
                parent_span: self.trace.parent(),
                span: self.trace.span(),
                labels: self.told.labels.clone(),
                conduct: self.told.conduct.clone(),
                approved: self.told.approved,
                sandbox: server.and_then(|server| server.sandbox),
                cache: self.cache.filter(|_| matches!(decision, Decision::Allow { .. })),
                boundary: snapshot.stated.as_ref().map(|stated| stated.digest),
                ..CallContext::default()
            },
            decision,
            spans: self.trace.spans.clone(),
        }
    }
}

/// Whether the gateway answers it from the lists it holds.
fn is_list(method: Method) -> bool {
    matches!(
        method,
        Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::ResourcesTemplatesList
    )
}

/// An item's name, without what looks like a secret in it.
fn shown(item: &Item) -> Arc<str> {
    match item {
        Item::Resource(uri) => masked(&bare(uri)).into(),
        _ => masked(item.name()).into(),
    }
}

/// A URI less what it should not have held: credentials, and a query that may be one.
fn bare(uri: &str) -> String {
    let (before, query) = uri.split_once(['?', '#']).map_or((uri, false), |(before, _)| (before, true));
    let bare = match before.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            match authority.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://[redacted]@{host}{path}"),
                None => before.to_owned(),
            }
        }
        None => before.to_owned(),
    };
    if query { format!("{bare}?[redacted]") } else { bare }
}

/// All that is known of what did not become a message.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'c> {
    pub(crate) channel: Channel,
    /// Where it came from, over a network.
    pub(crate) peer: Option<IpAddr>,
    /// Who sent it, where that was established.
    pub(crate) caller: Option<&'c Caller>,
}

/// What the gateway says about a request it could not even tell apart from noise.
pub(crate) fn unread(sender: Sender<'_>, refusal: &Refusal) -> DecisionRecord {
    DecisionRecord {
        channel: sender.channel,
        caller: sender.caller.map(|caller| Arc::new(caller.clone())),
        endpoint: None,
        version: None,
        method: None,
        server: None,
        item_kind: None,
        item: None,
        definition: None,
        request: None,
        request_bytes: 0,
        trace_id: None,
        policy: None,
        config: None,
        controls_digest: None,
        controls: ControlRuns::default(),
        findings: Vec::new(),
        context: CallContext { peer: sender.peer, ..CallContext::default() },
        decision: Decision::Refuse {
            kind: refusal.kind(),
            control: refusal.control(),
            detail: refusal.detail().to_owned(),
        },
        spans: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_shown_without_what_may_be_a_credential() {
        for (uri, expected) in [
            ("file:///notes/a.txt", "file:///notes/a.txt"),
            ("https://example.com/a?token=canary", "https://example.com/a?[redacted]"),
            ("https://example.com/a#canary", "https://example.com/a?[redacted]"),
            ("https://user:canary@example.com/a@b", "https://[redacted]@example.com/a@b"),
            ("https://canary@example.com", "https://[redacted]@example.com"),
            ("urn:isbn:0451450523", "urn:isbn:0451450523"),
        ] {
            assert_eq!(&*shown(&Item::Resource(uri.into())), expected);
        }
        assert_eq!(&*shown(&Item::Tool("a?b".into())), "a?b", "a tool's name is no URI");
    }
}
