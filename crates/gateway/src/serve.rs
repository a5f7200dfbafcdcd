//! One request, function by function. Refusals leave by `?` and still meet the record and the reply.

use std::sync::Arc;

use portcullis_core::{
    Context, DecisionRecord, Refusal, RefusalKind,
    wire::{DecodeError, Message, Request, decode_one},
};

use crate::{
    approve::{Consented, Questions},
    dispatch::Clear,
    gateway::Gateway,
    inbound::Inbound,
    outflow::Reply,
    receipt,
    resolve::Resolved,
    session::{InFlight, Session},
    snapshot::Snapshot,
    trace::{Around, Trace},
    trail::Trail,
};

impl Gateway {
    /// Serves one message from a client.
    pub async fn serve(self: &Arc<Self>, inbound: Inbound) -> Reply {
        let snapshot = self.snapshot();
        let cx = Context { now_ms: self.clock.now_ms() };
        let mut trail = Trail::of(&inbound);
        match self.pass(&snapshot, inbound, &mut trail, &cx).await {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(&snapshot, trail, refusal),
        }
    }

    async fn pass(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        inbound: Inbound,
        trail: &mut Trail,
        cx: &Context,
    ) -> Result<Reply, Refusal> {
        let message = decode_one(inbound.body.clone(), &snapshot.inspector.limits().request)
            .map_err(|e| trail.unreadable(&e))?;
        let request = match message {
            Message::Request(request) => request,
            Message::Notification(notification) => {
                self.stops.check_caller(&inbound.caller)?;
                return self.notified(snapshot, &inbound, notification, trail).await;
            }
            Message::Response(response) => {
                self.stops.check_caller(&inbound.caller)?;
                return self.answered(snapshot, &inbound, response, trail).await;
            }
        };
        let around = Around {
            headers: inbound.headers.as_ref(),
            telling: self.audit.tells_spans(),
            listed: &snapshot.settings.baggage,
            now_ms: cx.now_ms,
        };
        trail.request(&request, Trace::of(&request, &around));
        self.stops.check_caller(&inbound.caller)?;
        let mut inflight = begin(&inbound, &request)?;
        let (mut findings, mut is_edited, mut questions) = (Vec::new(), false, Questions::default());
        let mut resolved = self.resolve(snapshot, &inbound, request, cx.now_ms).await?;
        if let Some((filled, put_back, finding)) = self.vault.put_back(&resolved, cx.now_ms)? {
            resolved = self.resolve(snapshot, &inbound, filled, cx.now_ms).await?;
            resolved.call.put_back = Some(put_back);
            findings.push(finding);
        }
        loop {
            trail.resolved(&resolved);
            resolved.carried = trail.carried();
            let permitted = self.permit(snapshot, resolved, &mut questions, trail, cx)?;
            let policies = permitted.policies();
            match Self::inspect(snapshot, permitted, &mut questions, cx)? {
                portcullis_inspect::Inspected::Cleared(cleared) => {
                    findings.extend_from_slice(cleared.findings());
                    // A view's call is decided again as its server will get it.
                    if let Some(broad) = cleared.broad() {
                        resolved = broad?;
                        // What an operator stopped under its own name is stopped under every other.
                        resolved.admission =
                            self.stops.admit(&resolved.call.caller, &resolved.call.target)?;
                        continue;
                    }
                    // Before anybody is asked: an approval is used up by asking for it.
                    self.opened_state(&cleared, cx.now_ms)?;
                    let consented = self.ask(snapshot, &cleared, questions, trail, cx).await?;
                    let record =
                        trail.allowed(&self.audit, snapshot, policies, cleared.controls(), &findings);
                    return self.go_ahead(snapshot, cleared, consented, record, inflight.take(), cx).await;
                }
                portcullis_inspect::Inspected::Edited(before, bytes, finding) if !is_edited => {
                    is_edited = true;
                    findings.push(finding);
                    let next = edited(bytes, snapshot)?;
                    resolved = self.resolve(snapshot, &inbound, next, cx.now_ms).await?;
                    resolved.call.put_back = before.call.put_back.clone();
                }
                portcullis_inspect::Inspected::Edited(..) => return Err(edited_twice()),
                portcullis_inspect::Inspected::Asked(_, refusal) => return Err(refusal),
            }
        }
    }

    /// Writes the decision down, remembers what it will bring, and sends the call.
    async fn go_ahead(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        cleared: Clear,
        _: Consented,
        record: DecisionRecord,
        inflight: Option<InFlight>,
        cx: &Context,
    ) -> Result<Reply, Refusal> {
        let ticket = if receipt::is_asked(&cleared.call.request) {
            self.audit.open_with_receipt(record).await?
        } else {
            self.audit.open(record).await?
        };
        let (record, lasting_ms) = (ticket.record_id(), snapshot.settings.label_ms);
        if let Err(refusal) = self.conversations.label(&cleared, record, cx.now_ms, lasting_ms) {
            return Ok(self.end_refused(&cleared, ticket, refusal));
        }
        Ok(self.dispatch(snapshot, cleared, ticket, inflight, cx).await)
    }
}

/// Registers a session's request before anything is waited for, so that a cancellation right behind it finds
/// it. A session's id is in use until its request is answered.
fn begin(inbound: &Inbound, request: &Request) -> Result<Option<InFlight>, Refusal> {
    let Some(session) = &inbound.session else { return Ok(None) };
    let inflight = Session::begin(session, request.id().clone());
    inflight.map(Some).ok_or_else(|| {
        Refusal::new(RefusalKind::InvalidRequest, "`id` is in use by another request of this session")
    })
}

fn edited(bytes: bytes::Bytes, snapshot: &Snapshot) -> Result<Request, Refusal> {
    match decode_one(bytes, &snapshot.inspector.limits().request) {
        Ok(Message::Request(request)) => Ok(request),
        Ok(_) => Err(defect("an edit turned a request into something else")),
        Err(e) => Err(defect(&format!("an edit broke the request: {e}"))),
    }
}

fn edited_twice() -> Refusal {
    defect("the edited call was edited again")
}

fn defect(what: &str) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").operator(what.to_owned())
}

/// A message that could not be read, as a refusal.
pub(crate) fn unreadable(error: &DecodeError) -> Refusal {
    let kind = match error.code() {
        portcullis_core::wire::code::PARSE_ERROR => RefusalKind::Malformed,
        _ => RefusalKind::InvalidRequest,
    };
    Refusal::new(kind, error.to_string()).by(portcullis_core::ControlId::Net05)
}

impl Resolved {
    /// Digest of the list its item was found in.
    pub(crate) fn catalogue(&self) -> Option<portcullis_core::Digest> {
        let crate::resolve::Route::Server { server, .. } = &self.route else { return None };
        let kind = match self.call.target.item {
            portcullis_core::Item::Tool(_) => portcullis_core::ListKind::Tools,
            portcullis_core::Item::Prompt(_) => portcullis_core::ListKind::Prompts,
            portcullis_core::Item::Resource(_) => portcullis_core::ListKind::Resources,
            _ => return None,
        };
        let profile = crate::resolve::profile(&self.call.caller, &self.client);
        server.catalogues.of(&profile).slot(kind).held().map(|list| list.digest)
    }

    /// The schema of the tool asked for.
    pub(crate) fn schema(&self) -> Option<&Arc<portcullis_inspect::ToolSchema>> {
        match (&self.route, self.call.request.method_kind()) {
            (
                crate::resolve::Route::Server { entry: Some(entry), .. },
                portcullis_core::wire::Method::ToolsCall,
            ) => entry.schema.as_ref(),
            _ => None,
        }
    }

    /// The output schema of the tool asked for, if it has one.
    pub(crate) fn output_schema(&self) -> Option<&Arc<portcullis_inspect::ToolSchema>> {
        let crate::resolve::Route::Server { entry: Some(entry), .. } = &self.route else { return None };
        entry.output_schema.as_ref()
    }
}
