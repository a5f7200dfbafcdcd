//! What a transport hands to the spine.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use portcullis_core::{Channel, ServerName};
use portcullis_identity::Authenticated;

use crate::session::Session;

/// One message from a client, after the checks that need only its head.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Who, proven from the head alone and before the body was read.
    pub caller: Authenticated,
    /// Through which door.
    pub channel: Channel,
    /// From which address.
    pub peer: Option<IpAddr>,
    /// The endpoint asked: a server, or none for the aggregate.
    pub endpoint: Option<ServerName>,
    /// HTTP headers; none on stdio.
    pub headers: Option<HeaderMap>,
    /// The session the message belongs to, already checked to be the caller's.
    pub session: Option<Arc<Session>>,
    /// The message.
    pub body: Bytes,
}
