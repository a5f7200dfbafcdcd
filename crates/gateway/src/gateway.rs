//! The gateway: what outlives a request.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_audit::{Digests, EventKind, Recorder, otel::Telemetry};
use portcullis_core::{
    Caller, Clock, Digest, Finding, Link, LinkProfile, ListKind, Refusal, ServerName, wire::Era,
};
use tokio::sync::watch::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::List,
    client::Client,
    feed,
    flow::Conversations,
    lasting::{HandleKeys, Lasting},
    metrics::Metrics,
    outbound,
    outflow::Reply,
    relay::Parked,
    reply,
    seal::Seals,
    sessions::Sessions,
    snapshot::{Server, Snapshot},
    stops::Stops,
    tasks::Tasks,
    trail::{self, Trail},
    vault::Vault,
    watch,
};

/// Refused definitions of one list that get an event of their own.
const MAX_REFUSED: usize = 64;

/// How long calls that are let go of may take to tell their callers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// One gateway. Shared by every transport; holds no decision of its own.
pub struct Gateway {
    current: ArcSwap<Snapshot>,
    pub(crate) audit: Recorder,
    pub(crate) clock: Arc<dyn Clock>,
    /// Open sessions.
    pub sessions: Sessions,
    pub(crate) parked: Parked,
    /// What has entered each conversation.
    pub(crate) conversations: Conversations,
    pub(crate) stops: Arc<Stops>,
    /// Handles that clients keep.
    pub(crate) seals: Seals,
    /// Whose tasks are.
    pub(crate) tasks: Tasks,
    keys: Option<Arc<dyn HandleKeys>>,
    pub(crate) vault: Vault,
    /// What the admin listener shows.
    pub metrics: Metrics,
    changes: Sender<()>,
    /// Digest of what was noted last of each list.
    noted: Mutex<HashMap<(ServerName, ListKind), Digest>>,
}

impl Gateway {
    /// A gateway that serves `snapshot` until another is swapped in, and after which nothing is left.
    pub fn new(snapshot: Snapshot, audit: Recorder, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::lasting(snapshot, audit, clock, Lasting::default())
    }

    /// The same, going on with what a former process left.
    pub fn lasting(
        snapshot: Snapshot,
        audit: Recorder,
        clock: Arc<dyn Clock>,
        lasting: Lasting,
    ) -> Arc<Self> {
        let tasks = Tasks::of(lasting.tasks, clock.now_ms());
        let gateway = Arc::new(Self {
            current: ArcSwap::from_pointee(snapshot),
            audit,
            clock,
            sessions: Sessions::default(),
            parked: Parked::default(),
            conversations: Conversations::default(),
            stops: Arc::default(),
            seals: Seals::default(),
            tasks,
            keys: lasting.keys,
            vault: Vault::default(),
            metrics: Metrics::default(),
            changes: Sender::default(),
            noted: Mutex::default(),
        });
        gateway.state_boundary(&gateway.snapshot());
        gateway.renew_keys();
        gateway
    }

    /// Seals with the keys that are kept; those of the process stay where they cannot be had.
    fn renew_keys(&self) {
        let Some(keys) = &self.keys else { return };
        match keys.keys(self.clock.now_ms()) {
            Ok(keys) => self.seals.put(&keys),
            Err(error) => {
                self.event(EventKind::Degraded, format!("handles will not outlive the process: {error}"))
            }
        }
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts another configuration in force. Requests under way finish on the one they started with; servers
    /// that are no longer part of it end.
    pub fn put_in_force(self: &Arc<Self>, snapshot: Snapshot, digests: Digests) {
        let next = Arc::new(snapshot);
        let previous = self.current.swap(next.clone());
        self.audit.set_digests(digests);
        self.metrics.reloads.add(1);
        self.event(EventKind::ConfigChanged, format!("configuration {}", next.config_digest));
        if next.stated != previous.stated {
            self.state_boundary(&next);
        }
        for (id, _) in self.sessions.of(|owner| next.authenticator.stands(owner).is_err()) {
            self.close_session(&id);
        }
        self.parked.release(|owner| next.authenticator.stands(owner).is_err());
        let over = self.tasks.release(|owner| next.authenticator.stands(owner).is_err());
        self.end_tasks(over, "the access was taken back");
        self.vault.release(|owner| next.authenticator.stands(owner).is_err());
        for server in next.servers.values() {
            server.upstream.end_links_of(&|on_behalf| next.authenticator.has_revoked(on_behalf));
        }
        self.changes.send_replace(());
        let kept =
            |server: &Arc<Server>| next.servers.get(&server.name).is_some_and(|s| Arc::ptr_eq(s, server));
        for server in previous.servers.values().filter(|s| !kept(s)).cloned() {
            tokio::spawn(async move { server.upstream.close().await });
        }
    }

    /// Puts the statement of what is covered on record.
    fn state_boundary(&self, snapshot: &Snapshot) {
        if let Some(stated) = &snapshot.stated {
            let subject = Some(stated.digest.to_string());
            // What cannot be recorded refuses the next call.
            let _ = self.audit.event(EventKind::BoundaryStated, subject, stated.text.to_string());
        }
    }

    /// Wakes whoever holds something open when the configuration changes.
    pub(crate) fn changes(&self) -> Receiver<()> {
        self.changes.subscribe()
    }

    /// What is told of the records, when somebody is told.
    pub fn telemetry(&self) -> Option<&Telemetry> {
        self.audit.telemetry()
    }

    /// Whether the access of a caller has not been taken back meanwhile.
    pub(crate) fn still_stands(&self, caller: &Caller) -> Result<(), Refusal> {
        self.current.load().authenticator.stands(caller)
    }

    /// Writes down something that happened to the gateway itself.
    pub fn event(&self, kind: EventKind, detail: String) {
        if self.audit.event(kind, None, detail).is_err() {
            self.metrics.events_lost.add(1);
        }
    }

    /// Writes down something that happened to a server.
    pub fn event_of(&self, kind: EventKind, server: &ServerName, detail: String) {
        self.note(kind, server, detail);
    }

    /// Ends idle sessions and calls whose client did not come back.
    pub fn sweep(&self) {
        let now_ms = self.clock.now_ms();
        let snapshot = self.snapshot();
        for id in self.sessions.idle(&snapshot.settings.sessions, now_ms) {
            self.close_session(&id);
        }
        self.parked.sweep(now_ms);
        self.conversations.sweep(now_ms);
        self.tasks.sweep(now_ms);
        self.renew_keys();
        self.vault.sweep(now_ms);
    }

    /// Ends a session and the links that were made for it.
    pub fn close_session(&self, id: &str) {
        self.sessions.close(id);
        self.conversations.end_session(id);
        self.snapshot().servers.values().for_each(|server| server.upstream.end_session(id));
    }

    /// Ends everything: calls under way, which are let go of while their servers are still there, so that no record says
    /// that a server broke off; sessions and held calls; then links.
    pub async fn close(&self) {
        let ended = self.stops.let_go();
        self.parked.let_go_of_stopped();
        let all = futures_util::future::join_all(ended.iter().map(CancellationToken::cancelled));
        // A client that does not read holds its own call open.
        let _in_time = tokio::time::timeout(LAST_ANSWERS, all).await;
        self.sessions.close_all();
        self.parked.sweep(u64::MAX);
        let snapshot = self.snapshot();
        futures_util::future::join_all(snapshot.servers.values().map(|server| server.upstream.close())).await;
    }

    /// Calls held while their client is asked for input.
    pub fn parked_calls(&self) -> usize {
        self.parked.len()
    }

    /// A link to a server for a profile, with whatever has to run beside it.
    pub(crate) async fn link_of(
        self: &Arc<Self>,
        server: &Arc<Server>,
        profile: &LinkProfile,
        client: &Client,
    ) -> Result<Arc<dyn Link>, Refusal> {
        let link = self.connect(server, profile).await?;
        if let Some(session) = client.session.as_ref().filter(|_| client.era() == Era::Legacy) {
            feed::attach(self, session, server, &link);
        }
        Ok(link)
    }

    pub(crate) async fn connect(
        self: &Arc<Self>,
        server: &Arc<Server>,
        profile: &LinkProfile,
    ) -> Result<Arc<dyn Link>, Refusal> {
        self.stops.check_server(&server.name)?;
        let link = server.upstream.connect(profile).await.map_err(|e| outbound::refusal(&server.name, &e))?;
        if server.upstream.is_per_caller() {
            watch::ensure_own(self, server);
        } else {
            watch::ensure(self, server, &link, profile.session.is_some());
        }
        Ok(link)
    }

    pub(crate) fn refuse(&self, snapshot: &Snapshot, trail: Trail, refusal: Refusal) -> Reply {
        self.metrics.refused(refusal.kind());
        let refusal = match self.audit.refuse(trail.refused(&self.audit, snapshot, &refusal)) {
            Ok(receipt) => refusal.recorded(receipt.record_id().clone()),
            // Nothing happened, so the refusal stands even if it cannot be written down.
            Err(_) => refusal,
        };
        let answered = reply::refusal(&refusal, trail.reader());
        if refusal.challenge().is_some() {
            Reply::Challenged(answered, refusal)
        } else {
            Reply::Message(answered)
        }
    }

    /// Writes down the refusal of what did not become a message, with as little as is known.
    pub(crate) fn refuse_unread(&self, sender: trail::Sender<'_>, refusal: Refusal) -> Refusal {
        self.metrics.refused(refusal.kind());
        match self.audit.refuse(trail::unread(sender, &refusal)) {
            Ok(receipt) => refusal.recorded(receipt.record_id().clone()),
            // As above.
            Err(_) => refusal,
        }
    }

    /// A server left out of an aggregate answer.
    pub(crate) fn note_left_out(&self, server: &ServerName, refusal: &Refusal) {
        self.note(EventKind::Degraded, server, format!("left out of the aggregate: {}", refusal.detail()));
    }

    /// What was noticed in a message that belongs to no call.
    pub(crate) fn note_findings(&self, server: &ServerName, findings: &[Finding]) {
        if !findings.is_empty() {
            self.note(EventKind::Content, server, details(findings));
        }
    }

    /// A message that belongs to no call, or what a server says about itself, and why nobody gets it.
    pub(crate) fn note_withheld(&self, server: &ServerName, refusal: &Refusal) {
        self.metrics.refused(refusal.kind());
        self.note(EventKind::Content, server, format!("withheld: {}", refusal.detail()));
    }

    /// A list as fetched, with what was refused in it, unless that is what was noted of it last.
    pub(crate) fn note_list(&self, server: &ServerName, kind: ListKind, list: &List) {
        let refused: Vec<_> = list.refused.iter().map(|(name, why)| format!("`{name}`: {why}")).collect();
        let detail = format!(
            "{kind:?}: {} entries, {}, refused: [{}]",
            list.entries.len(),
            list.digest,
            refused.join("; ")
        );
        let noticed = details(&list.noticed);
        let digest = Digest::of_parts([detail.as_bytes(), noticed.as_bytes()]);
        if self.noted.lock().get(&(server.clone(), kind)) == Some(&digest) {
            return;
        }
        if self.note(EventKind::CatalogueChanged, server, detail) {
            self.noted.lock().insert((server.clone(), kind), digest);
        }
        self.note_findings(server, &list.noticed);
        // The list of them is cut where it is long.
        for (name, why) in list.refused.iter().take(MAX_REFUSED) {
            self.note(EventKind::Content, server, format!("withheld: {kind:?} `{name}`: {why}"));
        }
    }

    /// Puts something about a server on record; whether that was taken.
    pub(crate) fn note(&self, kind: EventKind, server: &ServerName, detail: String) -> bool {
        // Events explain; a call that depends on the log finds out by its own decision record.
        let written = self.audit.event(kind, Some(server.to_string()), detail).is_ok();
        if !written {
            self.metrics.events_lost.add(1);
        }
        written
    }
}

fn details(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("{}: {}", finding.control, finding.detail))
        .collect::<Vec<_>>()
        .join("; ")
}
