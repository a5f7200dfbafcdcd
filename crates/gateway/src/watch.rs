//! Keeps a server's catalogue honest: one subscription per server to its list changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_core::{
    Link, Replier, UpstreamEvent,
    wire::{Document, Era, Message, code, message},
};

use crate::{
    feed::subscription_filter,
    gateway::Gateway,
    listen,
    offered::own_profile,
    outbound::{self, GENEROUS, Timing},
    snapshot::Server,
};

/// Milliseconds before a server that did not accept the subscription is asked again.
const RETRY_MS: u64 = 60_000;
/// A subscription has no natural end.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The state of one server's watch.
#[derive(Debug, Default)]
pub struct Watch {
    /// Address of the link watched, to tell links apart without keeping them alive.
    link: AtomicUsize,
    since_ms: AtomicU64,
    task: Mutex<Option<tokio::task::AbortHandle>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
    }
}

/// Makes sure that somebody listens to the server's list changes. Costs one comparison when so.
pub(crate) fn ensure(gateway: &Arc<Gateway>, server: &Arc<Server>, link: &Arc<dyn Link>, in_session: bool) {
    let address = Arc::as_ptr(link).cast::<()>() as usize;
    let now_ms = gateway.clock.now_ms();
    let watch = &server.watch;
    let recent = now_ms.saturating_sub(watch.since_ms.load(Ordering::Relaxed)) < RETRY_MS;
    if watch.link.load(Ordering::Acquire) == address && recent {
        return;
    }
    let mut task = watch.task.lock();
    let running = task.as_ref().is_some_and(|t| !t.is_finished());
    let same = watch.link.swap(address, Ordering::AcqRel) == address;
    watch.since_ms.store(now_ms, Ordering::Relaxed);
    if same && running {
        return;
    }
    if let Some(old) = task.take() {
        old.abort();
    }
    let (server, link) = (Arc::downgrade(server), link.clone());
    let handle = match link.info().version.era() {
        Era::Legacy => tokio::spawn(unsolicited(server, link, in_session)),
        Era::Modern => tokio::spawn(subscribed(server, link)),
    };
    *task = Some(handle.abort_handle());
}

/// The same for a server that is shown a credential of its caller's: what concerns all is listened for in the gateway's
/// own name, not in that of whoever came first. Where the gateway is given no credential, lists are asked for again
/// when their time is over.
pub(crate) fn ensure_own(gateway: &Arc<Gateway>, server: &Arc<Server>) {
    let now_ms = gateway.clock.now_ms();
    let since_ms = &server.watch.since_ms;
    let last = since_ms.load(Ordering::Relaxed);
    let due = last == 0 || now_ms.saturating_sub(last) >= RETRY_MS;
    if !due || since_ms.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        return;
    }
    let (gateway, server) = (Arc::clone(gateway), Arc::clone(server));
    tokio::spawn(async move {
        if let Ok(link) = server.upstream.connect(&own_profile()).await {
            ensure(&gateway, &server, &link, false);
        }
    });
}

async fn unsolicited(server: std::sync::Weak<Server>, link: Arc<dyn Link>, in_session: bool) {
    let mut messages = link.unsolicited();
    let replier = link.replier();
    drop(link);
    loop {
        match messages.recv().await {
            Ok(body) => {
                if !in_session {
                    decline(&body, replier.as_ref()).await;
                }
                changed(&server, body);
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                let Some(server) = server.upgrade() else { return };
                server.catalogues.invalidate_all();
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => {
                // Whatever is started in its place may offer something else.
                if let Some(server) = server.upgrade() {
                    server.catalogues.invalidate_all();
                }
                return;
            }
        }
    }
}

/// A question that belongs to no call and no session has nobody to go to, and must not wait for ever.
async fn decline(body: &bytes::Bytes, replier: &dyn Replier) {
    if let Ok(Message::Request(request)) = outbound::decode(body.clone(), &GENEROUS) {
        let why = "no client can be asked outside a call";
        let answer = message::response_error(Some(request.id()), code::METHOD_NOT_FOUND, why, None);
        // A server that is gone needs no answer.
        let _ = replier.reply(answer).await;
    }
}

async fn subscribed(server: std::sync::Weak<Server>, link: Arc<dyn Link>) {
    let wanted = announced(link.as_ref());
    if wanted.is_empty() {
        return;
    }
    let filter = subscription_filter(&wanted, &[], &[]);
    let params = [b"{\"notifications\":".as_slice(), &filter, b"}"].concat();
    let timing = Timing { idle: FOREVER, total: FOREVER };
    let Ok(outbound) = outbound::own(link.as_ref(), "subscriptions/listen", &params, timing) else { return };
    let Ok(mut exchange) = link.request(outbound).await else { return };
    // A link that nobody holds is closed at once when its server is.
    drop(link);
    while let Ok(UpstreamEvent::Notification(body)) = exchange.next().await {
        changed(&server, body);
    }
    // Changes may have gone unseen from here on.
    if let Some(server) = server.upgrade() {
        server.catalogues.invalidate_all();
    }
}

/// The lists a server declares, as `subscriptions/listen` names their changes. Whether or not it announces any,
/// the gateway does when it holds something back.
pub(crate) fn listed(link: &dyn Link) -> Vec<&'static str> {
    let Ok(capabilities) = Document::parse(link.info().capabilities.clone(), &GENEROUS) else {
        return Vec::new();
    };
    let declared = |name: &str| capabilities.root().get(name).is_some();
    listen::LISTS.iter().filter(|(_, capability)| declared(capability)).map(|(filter, _)| *filter).collect()
}

/// The list changes a server declares it announces, as `subscriptions/listen` names them.
pub(crate) fn announced(link: &dyn Link) -> Vec<&'static str> {
    let Ok(capabilities) = Document::parse(link.info().capabilities.clone(), &GENEROUS) else {
        return Vec::new();
    };
    let declared = |name: &str| {
        capabilities.root().path(&[name, "listChanged"]).and_then(|c| c.as_bool()).unwrap_or(false)
    };
    listen::LISTS.iter().filter(|(_, capability)| declared(capability)).map(|(filter, _)| *filter).collect()
}

fn changed(server: &std::sync::Weak<Server>, body: bytes::Bytes) {
    let (Some(server), Ok(Message::Notification(notification))) =
        (server.upgrade(), outbound::decode(body, &GENEROUS))
    else {
        return;
    };
    server.catalogues.invalidate(notification.method());
}
