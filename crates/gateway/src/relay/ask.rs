//! Questions of a server to a legacy client, in the middle of a call.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use portcullis_core::{
    Consent, Refusal, RefusalKind, Surface,
    wire::{Era, Message, Method, RequestId, Response, message},
};
use tokio::sync::oneshot;

use super::{Relay, Step, cannot_ask, defect};
use crate::{
    forward,
    outflow::Delivery,
    session::Session,
    translate::{input, untranslatable},
};

/// Questions of an `input_required` result that a legacy client has been, or will be, asked.
#[derive(Default)]
pub(super) struct Asked {
    waiting: VecDeque<(input::Question, RequestId, oneshot::Receiver<Response>)>,
    answers: Vec<(String, Bytes)>,
    state: Option<Bytes>,
    open: bool,
}

impl Asked {
    pub(super) fn is_empty(&self) -> bool {
        !self.open
    }

    /// Nobody waits for the answers any more.
    pub(super) fn forget(&mut self, session: &Session) {
        self.waiting.drain(..).for_each(|(_, id, _)| session.forget_response(&id));
    }
}

impl Relay {
    /// A legacy server's own request: passed to a legacy client, parked for a stateless one.
    pub(super) async fn server_request(&mut self, body: Bytes) -> Result<Step, Refusal> {
        let message = self.inspected(body, Surface::ServerRequest, Consent::Absent)?;
        let Message::Request(request) = message else { return Err(self.invalid("a request that is none")) };
        if !input::ASKABLE.contains(&request.method()) {
            self.decline(request.id(), "this request is not served").await?;
            return Ok(Step::Continue);
        }
        match self.era() {
            Era::Modern => self.park(&request).await,
            Era::Legacy => {
                let session = self.session()?;
                let (id, answer) = session.expect_response();
                self.carry_back(session, request.id().clone(), id.clone(), answer)?;
                Ok(Step::Deliver(Delivery::Event(message::with_id(request.document(), &id))))
            }
        }
    }

    /// Waits beside the relay for the client's response and hands it to the server, so that progress keeps
    /// flowing meanwhile.
    fn carry_back(
        &self,
        session: Arc<Session>,
        servers_id: RequestId,
        our_id: RequestId,
        answer: oneshot::Receiver<Response>,
    ) -> Result<(), Refusal> {
        let exchange =
            self.exchange.as_ref().ok_or_else(|| defect("a server request without an exchange"))?;
        let replier = exchange.replier();
        let wait = Duration::from_millis(self.snapshot.settings.input_wait_ms);
        let ended = session.closed().clone();
        tokio::spawn(async move {
            let response = tokio::select! {
                biased;
                () = ended.cancelled() => None,
                answer = tokio::time::timeout(wait, answer) => answer.ok().and_then(Result::ok),
            };
            session.forget_response(&our_id);
            let body = match response {
                Some(response) => message::with_id(response.document(), &servers_id),
                None => message::response_error(Some(&servers_id), -32603, "the client did not answer", None),
            };
            // A server that is gone by now needs no answer; its call ends through the exchange.
            let _ = replier.reply(body).await;
        });
        Ok(())
    }

    pub(super) async fn decline(&mut self, servers_id: &RequestId, why: &str) -> Result<(), Refusal> {
        let exchange =
            self.exchange.as_ref().ok_or_else(|| defect("a server request without an exchange"))?;
        let body = message::response_error(
            Some(servers_id),
            portcullis_core::wire::code::METHOD_NOT_FOUND,
            why,
            None,
        );
        let sent = exchange.replier().reply(body).await;
        sent.map_err(|e| crate::outbound::refusal(&self.server.name, &e))
    }

    /// Turns an `input_required` result into requests to the client.
    pub(super) fn ask_all(&mut self, response: &Response) -> Result<Step, Refusal> {
        let result = response.result().ok_or_else(|| defect("input required without a result"))?;
        if !self.method.may_require_input() {
            return Err(cannot_ask(self.cleared.call.request.method()));
        }
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > self.snapshot.settings.input_rounds {
            return Err(untranslatable("the server keeps asking for input; the call was given up"));
        }
        let session = self.session()?;
        let version = self.cleared.call.version;
        let mut asked =
            Asked { open: true, state: result.get("requestState").map(|s| s.to_bytes()), ..Asked::default() };
        for question in input::questions(result)? {
            let (id, answer) = session.expect_response();
            self.ready.push_back(question.as_request(&id, version));
            asked.waiting.push_back((question, id, answer));
        }
        self.asked = asked;
        Ok(Step::Continue)
    }

    /// Waits for the client's answers, then sends the call again with them.
    pub(super) async fn collect(&mut self) -> Result<Step, Refusal> {
        while let Some((question, id, answer)) = self.asked.waiting.front_mut() {
            let wait = Duration::from_millis(self.snapshot.settings.input_wait_ms);
            let answered = async {
                match &self.inflight {
                    None => tokio::time::timeout(wait, answer).await.ok().map(Result::ok),
                    Some(inflight) => tokio::select! {
                        biased;
                        () = inflight.cancelled().cancelled() => None,
                        answer = tokio::time::timeout(wait, answer) => Some(answer.ok().and_then(Result::ok)),
                    },
                }
            };
            let Some(response) = answered.await else { return Ok(Step::Cancelled) };
            if let Some(session) = &self.cleared.client.session {
                session.forget_response(id);
            }
            let response = response.ok_or_else(|| {
                Refusal::new(
                    RefusalKind::Timeout,
                    format!("the client did not answer `{}` in time", question.method),
                )
            })?;
            let value = question.answered(&response)?;
            self.asked.answers.push((question.key.clone(), value));
            self.asked.waiting.pop_front();
        }
        let asked = std::mem::take(&mut self.asked);
        let sent =
            forward::send_again(&self.gateway, &self.cleared, &self.server, &asked.answers, asked.state)
                .await?;
        self.link = Some(sent.link);
        self.exchange = Some(sent.exchange);
        Ok(Step::Continue)
    }

    fn session(&self) -> Result<Arc<Session>, Refusal> {
        self.cleared.client.session.clone().ok_or_else(|| cannot_ask(self.cleared.call.request.method()))
    }
}

/// Methods whose calls may be interrupted for input in the modern era.
pub(super) fn may_ask_during(method: Method) -> bool {
    method.may_require_input()
}
