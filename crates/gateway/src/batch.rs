//! JSON-RPC batches, which 2024-11-05 allows and 2025-03-26 requires servers to accept; later versions
//! removed them.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{
    Refusal, RefusalKind,
    wire::{Decoded, Message, Method, decode},
};

use crate::{
    gateway::Gateway,
    inbound::Inbound,
    outflow::{Delivery, Reply},
    reply::{self, Reader},
    session::Session,
    trail::Sender,
};

/// Messages in one batch.
const MAX_MESSAGES: usize = 100;

/// Whether a message is a batch of a session whose version has them.
pub(crate) fn is_batch(session: Option<&Arc<Session>>, body: &Bytes) -> bool {
    let allowed = session.and_then(|s| s.terms()).is_some_and(|terms| terms.version.allows_batch());
    allowed && body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[')
}

impl Gateway {
    /// Serves a batch: each message passes the spine on its own, the responses travel together. None when
    /// nothing in it wants a response.
    pub(crate) async fn serve_batch(self: &Arc<Self>, inbound: Inbound) -> Result<Option<Bytes>, Refusal> {
        let limits = self.snapshot().inspector.limits().request;
        let decoded = decode(inbound.body.clone(), &limits).map_err(|e| crate::serve::unreadable(&e))?;
        let Decoded::Batch(messages) = decoded else {
            return Err(Refusal::new(RefusalKind::InvalidRequest, "an array that is not a batch"));
        };
        if messages.len() > MAX_MESSAGES {
            let most = format!("a batch may have at most {MAX_MESSAGES} messages");
            return Err(Refusal::new(RefusalKind::TooLarge, most));
        }
        let initialises =
            |m: &Message| matches!(m, Message::Request(r) if r.method_kind() == Method::Initialize);
        if messages.iter().any(initialises) {
            return Err(Refusal::new(
                RefusalKind::InvalidRequest,
                "`initialize` must not be part of a batch",
            ));
        }
        let replies = messages.into_iter().map(|message| self.one_of(&inbound, message.bytes().clone()));
        let responses: Vec<Bytes> =
            futures_util::future::join_all(replies).await.into_iter().flatten().collect();
        if responses.is_empty() {
            return Ok(None);
        }
        let mut body = vec![b'['];
        body.extend_from_slice(&responses.join(&b','));
        body.push(b']');
        Ok(Some(body.into()))
    }

    /// As [`serve_batch`](Self::serve_batch), for transports on which a refusal is one more message.
    pub(crate) async fn answer_batch(self: &Arc<Self>, inbound: Inbound) -> Option<Bytes> {
        let (channel, peer, caller) = (inbound.channel, inbound.peer, inbound.caller.clone());
        self.serve_batch(inbound).await.unwrap_or_else(|refusal| {
            let sender = Sender { channel, peer, caller: Some(&caller) };
            let refusal = self.refuse_unread(sender, refusal);
            let reader = Reader { version: None, in_session: true, id: None };
            Some(reply::refusal(&refusal, reader).body)
        })
    }

    async fn one_of(self: &Arc<Self>, whole: &Inbound, body: Bytes) -> Option<Bytes> {
        let reply = self.serve(Inbound { body, ..whole.clone() }).await;
        match reply {
            Reply::Accepted => None,
            Reply::Message(answered) | Reply::Challenged(answered, _) | Reply::Opened(answered, _) => {
                Some(answered.body)
            }
            Reply::Stream(mut flow) => {
                let push = |event: Bytes| whole.session.iter().for_each(|s| s.push(event.clone()));
                while let Some(delivery) = flow.next().await {
                    match delivery {
                        Delivery::Event(event) => push(event),
                        Delivery::Final(answered) => return Some(answered.body),
                    }
                }
                None
            }
        }
    }
}
