//! Everything a decision depends on, as one immutable value.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_core::{Approvals, ControlRun, Digest, Pins, ServerName, Upstream, wire::Version};
use portcullis_identity::{Authenticator, ConsentPages};
use portcullis_inspect::Inspector;
use portcullis_policy::Authoriser;

use crate::{
    announce::Announcements,
    catalogue::{Catalogues, FetchLimits},
    flow::Declared,
    outbound::Timing,
    sessions::SessionLimits,
    subscriptions::Subscriptions,
    views::View,
    watch::Watch,
};

/// A server as requests see it. Survives reloads that do not change its configuration.
pub struct Server {
    /// Its configured name.
    pub name: ServerName,
    /// The way to it.
    pub upstream: Arc<dyn Upstream>,
    /// What it offers, to each caller.
    pub catalogues: Catalogues,
    /// How long it may take.
    pub timing: Timing,
    /// Who listens to its list changes.
    pub watch: Watch,
    /// Who listens to its resources, where it keeps sessions and its clients do not.
    pub subscriptions: Subscriptions,
    /// Who listens to what the gateway announces about its lists.
    pub announcements: Announcements,
    /// What its operator declares about what its tools do with data.
    pub declared: Declared,
    /// Narrow tools in place of some of its own.
    pub views: Vec<Arc<View>>,
    /// Whether and how it is contained (control ISO-01), for the records of what it is asked.
    pub isolation: Option<ControlRun>,
    /// Whether and as what it was admitted (control SC-01), for the same records.
    pub admission: Option<ControlRun>,
    /// Digest of the plan of its sandbox, for the same records.
    pub sandbox: Option<Digest>,
    /// Everything its behaviour depends on, so that a reload can tell whether it is still the same.
    pub fingerprint: String,
}

impl Server {
    /// A server nobody has asked anything yet.
    pub fn new(name: ServerName, upstream: Arc<dyn Upstream>, timing: Timing, fingerprint: String) -> Self {
        Self {
            name,
            upstream,
            catalogues: Catalogues::default(),
            timing,
            watch: Watch::default(),
            subscriptions: Subscriptions::default(),
            announcements: Announcements::default(),
            declared: Declared::default(),
            views: Vec::new(),
            isolation: None,
            admission: None,
            sandbox: None,
            fingerprint,
        }
    }
}

/// Settings of the spine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Oldest version served (control NET-04).
    pub floor: Version,
    /// Bounds on lists.
    pub lists: FetchLimits,
    /// Bounds on sessions.
    pub sessions: SessionLimits,
    /// Items per page of a list shown to a client.
    pub page_items: usize,
    /// How long a conversation keeps its labels after it last got one, in milliseconds.
    pub label_ms: u64,
    /// Longest time a call may wait for input from its client, in milliseconds.
    pub input_wait_ms: u64,
    /// How often one call may come back for input.
    pub input_rounds: u8,
    /// Calls waiting for input at the same time.
    pub parked_calls: usize,
    /// Keys of baggage that may travel on to servers (control LOG-03).
    pub baggage: Arc<[Arc<str>]>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            floor: Version::V2024_11_05,
            lists: FetchLimits::default(),
            sessions: SessionLimits::default(),
            page_items: 1_000,
            label_ms: 24 * 3600 * 1000,
            input_wait_ms: 5 * 60 * 1000,
            input_rounds: 16,
            parked_calls: 1_000,
            baggage: Arc::from([]),
        }
    }
}

/// The statement of what is covered, what is excluded, and what happens where nothing can be decided. It is on record
/// once, and decisions name its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Digest of the text.
    pub digest: Digest,
    /// The text, in JSON.
    pub text: Arc<str>,
}

/// One configuration in force. A reload makes a new one and swaps it in; requests under way finish on the
/// one they started with.
pub struct Snapshot {
    /// Step 3.
    pub authenticator: Authenticator,
    /// Pages on which callers agree to being connected to servers, where there are such servers.
    pub consent: Option<Arc<ConsentPages>>,
    /// Step 5.
    pub authoriser: Authoriser,
    /// Steps 6 and 9.
    pub inspector: Inspector,
    /// What definitions were when they were trusted.
    pub pins: Arc<dyn Pins>,
    /// Who approves single calls.
    pub approvals: Arc<dyn Approvals>,
    /// Every server, by name.
    pub servers: BTreeMap<ServerName, Arc<Server>>,
    /// The rest.
    pub settings: Settings,
    /// Digest of the configuration this was built from.
    pub config_digest: Digest,
    /// What this covers and what not.
    pub stated: Option<Stated>,
}

impl Snapshot {
    /// The servers behind an endpoint: one, or all for the aggregate.
    pub fn behind<'a>(&'a self, endpoint: Option<&ServerName>) -> Vec<&'a Arc<Server>> {
        match endpoint {
            Some(name) => self.servers.get(name).into_iter().collect(),
            None => self.servers.values().collect(),
        }
    }
}
