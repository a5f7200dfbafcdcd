//! A legacy server's question to a stateless client: the call is held, the client gets `input_required`
//! and comes back with the answer (2026-07-28 basic/patterns/mrtr).

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{
    Call, Caller, Exchange, Item, Link, Outcome, Refusal, RefusalKind, ServerName,
    wire::{Request, RequestId, json::Kind, message},
};

use super::{Relay, Step, ask, cannot_ask, defect};
use crate::{
    dispatch::len,
    outbound,
    outflow::{Answered, Delivery},
    resolve::Resolved,
    sessions::random_id,
    stops::Admission,
    translate::input,
};

/// A call held at its server until its client comes back.
pub(crate) struct Held {
    owner: Caller,
    server: ServerName,
    item: Item,
    arguments: Bytes,
    expires_ms: u64,
    link: Arc<dyn Link>,
    exchange: Box<dyn Exchange>,
    question: input::Question,
    servers_id: RequestId,
    rounds: u8,
    admission: Arc<Admission>,
}

impl Held {
    fn is_for(&self, resolved: &Resolved, now_ms: u64) -> bool {
        let Call { caller, target, request, .. } = &resolved.call;
        self.owner.on_behalf() == caller.on_behalf()
            && self.owner.tenant == caller.tenant
            && target.server.as_ref() == Some(&self.server)
            && target.item == self.item
            && arguments(request) == self.arguments
            && now_ms < self.expires_ms
    }
}

/// Every held call, by the state its client was given.
#[derive(Default)]
pub(crate) struct Parked {
    calls: Mutex<HashMap<Arc<str>, Held>>,
}

impl Parked {
    /// The held call a request comes back for, if it comes back for one. The state is proof of nothing: it
    /// must be presented by the same principal, actor and client with the same scopes for the same call, and works once (control ST-03).
    pub(crate) fn take(&self, resolved: &Resolved, now_ms: u64) -> Result<Option<Held>, Refusal> {
        if resolved.client.session.as_ref().is_some_and(|s| s.terms().is_some()) {
            return Ok(None);
        }
        let params = resolved.call.request.params();
        let Some(state) = params.and_then(|p| p.get("requestState")).and_then(|s| s.as_str()) else {
            return Ok(None);
        };
        let mut calls = self.calls.lock();
        let Some(held) = calls.get(state.as_ref()) else { return Ok(None) };
        if !held.is_for(resolved, now_ms) {
            return Err(gone());
        }
        Ok(calls.remove(state.as_ref()))
    }

    /// Whether a request comes back for the call that is held under this state.
    pub(crate) fn holds(&self, state: &str, resolved: &Resolved, now_ms: u64) -> bool {
        self.calls.lock().get(state).is_some_and(|held| held.is_for(resolved, now_ms))
    }

    fn hold(&self, held: Held, limit: usize) -> Result<Arc<str>, Refusal> {
        let state = random_id()?;
        let mut calls = self.calls.lock();
        if calls.len() >= limit {
            return Err(Refusal::new(RefusalKind::TooMany, "too many calls are waiting for input"));
        }
        calls.insert(state.clone(), held);
        Ok(state)
    }

    /// Lets go of calls whose client did not come back; dropping them cancels them at their servers.
    pub(crate) fn sweep(&self, now_ms: u64) -> usize {
        let mut calls = self.calls.lock();
        let before = calls.len();
        calls.retain(|_, held| now_ms < held.expires_ms);
        before.saturating_sub(calls.len())
    }

    /// Lets go of calls that were stopped.
    pub(crate) fn let_go_of_stopped(&self) {
        self.calls.lock().retain(|_, held| !held.admission.halt().has_fired());
    }

    /// Lets go of the calls of those owners.
    pub(crate) fn release(&self, owner: impl Fn(&Caller) -> bool) {
        self.calls.lock().retain(|_, held| !owner(&held.owner));
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.lock().len()
    }
}

fn arguments(request: &Request) -> Bytes {
    request.params().and_then(|p| p.get("arguments")).map_or_else(Bytes::new, |a| a.to_bytes())
}

/// One answer for unknown, expired and somebody else's.
pub(crate) fn gone() -> Refusal {
    Refusal::new(
        RefusalKind::InvalidParams,
        "`params.requestState` does not belong to this call or has expired",
    )
    .by(portcullis_core::ControlId::St03)
}

impl Relay {
    pub(super) async fn park(&mut self, request: &Request) -> Result<Step, Refusal> {
        if !ask::may_ask_during(self.method) {
            self.decline(request.id(), "this client cannot be asked during this request").await?;
            return Ok(Step::Continue);
        }
        self.rounds = self.rounds.saturating_add(1);
        let settings = &self.snapshot.settings;
        if self.rounds > settings.input_rounds {
            return Err(cannot_ask("a call that has asked too often"));
        }
        let (Some(link), Some(exchange)) = (self.link.take(), self.exchange.take()) else {
            return Err(defect("a call to hold without an exchange"));
        };
        let question = input::Question {
            key: format!("input-{}", self.rounds),
            method: request.method().to_owned(),
            params: crate::resolve::params_bytes(request),
        };
        let call = &self.cleared.call;
        let held = Held {
            owner: call.caller.clone(),
            server: self.server.name.clone(),
            item: call.target.item.clone(),
            arguments: arguments(&call.request),
            expires_ms: self.gateway.clock.now_ms().saturating_add(settings.input_wait_ms),
            link,
            exchange,
            question: question.clone(),
            servers_id: request.id().clone(),
            rounds: self.rounds,
            admission: self.cleared.admission.clone(),
        };
        let state = self.gateway.parked.hold(held, settings.parked_calls)?;
        let body = message::response_result(self.request_id(), &input::input_required(&question, &state));
        self.end(Outcome::InputRequired, len(&body)).await?;
        Ok(Step::Deliver(Delivery::Final(Answered { status: 200, body })))
    }

    /// Hands the client's answer to the server and goes on where the call was held.
    pub(super) async fn resume(&mut self, held: Held) -> Result<(), Refusal> {
        let request = &self.cleared.call.request;
        let answer = request
            .params()
            .and_then(|p| p.get("inputResponses"))
            .and_then(|r| r.get(&held.question.key))
            .filter(|a| a.kind() == Kind::Object)
            .map(|a| a.to_bytes())
            .ok_or_else(|| {
                let key = &held.question.key;
                Refusal::new(
                    RefusalKind::InvalidParams,
                    format!("`params.inputResponses.{key}` must be an object"),
                )
            })?;
        let reply = message::response_result(&held.servers_id, &answer);
        let sent = held.exchange.replier().reply(reply).await;
        sent.map_err(|e| outbound::refusal(&self.server.name, &e))?;
        self.link = Some(held.link);
        self.exchange = Some(held.exchange);
        self.rounds = held.rounds;
        Ok(())
    }
}
