//! Every session, by id.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use portcullis_core::{Caller, Channel, Refusal, RefusalKind, ServerName};

use crate::session::Session;

/// How many sessions there may be and how long they may idle.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// In all.
    pub total: usize,
    /// Per principal.
    pub per_principal: usize,
    /// Milliseconds without a request after which a session ends.
    pub idle_ms: u64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { total: 10_000, per_principal: 1_000, idle_ms: 30 * 60 * 1000 }
    }
}

/// The table of sessions. Reads share a lock that is held only for the look-up.
#[derive(Debug, Default)]
pub struct Sessions {
    table: RwLock<HashMap<Arc<str>, Arc<Session>>>,
}

impl Sessions {
    /// Opens a session for its first request.
    ///
    /// # Errors
    /// [`RefusalKind::TooMany`] at a limit, [`RefusalKind::Internal`] when the system has no randomness.
    pub fn open(
        &self,
        owner: Arc<Caller>,
        channel: Channel,
        endpoint: Option<ServerName>,
        limits: &SessionLimits,
        now_ms: u64,
    ) -> Result<Arc<Session>, Refusal> {
        let id = random_id()?;
        let mut table = self.table.write();
        let own = table.values().filter(|s| s.owner.principal == owner.principal).count();
        if table.len() >= limits.total || own >= limits.per_principal {
            return Err(Refusal::new(
                RefusalKind::TooMany,
                "too many open sessions; close one with DELETE and try again",
            ));
        }
        let session = Arc::new(Session::new(id.clone(), owner, channel, endpoint, now_ms));
        table.insert(id, session.clone());
        Ok(session)
    }

    /// The session of that id, if `caller` opened it on this endpoint. Somebody else's session looks
    /// exactly like one that does not exist.
    ///
    /// # Errors
    /// [`RefusalKind::NoSession`].
    pub fn find(
        &self,
        id: &str,
        caller: &Caller,
        endpoint: Option<&ServerName>,
    ) -> Result<Arc<Session>, Refusal> {
        let found = self.table.read().get(id).cloned();
        found
            .filter(|s| s.owner.principal == caller.principal && s.endpoint.as_ref() == endpoint)
            .filter(|s| !s.closed().is_cancelled())
            .ok_or_else(|| {
                Refusal::new(
                    RefusalKind::NoSession,
                    "no such session; send `initialize` without a session id",
                )
            })
    }

    /// Initialised sessions in which a server is used.
    pub fn of_server(&self, server: &ServerName) -> Vec<Arc<Session>> {
        let uses = |s: &&Arc<Session>| {
            s.initialized().is_cancelled() && s.endpoint.as_ref().is_none_or(|endpoint| endpoint == server)
        };
        self.table.read().values().filter(uses).cloned().collect()
    }

    /// Ends and forgets a session.
    pub fn close(&self, id: &str) {
        let session = self.table.write().remove(id);
        if let Some(session) = session {
            session.close();
        }
    }

    /// Sessions that have idled past the limit. Pipes do not: they end with their client. Nor does a session
    /// whose client waits for an answer.
    pub fn idle(&self, limits: &SessionLimits, now_ms: u64) -> Vec<Arc<str>> {
        let unused = |s: &Session| now_ms.saturating_sub(s.last_used_ms()) > limits.idle_ms;
        let expired = |s: &&Arc<Session>| s.channel != Channel::Stdio && unused(s) && s.under_way() == 0;
        self.table.read().values().filter(expired).map(|s| s.id.clone()).collect()
    }

    /// Questions to clients that wait for an answer, and requests of clients under way, in all sessions.
    pub fn load(&self) -> (usize, usize) {
        let table = self.table.read();
        let of = |session: &Arc<Session>| (session.open_questions(), session.under_way());
        table.values().map(of).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Those whose owner is meant, and through which door they came.
    pub(crate) fn of(&self, meant: impl Fn(&Caller) -> bool) -> Vec<(Arc<str>, Channel)> {
        let table = self.table.read();
        let meant = table.values().filter(|session| meant(&session.owner));
        meant.map(|session| (session.id.clone(), session.channel)).collect()
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.table.read().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all of them.
    pub fn close_all(&self) {
        let all: Vec<_> = self.table.write().drain().collect();
        all.iter().for_each(|(_, session)| session.close());
    }
}

/// 128 random bits in hexadecimal: visible ASCII, unguessable (MCP transports, session management).
///
/// # Errors
/// [`RefusalKind::Internal`] when the system has no randomness to give.
pub(crate) fn random_id() -> Result<Arc<str>, Refusal> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| {
        Refusal::new(RefusalKind::Internal, "internal error").operator(format!("no system randomness: {e}"))
    })?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into())
}
