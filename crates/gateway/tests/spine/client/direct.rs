//! No transport at all: messages go to `Gateway::serve` as a transport would hand them over.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use portcullis_core::{Channel, Clock};
use portcullis_gateway::{Delivery, Gateway, Inbound, Reply, Session};
use portcullis_identity::Authenticated;

use super::{Card, Post, id_of};
use crate::house::House;

pub(super) struct Direct {
    gateway: Arc<Gateway>,
    clock: Arc<dyn Clock>,
    caller: Authenticated,
    card: Card,
    opened: Arc<Mutex<Option<Arc<str>>>>,
    session: Option<Arc<Session>>,
    pub(super) post: Post,
}

impl Direct {
    pub(super) fn new(house: &House, caller: Authenticated, card: &Card, post: Post) -> Self {
        let (gateway, clock, opened) = (house.gateway.clone(), house.clock.clone(), Arc::default());
        Self { gateway, clock, caller, card: card.clone(), opened, session: None, post }
    }

    /// Uses the session that `initialize` opened.
    pub(super) fn join(&mut self) {
        let id = self.session_id().expect("`initialize` opened a session");
        let endpoint = self.card.endpoint.as_ref();
        self.session = Some(self.gateway.sessions.find(&id, &self.caller, endpoint).unwrap());
    }

    pub(super) fn session_id(&self) -> Option<String> {
        self.opened.lock().unwrap().as_deref().map(str::to_owned)
    }

    pub(super) fn send(&self, body: Bytes) {
        self.session.iter().for_each(|session| session.touch(self.clock.now_ms()));
        let inbound = Inbound {
            caller: self.caller.clone(),
            channel: Channel::Http,
            peer: None,
            endpoint: self.card.endpoint.clone(),
            headers: None,
            session: self.session.clone(),
            body: body.clone(),
        };
        let (gateway, opened, post) = (self.gateway.clone(), self.opened.clone(), self.post.clone());
        self.post.run(&id_of(&body), async move {
            match gateway.serve(inbound).await {
                Reply::Accepted => {}
                Reply::Message(answered) | Reply::Challenged(answered, _) => {
                    post.deliver(Some(answered.status), &answered.body)
                }
                Reply::Opened(answered, id) => {
                    *opened.lock().unwrap() = Some(id);
                    post.deliver(Some(answered.status), &answered.body);
                }
                Reply::Stream(mut flow) => {
                    while let Some(delivery) = flow.next().await {
                        match delivery {
                            Delivery::Event(body) => post.deliver(None, &body),
                            Delivery::Final(answered) => post.deliver(None, &answered.body),
                        }
                    }
                }
            }
        });
    }

    pub(super) fn end(&mut self) {
        if let Some(session) = self.session.take() {
            self.gateway.close_session(&session.id);
        }
    }
}
