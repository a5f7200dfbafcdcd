//! `initialize` (2025-11-25 basic/lifecycle), answered from what the servers said.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{
    Channel, Refusal, RefusalKind,
    wire::{Era, Version},
};

use super::Local;
use crate::{
    client::{Client, anonymous, unsupported},
    gateway::Gateway,
    resolve::Resolved,
    session::{Session, Terms},
    snapshot::Snapshot,
};

impl Gateway {
    pub(super) async fn initialize(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        resolved: &Resolved,
        now_ms: u64,
    ) -> Result<Local, Refusal> {
        let terms = terms(resolved, snapshot.settings.floor)?;
        let (session, opened) = match &resolved.client.session {
            Some(session) => (session.clone(), None),
            None => {
                let opened = self.open_session(snapshot, resolved, now_ms)?;
                (opened.session.clone(), Some(opened))
            }
        };
        if session.terms().is_some() {
            return Err(initialised());
        }
        let client = Client {
            version: terms.version,
            capabilities: terms.capabilities.clone(),
            info: terms.client_info.clone(),
            log_level: None,
            session: Some(session.clone()),
        };
        let described = self.describe(snapshot, &resolved.call, &client).await;
        let described = described.inspect_err(|refusal| session.initialize_failed(refusal.public()))?;
        let result = described.as_initialize(terms.version);
        // Only now, so that a client on a pipe may try again when a server could not be reached.
        if session.settle(terms) { Ok(Local { result, opened }) } else { Err(initialised()) }
    }

    fn open_session(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        resolved: &Resolved,
        now_ms: u64,
    ) -> Result<Opened, Refusal> {
        let call = &resolved.call;
        let owner = Arc::new(call.caller.clone());
        let limits = &snapshot.settings.sessions;
        let session = self.sessions.open(owner, Channel::Http, call.endpoint.clone(), limits, now_ms)?;
        Ok(Opened { gateway: self.clone(), session, handed_over: false })
    }
}

/// A session whose client does not know its id yet; ends when dropped.
pub(crate) struct Opened {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    handed_over: bool,
}

impl Opened {
    /// The id for the client. From here on the session ends as every session does.
    pub(crate) fn hand_over(mut self) -> Arc<str> {
        self.handed_over = true;
        self.session.id.clone()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if !self.handed_over {
            self.gateway.close_session(&self.session.id);
        }
    }
}

fn initialised() -> Refusal {
    Refusal::new(RefusalKind::InvalidRequest, "this session is initialised already")
}

/// The version asked for if it can be served, else the newest legacy one.
fn terms(resolved: &Resolved, floor: Version) -> Result<Terms, Refusal> {
    let params = resolved.call.request.params();
    let text = |key| params.and_then(|p| p.get(key)).and_then(|v| v.as_str());
    let object = |key: &str| params.and_then(|p| p.get(key)).map(|v| v.to_bytes());
    let Some(asked) = text("protocolVersion") else {
        return Err(Refusal::new(RefusalKind::InvalidParams, "`params.protocolVersion` must be a string"));
    };
    let served = asked.parse::<Version>().ok().filter(|v| v.era() == Era::Legacy && *v >= floor);
    if floor.era() == Era::Modern {
        return Err(unsupported(&asked, floor));
    }
    Ok(Terms {
        version: served.unwrap_or(Version::LATEST_LEGACY),
        capabilities: object("capabilities").unwrap_or_else(|| Bytes::from_static(b"{}")),
        client_info: object("clientInfo").unwrap_or_else(anonymous),
    })
}
