//! Steps 8 and 9: a call under way at a server, translated and inspected event by event.

mod ask;
mod park;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use portcullis_audit::Ticket;
use portcullis_core::{
    Answer, BoxFuture, Consent, Context, Exchange, Item, Link, Outcome, Refusal, RefusalKind, Surface,
    UpstreamEvent,
    wire::{Era, Message, Method, Notification, RequestId, Response, Version, message, meta::LogLevel},
};
use portcullis_inspect::{Form, Promised, ToolSchema};

pub(crate) use park::{Parked, gone};

use crate::{
    dispatch::{Clear, len, outcome_of, reader},
    forward,
    gateway::Gateway,
    outbound,
    outflow::{Answered, Delivery, Outflow},
    receipt, reply,
    session::InFlight,
    snapshot::{Server, Snapshot},
    translate::{
        answer::{self, ResultType},
        untranslatable,
    },
};

/// A call from dispatch to its last word. Dropping it cancels the call at the server and records it as
/// abandoned.
pub(crate) struct Relay {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    cleared: Clear,
    server: Arc<Server>,
    link: Option<Arc<dyn Link>>,
    exchange: Option<Box<dyn Exchange>>,
    method: Method,
    ticket: Option<Ticket>,
    inflight: Option<InFlight>,
    failure: Option<Refusal>,
    /// Requests to a legacy client that are yet to be delivered.
    ready: VecDeque<Bytes>,
    /// Answers of a legacy client that are being waited for.
    asked: ask::Asked,
    rounds: u8,
}

impl Relay {
    /// Sends the call. A failure to do so becomes the relay's only delivery, so that it is recorded under
    /// the decision that allowed it.
    pub(crate) async fn start(
        gateway: &Arc<Gateway>,
        snapshot: &Arc<Snapshot>,
        cleared: Clear,
        server: Arc<Server>,
        ticket: Ticket,
        inflight: Option<InFlight>,
    ) -> Self {
        let mut relay = Self {
            gateway: gateway.clone(),
            snapshot: snapshot.clone(),
            method: cleared.call.request.method_kind(),
            cleared,
            server,
            link: None,
            exchange: None,
            ticket: Some(ticket),
            inflight,
            failure: None,
            ready: VecDeque::new(),
            asked: ask::Asked::default(),
            rounds: 0,
        };
        let halt = relay.cleared.admission.halt();
        let sent = tokio::select! {
            biased;
            stopped = halt.fired() => Err(stopped),
            sent = relay.send_or_resume() => sent,
        };
        if let Err(refusal) = sent {
            relay.failure = Some(refusal);
        }
        relay
    }

    async fn send_or_resume(&mut self) -> Result<(), Refusal> {
        let now_ms = self.gateway.clock.now_ms();
        if let Some(parked) = self.gateway.parked.take(&self.cleared, now_ms)? {
            return self.resume(parked).await;
        }
        let ticket = self.ticket.as_mut();
        let sent = forward::send(&self.gateway, &self.cleared, &self.server, ticket).await?;
        self.link = Some(sent.link);
        self.exchange = Some(sent.exchange);
        Ok(())
    }

    /// The next delivery; none when the client cancelled or everything has been said.
    async fn advance(&mut self) -> Option<Delivery> {
        self.ticket.as_ref()?;
        let halt = self.cleared.admission.halt();
        loop {
            let step = match self.failure.take() {
                Some(refusal) => Err(refusal),
                None => tokio::select! {
                    biased;
                    stopped = halt.fired() => Err(stopped),
                    step = self.step() => step,
                },
            };
            match step {
                Ok(Step::Deliver(delivery)) => return Some(delivery),
                Ok(Step::Continue) => {}
                Ok(Step::Cancelled) => return self.cancelled(),
                Err(refusal) => return Some(self.refused(refusal)),
            }
        }
    }

    async fn step(&mut self) -> Result<Step, Refusal> {
        if let Some(request) = self.ready.pop_front() {
            return Ok(Step::Deliver(Delivery::Event(request)));
        }
        if !self.asked.is_empty() {
            return self.collect().await;
        }
        let event = {
            let exchange = self.exchange.as_mut().ok_or_else(|| defect("a relay without an exchange"))?;
            match &self.inflight {
                None => exchange.next().await,
                Some(inflight) => tokio::select! {
                    biased;
                    () = inflight.cancelled().cancelled() => return Ok(Step::Cancelled),
                    event = exchange.next() => event,
                },
            }
        };
        match event.map_err(|e| outbound::refusal(&self.server.name, &e))? {
            UpstreamEvent::Notification(body) => self.notification(body),
            UpstreamEvent::ServerRequest(body) => self.server_request(body).await,
            UpstreamEvent::Response(body) => self.response(body).await,
        }
    }

    fn notification(&mut self, body: Bytes) -> Result<Step, Refusal> {
        let message = self.inspected(body, Surface::Notification, Consent::Absent)?;
        let Message::Notification(notification) = &message else {
            return Err(self.invalid("a notification that is none"));
        };
        let method = notification.method_kind();
        match method {
            Method::Progress => {}
            Method::TaskStatus | Method::TaskNotification => {
                let (now_ms, caller) = (self.gateway.clock.now_ms(), &self.cleared.call.caller);
                if !self.gateway.tasks.may_hear(&self.server.name, notification, caller, now_ms) {
                    self.gateway.metrics.dropped_messages.add(1);
                    return Ok(Step::Continue);
                }
            }
            Method::LogMessage if self.wants_log(notification) => {}
            Method::ToolsListChanged | Method::PromptsListChanged | Method::ResourcesListChanged => {
                self.server.catalogues.invalidate(notification.method());
                if self.era() == Era::Modern {
                    return Ok(Step::Continue);
                }
            }
            Method::ResourceUpdated | Method::ElicitationComplete if self.era() == Era::Legacy => {}
            _ => return Ok(Step::Continue),
        }
        Ok(Step::Deliver(Delivery::Event(message.bytes().clone())))
    }

    /// A log message is passed on if the client asked for its severity; a stateless client asks per
    /// request, and one that did not ask gets none (2026-07-28 server/utilities/logging).
    fn wants_log(&self, notification: &Notification) -> bool {
        let level = notification.params().and_then(|p| p.get("level")).and_then(|l| l.as_str());
        match (self.cleared.client.log_level, level.as_deref().and_then(LogLevel::parse)) {
            (Some(wanted), Some(level)) => level >= wanted,
            _ => false,
        }
    }

    async fn response(&mut self, body: Bytes) -> Result<Step, Refusal> {
        let surface = Surface::of_result(self.method);
        let message = match self.inspected(body.clone(), surface, Consent::Absent) {
            Err(refusal) if refusal.question().is_some() => self.agreed_to(body, surface, refusal).await?,
            inspected => inspected?,
        };
        let Message::Response(response) = message else {
            return Err(self.invalid("a response that is none"));
        };
        let upstream = self.link.as_ref().map_or(Era::Legacy, |link| link.info().version.era());
        // The member means nothing in a legacy server's results.
        let kind = response.result().filter(|_| upstream == Era::Modern).map(answer::result_type);
        if kind == Some(ResultType::Unknown) {
            return Err(self.invalid("a kind of result nobody negotiated"));
        }
        let body = match (self.era(), upstream) {
            (Era::Legacy, Era::Modern) if kind == Some(ResultType::InputRequired) => {
                return self.ask_all(&response);
            }
            (Era::Legacy, Era::Modern) => {
                answer::to_legacy(&response, self.method, self.cleared.call.version)?
            }
            (Era::Modern, Era::Legacy) => {
                let info = self.link.as_ref().and_then(|link| link.info().server_info.clone());
                answer::to_modern(&response, self.method, info.as_ref())?
            }
            (Era::Legacy, Era::Legacy) => self.older_content(&response)?,
            (Era::Modern, Era::Modern) if kind == Some(ResultType::InputRequired) => {
                let wait_ms = self.snapshot.settings.input_wait_ms;
                let expires_ms = self.gateway.clock.now_ms().saturating_add(wait_ms);
                self.gateway.sealed_state(response.bytes().clone(), &self.cleared, expires_ms)?
            }
            (Era::Modern, Era::Modern) => response.bytes().clone(),
        };
        let body = self.for_client(body, &response)?;
        let body = match receipt::is_asked(&self.cleared.call.request) || receipt::is_claimed(&response) {
            true => receipt::in_response(&body, self.ticket.as_ref())?,
            false => body,
        };
        self.finish(body, &response, kind).await
    }

    /// Two legacy peers may have settled on different versions.
    fn older_content(&self, response: &Response) -> Result<Bytes, Refusal> {
        if self.version().is_none_or(|v| v <= self.cleared.call.version) || response.result().is_none() {
            return Ok(response.bytes().clone());
        }
        answer::to_legacy(response, self.method, self.cleared.call.version)
    }

    /// The response under the client's own id, with task ids as the client knows them.
    fn for_client(&self, body: Bytes, response: &Response) -> Result<Bytes, Refusal> {
        let id = self.cleared.call.request.id();
        let now_ms = self.gateway.clock.now_ms();
        self.gateway.tasks.claim(response, &self.cleared, now_ms)?;
        let body = self.gateway.tasks.own_only(body, &self.cleared, now_ms)?;
        let body = forward::shown_task_ids(body, response, &self.cleared)?;
        if response.id() == Some(id) {
            return Ok(body);
        }
        let message = outbound::decode(body, &outbound::GENEROUS).map_err(|e| defect(&e))?;
        Ok(message::with_id(message.document(), id))
    }

    async fn finish(
        &mut self,
        body: Bytes,
        response: &Response,
        kind: Option<ResultType>,
    ) -> Result<Step, Refusal> {
        let error = response.error().map(|e| e.code);
        let outcome = match (error, kind) {
            (Some(_), _) => Outcome::UpstreamError,
            (None, Some(ResultType::InputRequired)) => Outcome::InputRequired,
            (None, _) => Outcome::Completed,
        };
        let status = match (self.era(), error) {
            (Era::Modern, Some(code)) => reply::status_of_error(code),
            _ => 200,
        };
        let failed = response.result().and_then(|it| it.get("isError")?.as_bool()) == Some(true);
        if let (Some(ticket), true) = (&mut self.ticket, error.is_some() || failed) {
            ticket.answered_with(error);
        }
        self.end(outcome, len(&body)).await?;
        Ok(Step::Deliver(Delivery::Final(Answered { status, body })))
    }

    /// Records the outcome; where the configuration withholds an answer whose outcome could not be
    /// recorded, this is what withholds it.
    async fn end(&mut self, outcome: Outcome, bytes: u64) -> Result<(), Refusal> {
        self.exchange = None;
        self.inflight = None;
        match self.ticket.take() {
            Some(ticket) => ticket.settle(outcome, bytes, None).await.map(|_| ()),
            None => Ok(()),
        }
    }

    fn refused(&mut self, refusal: Refusal) -> Delivery {
        self.exchange = None;
        self.inflight = None;
        let refusal = match self.ticket.take() {
            Some(ticket) => {
                let receipt = ticket.close(outcome_of(&refusal), 0, Some(refusal.detail().to_owned()));
                refusal.recorded(receipt.record_id().clone())
            }
            None => refusal,
        };
        self.gateway.metrics.refused(refusal.kind());
        let id = self.cleared.call.request.id();
        Delivery::Final(reply::refusal(&refusal, reader(&self.cleared, Some(id))))
    }

    fn cancelled(&mut self) -> Option<Delivery> {
        self.exchange = None;
        self.inflight = None;
        if let Some(ticket) = self.ticket.take() {
            let _receipt = ticket.close(Outcome::Cancelled, 0, Some("cancelled by the client".to_owned()));
        }
        None
    }

    /// The strict walk and every control over one message from the server.
    fn inspected(&mut self, body: Bytes, surface: Surface, consent: Consent) -> Result<Message, Refusal> {
        let message = self.decoded(body)?;
        let surface = match &message {
            Message::Response(response) if response.error().is_some() => Surface::Error,
            _ => surface,
        };
        let promise = self.promise(&message);
        let promised = promise.as_ref().map(|(schema, form)| self.promised(schema, *form));
        let answer = Answer { server: Some(self.server.name.clone()), surface, message };
        let cx = Context { now_ms: self.gateway.clock.now_ms() };
        let mut released = self.snapshot.inspector.response(answer, promised, consent, &cx)?;
        self.gateway.vault.keep(&self.cleared, released.take_kept(), cx.now_ms);
        if let Some(ticket) = &mut self.ticket {
            ticket.inspected(released.controls(), released.findings());
        }
        Ok(released.into_message())
    }

    fn decoded(&self, body: Bytes) -> Result<Message, Refusal> {
        outbound::decode(body, &self.snapshot.inspector.limits().response).map_err(|e| self.invalid(&e))
    }

    /// An answer that was refused unless a person agrees, if one does.
    async fn agreed_to(
        &mut self,
        body: Bytes,
        surface: Surface,
        refusal: Refusal,
    ) -> Result<Message, Refusal> {
        let answer = self.decoded(body.clone())?;
        let cx = Context { now_ms: self.gateway.clock.now_ms() };
        let consent = self.gateway.consent_to_answer(&self.snapshot, &self.cleared, &answer, refusal, &cx);
        consent.await?;
        self.inspected(body, surface, Consent::Given)
    }

    /// The output schema of the tool that was called, or that began the task asked about, and how the message has
    /// its result.
    fn promise(&self, message: &Message) -> Option<(Arc<ToolSchema>, Form)> {
        let tasks = &self.gateway.tasks;
        if matches!(message, Message::Notification(_)) {
            return tasks.promised_in(&self.server.name, message).map(|schema| (schema, Form::Task));
        }
        let call = &self.cleared.call;
        let of_task = || match &call.target.item {
            Item::Task(id) => tasks.promised(&self.server.name, id),
            _ => None,
        };
        let typed = self.version().is_some_and(|version| version.era() == Era::Modern);
        match self.method {
            Method::ToolsCall => {
                let asked = call.request.params().is_some_and(|params| params.get("task").is_some());
                let form = Form::Response { typed, as_task: !typed && asked };
                self.cleared.output_schema().map(|schema| (schema.clone(), form))
            }
            Method::TasksResult => Some((of_task()?, Form::Response { typed: false, as_task: false })),
            Method::TasksGet if typed => Some((of_task()?, Form::Task)),
            _ => None,
        }
    }

    fn promised<'s>(&self, schema: &'s ToolSchema, form: Form) -> Promised<'s> {
        let required = self.version().is_some_and(|version| version >= Version::V2025_06_18);
        Promised { schema, required, form }
    }

    /// Of the protocol, towards the server.
    fn version(&self) -> Option<Version> {
        self.link.as_ref().map(|link| link.info().version)
    }

    fn era(&self) -> Era {
        self.cleared.client.era()
    }

    fn invalid(&self, what: &str) -> Refusal {
        let server = &self.server.name;
        Refusal::new(RefusalKind::UpstreamInvalid, format!("server `{server}` answered outside the protocol"))
            .operator(format!("server `{server}`: {what}"))
    }

    fn request_id(&self) -> &RequestId {
        self.cleared.call.request.id()
    }
}

impl Drop for Relay {
    /// A call let go of before its end: a stateless client that goes away cancels (2026-07-28
    /// basic/patterns/cancellation).
    fn drop(&mut self) {
        if let Some(session) = &self.cleared.client.session {
            self.asked.forget(session);
        }
        if let Some(ticket) = self.ticket.take()
            && self.era() == Era::Modern
        {
            let _receipt = ticket.close(Outcome::Cancelled, 0, Some("the client went away".to_owned()));
        }
    }
}

/// What [`Relay::step`] found.
enum Step {
    Deliver(Delivery),
    Continue,
    Cancelled,
}

impl Outflow for Relay {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(self.advance())
    }
}

fn defect(what: &str) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").operator(what.to_owned())
}

/// A server asked for something in a request that cannot be interrupted for it.
fn cannot_ask(method: &str) -> Refusal {
    untranslatable(format!(
        "the server asks for input during `{method}`, which this client's version cannot answer"
    ))
}
