//! One request under way at a fake server.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use portcullis_core::{BoxFuture, Exchange, Outbound, Replier, UpstreamError, UpstreamEvent};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, Instant, sleep_until, timeout_at},
};

use super::{
    journal::What,
    link::{FakeReplier, LinkState},
    script::{Answer, Event},
};

pub(super) struct FakeExchange {
    link: Arc<LinkState>,
    id: Value,
    /// What it will say by itself.
    plan: VecDeque<Event>,
    /// What it is told to say; keeps the exchange open when the plan is through.
    told: mpsc::UnboundedReceiver<Event>,
    open_ended: bool,
    /// When the pause that is under way ends.
    paused: Option<Instant>,
    /// The question that is open.
    asked: Option<(Value, oneshot::Receiver<Value>)>,
    shown: bool,
    finished: bool,
    idle: Duration,
    deadline: Instant,
}

impl FakeExchange {
    pub(super) fn open(link: &Arc<LinkState>, outbound: &Outbound) -> Self {
        let shared = &link.shared;
        let message: Value = serde_json::from_slice(&outbound.body).expect("the gateway sends JSON");
        assert_eq!(message["method"], *outbound.method, "the method is that of the body");
        let entry =
            shared.journal.write(&shared.name, link, What::Request, message.clone(), &outbound.headers);
        shared.journal.under_way.fetch_add(1, Ordering::SeqCst);
        let (way, told) = mpsc::unbounded_channel();
        let answer = shared.spec.lock().answer(&message);
        let (plan, open_ended, shown) = match answer {
            Some(Answer::Subscription) => (vec![link.subscribe(&message, way)], true, false),
            Some(Answer::Events(events)) => (events, false, false),
            None => match shared.brain.lock().answer(&shared.name, &message) {
                Some(events) => (events, false, false),
                None => {
                    shared.manual.lock().push((message["id"].clone(), way));
                    shared.show(entry);
                    (Vec::new(), true, true)
                }
            },
        };
        Self {
            link: link.clone(),
            id: message["id"].clone(),
            plan: plan.into(),
            told,
            open_ended,
            paused: None,
            asked: None,
            shown,
            finished: false,
            idle: outbound.idle_timeout,
            deadline: Instant::now() + outbound.total_timeout,
        }
    }

    async fn next(&mut self) -> Result<UpstreamEvent, UpstreamError> {
        if self.finished {
            return Err(UpstreamError::Broken("the exchange has ended".into()));
        }
        let patience = self.deadline.min(Instant::now() + self.idle);
        let ended = self.link.ended.clone();
        let event = tokio::select! {
            biased;
            () = ended.cancelled() => Err(UpstreamError::Broken("the link has ended".into())),
            event = timeout_at(patience, self.event()) => match event {
                Ok(event) => event,
                // The dropped exchange says so to the server.
                Err(_) => return Err(UpstreamError::Timeout(self.idle)),
            },
        };
        self.finished = matches!(event, Err(_) | Ok(UpstreamEvent::Response(_)));
        event
    }

    /// The next thing that is said. Losing this future loses nothing.
    async fn event(&mut self) -> Result<UpstreamEvent, UpstreamError> {
        loop {
            if let Some(until) = self.paused {
                sleep_until(until).await;
                self.paused = None;
            }
            if let Some((question, answer)) = &mut self.asked {
                if let Ok(answer) = answer.await {
                    self.link.shared.journal.answered(question.clone(), answer);
                }
                self.asked = None;
            }
            let event = match self.plan.pop_front() {
                Some(event) => event,
                None if self.open_ended => match self.told.recv().await {
                    Some(event) => event,
                    None => std::future::pending().await,
                },
                None => std::future::pending().await,
            };
            match event {
                Event::Pause(ms) => self.paused = Some(Instant::now() + Duration::from_millis(ms)),
                Event::Hang => std::future::pending().await,
                Event::Break => {
                    self.link.end();
                    return Err(UpstreamError::Broken("the server died".into()));
                }
                Event::Ask(mut question) => {
                    let (id, answer) = self.link.ask();
                    question["id"] = id;
                    self.asked = Some((question.clone(), answer));
                    return Ok(UpstreamEvent::ServerRequest(framed(question)));
                }
                Event::Request(question) => return Ok(UpstreamEvent::ServerRequest(framed(question))),
                Event::Note(note) => return Ok(UpstreamEvent::Notification(framed(note))),
                Event::Result(result) => return Ok(self.response("result", result)),
                Event::Error(error) => return Ok(self.response("error", error)),
                Event::Raw(text) => return Ok(UpstreamEvent::Response(text.into())),
            }
        }
    }

    fn response(&self, member: &str, value: Value) -> UpstreamEvent {
        let mut message = json!({"id": self.id});
        message[member] = value;
        UpstreamEvent::Response(framed(message))
    }
}

fn framed(mut message: Value) -> Bytes {
    message["jsonrpc"] = json!("2.0");
    message.to_string().into()
}

impl Exchange for FakeExchange {
    fn next(&mut self) -> BoxFuture<'_, Result<UpstreamEvent, UpstreamError>> {
        Box::pin(self.next())
    }

    fn replier(&self) -> Arc<dyn Replier> {
        Arc::new(FakeReplier(self.link.clone()))
    }
}

impl Drop for FakeExchange {
    fn drop(&mut self) {
        let shared = &self.link.shared;
        shared.journal.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.finished || !self.link.is_alive() {
            return;
        }
        let message = json!({"method": "notifications/cancelled", "params": {"requestId": self.id}});
        let entry = shared.journal.write(&shared.name, &self.link, What::Cancelled, message, &[]);
        if self.shown {
            shared.show(entry);
        }
    }
}
