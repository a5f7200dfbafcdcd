//! Servers that are data: what they offer, what they answer, and a journal of all they were sent.

mod exchange;
mod journal;
mod link;
mod script;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Link, LinkProfile, Upstream, UpstreamError, wire::Era};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep},
};

pub(crate) use self::{
    journal::{Entry, Journal, What},
    script::{Brain, Event, Spec},
};
use self::{
    link::{FakeLink, LinkState},
    script::Scripted,
};

/// How long a closing server waits for callers to let go of its links, as a real one does.
const GRACE: Duration = Duration::from_secs(5);

/// A server that does what its [`Spec`] says and leaves everything else to whoever reads its inbox.
pub(crate) struct FakeServer {
    shared: Arc<Shared>,
    links: Mutex<Links>,
    inbox: tokio::sync::Mutex<mpsc::UnboundedReceiver<Entry>>,
}

/// What the server's links and exchanges share.
struct Shared {
    name: String,
    spec: Mutex<Spec>,
    brain: Mutex<Arc<dyn Brain>>,
    journal: Arc<Journal>,
    to_inbox: mpsc::UnboundedSender<Entry>,
    /// Requests that wait for an answer from outside, by id; the newest last.
    manual: Mutex<Vec<(Value, mpsc::UnboundedSender<Event>)>>,
}

#[derive(Default)]
struct Links {
    /// One for everybody when the server is stateless, under no profile.
    open: BTreeMap<String, Arc<FakeLink>>,
    made: usize,
    down: bool,
    /// How long connecting takes.
    slow: Duration,
    closed: bool,
}

impl FakeServer {
    pub(crate) fn new(name: &str, spec: Spec, journal: Arc<Journal>) -> Arc<Self> {
        let (to_inbox, inbox) = mpsc::unbounded_channel();
        let brain: Arc<dyn Brain> = Arc::new(Scripted::of(&spec));
        let shared = Shared {
            name: name.to_owned(),
            spec: Mutex::new(spec),
            brain: Mutex::new(brain),
            journal,
            to_inbox,
            manual: Mutex::default(),
        };
        Arc::new(Self {
            shared: Arc::new(shared),
            links: Mutex::default(),
            inbox: tokio::sync::Mutex::new(inbox),
        })
    }

    /// Answers by `brain` from now on.
    pub(crate) fn think(&self, brain: Arc<dyn Brain>) {
        *self.shared.brain.lock() = brain;
    }

    /// The same server started anew.
    pub(crate) fn successor(&self) -> Arc<Self> {
        let shared = &self.shared;
        let successor = Self::new(&shared.name, shared.spec.lock().clone(), shared.journal.clone());
        successor.think(shared.brain.lock().clone());
        successor
    }

    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    /// Changes what it offers.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Spec)) {
        change(&mut self.shared.spec.lock());
    }

    /// The next message that nothing answered by itself.
    pub(crate) async fn recv(&self) -> Entry {
        self.inbox.lock().await.recv().await.expect("the server lives as long as its sender")
    }

    /// The next message if there is one.
    pub(crate) fn try_recv(&self) -> Option<Entry> {
        self.inbox.try_lock().ok()?.try_recv().ok()
    }

    /// Sends a message on the exchange it belongs to: a response on that with its id, anything else on the
    /// newest.
    pub(crate) fn send(&self, event: Event, id: Option<&Value>) {
        let mut manual = self.shared.manual.lock();
        manual.retain(|(_, exchange)| !exchange.is_closed());
        let open = manual.iter().rev().find(|(own, _)| id.is_none_or(|id| id == own));
        let (_, exchange) =
            open.unwrap_or_else(|| panic!("`{}` has no open request {id:?}", self.shared.name));
        exchange.send(event).expect("checked above");
    }

    /// Says something that belongs to no request, on every link.
    pub(crate) fn announce(&self, message: &Value) {
        let open: Vec<_> = self.links.lock().open.values().cloned().collect();
        open.iter().for_each(|link| link.state.announce(message));
    }

    /// Ends every link as a crash would; the next caller connects anew.
    pub(crate) fn break_links(&self) {
        let open = std::mem::take(&mut self.links.lock().open);
        open.values().for_each(|link| link.state.end());
    }

    /// Whether connecting fails.
    pub(crate) fn set_down(&self, down: bool) {
        self.links.lock().down = down;
    }

    /// How long connecting takes from now on.
    pub(crate) fn set_slow(&self, slow: Duration) {
        self.links.lock().slow = slow;
    }

    /// Links that are open.
    pub(crate) fn open_links(&self) -> usize {
        self.links.lock().open.values().filter(|link| link.state.is_alive()).count()
    }

    /// Requests under way on all links there ever were.
    pub(crate) fn under_way(&self) -> usize {
        self.shared.journal.under_way.load(Ordering::SeqCst)
    }

    fn link(&self, profile: &LinkProfile) -> Result<Arc<dyn Link>, UpstreamError> {
        let mut links = self.links.lock();
        if links.closed {
            return Err(UpstreamError::Unreachable("the server is no longer in use".into()));
        }
        let (info, per_caller) = {
            let spec = self.shared.spec.lock();
            (spec.info(), spec.per_caller)
        };
        let key = match info.version.era() {
            Era::Modern if !per_caller => String::new(),
            _ => format!("{profile:?}"),
        };
        if let Some(link) = links.open.get(&key).filter(|link| link.state.is_alive()) {
            return Ok(link.clone());
        }
        if links.down {
            return Err(UpstreamError::Unreachable("nobody answers".into()));
        }
        links.made += 1;
        let link = Arc::new(FakeLink::new(self.shared.clone(), info, profile.clone(), links.made));
        self.shared.journal.write(&self.shared.name, &link.state, What::Connected, Value::Null, &[]);
        links.open.insert(key, link.clone());
        Ok(link)
    }
}

impl Shared {
    /// Hands a message to whoever reads the inbox.
    fn show(&self, entry: Entry) {
        let _nobody_reads = self.to_inbox.send(entry);
    }

    fn note(&self, link: &LinkState, what: What, body: &Bytes) -> Entry {
        let message = serde_json::from_slice(body).expect("the gateway sends JSON");
        self.journal.write(&self.name, link, what, message, &[])
    }
}

impl Upstream for FakeServer {
    fn connect<'a>(
        &'a self,
        profile: &'a LinkProfile,
    ) -> BoxFuture<'a, Result<Arc<dyn Link>, UpstreamError>> {
        Box::pin(async {
            // A real connection is never there at once.
            tokio::task::yield_now().await;
            let slow = self.links.lock().slow;
            if !slow.is_zero() {
                sleep(slow).await;
            }
            self.link(profile)
        })
    }

    fn end_session(&self, session: &str) {
        let mut links = self.links.lock();
        let own = |key: &String, link: &mut Arc<FakeLink>| {
            !key.is_empty() && link.state.profile.session.as_deref() == Some(session)
        };
        let ended = links.open.extract_if(.., own);
        ended.for_each(|(_, link)| link.state.end());
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let open = {
                let mut links = self.links.lock();
                links.closed = true;
                std::mem::take(&mut links.open)
            };
            let until = Instant::now() + GRACE;
            while open.values().any(|link| Arc::strong_count(link) > 1) && Instant::now() < until {
                sleep(Duration::from_millis(20)).await;
            }
            open.values().for_each(|link| link.state.end());
        })
    }

    fn is_per_caller(&self) -> bool {
        self.shared.spec.lock().per_caller
    }

    fn describe(&self) -> String {
        format!("fake server `{}`", self.shared.name)
    }
}
