//! What leaves the spine towards the client.

use bytes::Bytes;
use portcullis_core::{BoxFuture, Refusal};
use std::sync::Arc;

/// One message on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A notification, or a request to a legacy client. More follows.
    Event(Bytes),
    /// The response. Nothing follows.
    Final(Answered),
}

/// A response and the HTTP status it travels under where the transport has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// The JSON-RPC response.
    pub body: Bytes,
}

/// A sequence of deliveries pulled by whoever writes to the client, so that a slow client slows its own
/// upstream and nothing else. Dropping it cancels what is under way.
pub trait Outflow: Send {
    /// The next message; none after a [`Delivery::Final`] or when the stream has ended without one.
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>>;
}

/// What a transport has to write for one inbound message.
pub enum Reply {
    /// One message and done.
    Message(Answered),
    /// A refusal that says what would be accepted.
    Challenged(Answered, Refusal),
    /// One message, and the client is to use this session id from now on.
    Opened(Answered, Arc<str>),
    /// Nothing to say: a notification or a response was accepted.
    Accepted,
    /// Messages as they come.
    Stream(Box<dyn Outflow>),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reply::Message(answered) => f.debug_tuple("Message").field(answered).finish(),
            Reply::Challenged(answered, refusal) => {
                f.debug_tuple("Challenged").field(answered).field(refusal).finish()
            }
            Reply::Opened(answered, session) => {
                f.debug_tuple("Opened").field(answered).field(session).finish()
            }
            Reply::Accepted => f.write_str("Accepted"),
            Reply::Stream(_) => f.write_str("Stream"),
        }
    }
}
