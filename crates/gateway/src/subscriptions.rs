//! Resource subscriptions at legacy servers for stateless clients, who share links: a server hears of the
//! first who listens and of the last who leaves.

use std::{collections::HashMap, sync::Arc};

use portcullis_core::{
    Link, UpstreamEvent,
    wire::{Message, Response},
};
use tokio::sync::Mutex;

use crate::{
    outbound::{self, GENEROUS},
    snapshot::Server,
    translate::answer::quoted,
};

/// How many listen to each resource of a server, by the address of the link and the URI. Locked while the
/// server is asked, so that whoever comes second waits for what the first is told.
#[derive(Debug, Default)]
pub struct Subscriptions(Mutex<HashMap<(usize, String), usize>>);

/// One client's subscriptions over one link, which it keeps; given back when dropped.
pub(crate) struct Subscribed {
    link: Arc<dyn Link>,
    server: Arc<Server>,
    uris: Vec<String>,
}

impl Subscribed {
    /// None yet.
    pub(crate) fn new(link: Arc<dyn Link>, server: Arc<Server>) -> Self {
        Self { link, server, uris: Vec::new() }
    }

    /// Subscribes to one more resource; false when the server refuses.
    pub(crate) async fn add(&mut self, uri: String) -> bool {
        let key = (address(&self.link), uri.clone());
        let mut counts = self.server.subscriptions.0.lock().await;
        let first = !counts.contains_key(&key);
        if first && !ask(&self.link, &self.server, "resources/subscribe", &uri).await {
            return false;
        }
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
        self.uris.push(uri);
        true
    }

    /// The URIs.
    pub(crate) fn uris(&self) -> &[String] {
        &self.uris
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        let uris = std::mem::take(&mut self.uris);
        let (link, server) = (self.link.clone(), self.server.clone());
        // Without a runtime there is nobody left to tell.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !uris.is_empty() {
            runtime.spawn(give_back(link, server, uris));
        }
    }
}

async fn give_back(link: Arc<dyn Link>, server: Arc<Server>, uris: Vec<String>) {
    let mut counts = server.subscriptions.0.lock().await;
    for uri in uris {
        let key = (address(&link), uri);
        let left = counts.get(&key).map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            counts.insert(key, left);
            continue;
        }
        counts.remove(&key);
        if link.is_alive() {
            ask(&link, &server, "resources/unsubscribe", &key.1).await;
        }
    }
}

fn address(link: &Arc<dyn Link>) -> usize {
    Arc::as_ptr(link).cast::<()>() as usize
}

/// Whether the server did as it was asked.
async fn ask(link: &Arc<dyn Link>, server: &Server, method: &'static str, uri: &str) -> bool {
    let params = [b"{\"uri\":".as_slice(), &quoted(uri), b"}"].concat();
    let Ok(outbound) = outbound::own(link.as_ref(), method, &params, server.timing) else { return false };
    let Ok(mut exchange) = link.request(outbound).await else { return false };
    loop {
        match exchange.next().await {
            Ok(UpstreamEvent::Response(body)) => return response(body).is_some_and(|r| r.error().is_none()),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn response(body: bytes::Bytes) -> Option<Response> {
    match outbound::decode(body, &GENEROUS) {
        Ok(Message::Response(response)) => Some(response),
        _ => None,
    }
}
