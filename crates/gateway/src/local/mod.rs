//! What the gateway answers itself. Every answer is inspected and recorded like a server's.

mod describe;
mod initialize;
mod lists;
mod page;

use std::sync::Arc;

use portcullis_core::{
    Refusal, RefusalKind,
    wire::{Method, meta::LogLevel},
};

use crate::{gateway::Gateway, resolve::Resolved, snapshot::Snapshot};
use initialize::Opened;

/// The result of a local answer: JSON of `result`, and the session it opened, if it did.
pub(crate) struct Local {
    pub result: Vec<u8>,
    pub opened: Option<Opened>,
}

impl Local {
    pub(crate) fn plain(result: Vec<u8>) -> Self {
        Self { result, opened: None }
    }
}

impl Gateway {
    pub(crate) async fn answer_locally(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        resolved: &Resolved,
        now_ms: u64,
    ) -> Result<Local, Refusal> {
        let method = resolved.call.request.method_kind();
        match method {
            Method::Initialize => self.initialize(snapshot, resolved, now_ms).await,
            Method::ServerDiscover => self.discover(snapshot, resolved).await.map(Local::plain),
            Method::Ping => Ok(Local::plain(b"{}".to_vec())),
            Method::LoggingSetLevel => set_level(resolved).map(Local::plain),
            Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList => {
                self.show_list(snapshot, resolved, now_ms).await.map(Local::plain)
            }
            _ => Err(Refusal::new(RefusalKind::UnknownMethod, "this method is not served on this endpoint")),
        }
    }
}

fn set_level(resolved: &Resolved) -> Result<Vec<u8>, Refusal> {
    let level = resolved.call.request.params().and_then(|p| p.get("level")).and_then(|l| l.as_str());
    let level = level.as_deref().and_then(LogLevel::parse).ok_or_else(|| {
        Refusal::new(
            RefusalKind::InvalidParams,
            "`params.level` must be one of debug, info, notice, warning, error, critical, alert, emergency",
        )
    })?;
    if let Some(session) = &resolved.client.session {
        session.set_log_level(level);
    }
    Ok(b"{}".to_vec())
}
