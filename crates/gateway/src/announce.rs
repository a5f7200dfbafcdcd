//! List changes that the gateway itself announces: a definition was held back, or an operator decided.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{ListKind, PinKind, ServerName, wire::message};
use tokio::sync::broadcast;

use crate::{gateway::Gateway, snapshot::Server};

/// Announcements that may wait for a slow client; one that missed some asks for its lists anyway.
const BACKLOG: usize = 16;

/// Who listens to what the gateway announces about one server's lists.
#[derive(Debug)]
pub struct Announcements(broadcast::Sender<Bytes>);

impl Default for Announcements {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Announcements {
    pub(crate) fn listen(&self) -> broadcast::Receiver<Bytes> {
        self.0.subscribe()
    }
}

impl Gateway {
    /// An operator decided about definitions of these kinds: lists are fetched and compared again before they
    /// are next used, and clients are told.
    pub fn definitions_decided(self: &Arc<Self>, server: &ServerName, kinds: &[PinKind]) {
        let Some(server) = self.snapshot().servers.get(server).cloned() else { return };
        server.catalogues.invalidate_all();
        let of = |kind: &PinKind| match kind {
            PinKind::Tool => Some(ListKind::Tools),
            PinKind::Prompt => Some(ListKind::Prompts),
            PinKind::Resource => Some(ListKind::Resources),
            PinKind::Template => Some(ListKind::Templates),
            PinKind::Instructions | PinKind::ServerInfo => None,
        };
        self.announce(&server, &kinds.iter().filter_map(of).collect::<Vec<_>>());
    }

    /// Tells every client of a server that its lists are not what they were.
    pub(crate) fn announce(&self, server: &Server, kinds: &[ListKind]) {
        let mut methods: Vec<&str> = kinds.iter().map(|kind| method(*kind)).collect();
        methods.dedup();
        for method in methods {
            let message = message::notification(method, None);
            for session in self.sessions.of_server(&server.name) {
                session.push(message.clone());
            }
            // Nobody may be listening.
            let _ = server.announcements.0.send(message);
        }
    }
}

const fn method(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tools => "notifications/tools/list_changed",
        ListKind::Prompts => "notifications/prompts/list_changed",
        ListKind::Resources | ListKind::Templates => "notifications/resources/list_changed",
    }
}
