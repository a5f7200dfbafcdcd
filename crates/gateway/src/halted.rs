//! Tasks of those whose access was taken back or who were stopped: they are nobody's from then on, so nobody gets what
//! they lead to, and their servers are asked to end them (controls IAM-06, LOG-05).

use std::{sync::Arc, time::Duration};

use portcullis_audit::EventKind;
use portcullis_core::{Link, LinkProfile, Refusal, UpstreamEvent, wire::Era};
use tokio::time::timeout;

use crate::{gateway::Gateway, outbound, snapshot::Server, tasks::Halted};

/// Longest that one server may take over one task.
const PATIENCE: Duration = Duration::from_secs(5);
/// A server ends a task for a client that knows of tasks only (tasks extension, "Capability Negotiation").
const CAPABILITIES: &[u8] = br#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

impl Gateway {
    /// Asks the servers of these tasks to end them. What becomes of it is on record.
    pub(crate) fn end_tasks(self: &Arc<Self>, tasks: Vec<Halted>, why: &str) {
        if tasks.is_empty() {
            return;
        }
        let (gateway, why) = (self.clone(), why.to_owned());
        tokio::spawn(async move {
            for task in tasks {
                let Some(server) = gateway.snapshot().servers.get(&task.server).cloned() else { continue };
                let ended = timeout(PATIENCE, end(&server, &task.profile, &task.id)).await;
                let what = match ended {
                    Ok(Ok(())) => "was cancelled".to_owned(),
                    Ok(Err(refusal)) => format!("could not be cancelled: {}", refusal.detail()),
                    Err(_) => format!("could not be cancelled: no answer within {PATIENCE:?}"),
                };
                let detail = format!("`{}` of {} {what}; {why}", task.id, task.profile.on_behalf.principal);
                gateway.note(EventKind::TaskEnded, &task.server, detail);
            }
            // Links that were made for it do not outlive a stop.
            gateway.enforce_stops();
        });
    }
}

async fn end(server: &Server, profile: &LinkProfile, id: &str) -> Result<(), Refusal> {
    let failed = |error| outbound::refusal(&server.name, &error);
    let link = server.upstream.connect(profile).await.map_err(failed)?;
    let outbound = cancel(&*link, id, server)?;
    let mut exchange = link.request(outbound).await.map_err(failed)?;
    loop {
        match exchange.next().await.map_err(failed)? {
            UpstreamEvent::Response(body) => {
                let answer = outbound::decode(body, &outbound::GENEROUS).map_err(|what| {
                    Refusal::new(portcullis_core::RefusalKind::UpstreamInvalid, "unusable").operator(what)
                })?;
                let error = answer
                    .document()
                    .root()
                    .get("error")
                    .map(|it| String::from_utf8_lossy(it.raw()).into_owned());
                return error.map_or(Ok(()), |error| {
                    let said: String = error.chars().take(200).collect();
                    Err(Refusal::new(portcullis_core::RefusalKind::UpstreamInvalid, "refused").operator(said))
                });
            }
            UpstreamEvent::Notification(_) | UpstreamEvent::ServerRequest(_) => {}
        }
    }
}

fn cancel(link: &dyn Link, id: &str, server: &Server) -> Result<portcullis_core::Outbound, Refusal> {
    let version = link.info().version;
    let mut params = serde_json::json!({ "taskId": id }).to_string().into_bytes();
    if version.era() == Era::Modern {
        let meta = outbound::own_meta(version, CAPABILITIES);
        params.pop();
        params = [params.as_slice(), b",\"_meta\":", &meta, b"}"].concat();
    }
    outbound::own_with(link, "tasks/cancel", &params, server.timing)
}
