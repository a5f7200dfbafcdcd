//! Step 8: a cleared request, in its server's version, on its way.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::Ticket;
use portcullis_core::{
    Exchange, Link, Outbound, Refusal, RefusalKind,
    wire::{Document, Era, Patch, Response},
};

use crate::{
    client::Client,
    dispatch::Clear,
    gateway::Gateway,
    outbound::{self, Timing},
    prefix,
    resolve::{Resolved, Route, profile},
    snapshot::Server,
    tasks,
    translate::{
        answer::quoted,
        defect, input,
        request::{self, Rename},
    },
};

/// A request that has been sent.
pub(crate) struct Sent {
    pub link: Arc<dyn Link>,
    pub exchange: Box<dyn Exchange>,
}

/// Sends a request, over the link its caller may use. The proof is the only way to get here. `ticket` is told the
/// moment before.
pub(crate) async fn send(
    gateway: &Arc<Gateway>,
    cleared: &Clear,
    server: &Arc<Server>,
    ticket: Option<&mut Ticket>,
) -> Result<Sent, Refusal> {
    let link = link_for(gateway, cleared, server).await?;
    check_state(cleared, link.as_ref())?;
    let outbound = translated(gateway, cleared, link.as_ref(), server.timing)?;
    if let Some(ticket) = ticket {
        ticket.sent(link.info().version.as_str());
    }
    let exchange = request_with_retry(gateway, cleared, server, &link, outbound).await?;
    Ok(exchange)
}

/// Sends the same request again with a client's answers in it (2026-07-28 basic/patterns/mrtr).
pub(crate) async fn send_again(
    gateway: &Arc<Gateway>,
    cleared: &Clear,
    server: &Arc<Server>,
    answers: &[(String, Bytes)],
    state: Option<Bytes>,
) -> Result<Sent, Refusal> {
    let link = link_for(gateway, cleared, server).await?;
    let mut outbound = translated(gateway, cleared, link.as_ref(), server.timing)?;
    let message = outbound::decode(outbound.body, &outbound::GENEROUS).map_err(|e| broken(&e))?;
    let document = message.document();
    let params = document.root().get("params").ok_or_else(|| broken("no params"))?;
    let mut patch = Patch::new(document);
    patch.set(params, "inputResponses", input::responses(answers)).map_err(defect)?;
    if let Some(state) = state {
        patch.set(params, "requestState", state).map_err(defect)?;
    }
    let body = patch.apply();
    outbound.id = outbound::fresh_id();
    let message = outbound::decode(body, &outbound::GENEROUS).map_err(|e| broken(&e))?;
    outbound.body = portcullis_core::wire::message::with_id(message.document(), &outbound.id);
    let exchange = link.request(outbound).await.map_err(|e| outbound::refusal(&server.name, &e))?;
    Ok(Sent { link, exchange })
}

/// A session that its server has ended did nothing with the request, so a new one may be tried once.
async fn request_with_retry(
    gateway: &Arc<Gateway>,
    cleared: &Clear,
    server: &Arc<Server>,
    link: &Arc<dyn Link>,
    outbound: Outbound,
) -> Result<Sent, Refusal> {
    match link.request(outbound.clone()).await {
        Ok(exchange) => Ok(Sent { link: link.clone(), exchange }),
        Err(error) if error.nothing_happened() && !matches!(error, portcullis_core::UpstreamError::Busy) => {
            let link = link_for(gateway, cleared, server).await?;
            let outbound = translated(gateway, cleared, link.as_ref(), server.timing)?;
            let exchange = link.request(outbound).await.map_err(|e| outbound::refusal(&server.name, &e))?;
            Ok(Sent { link, exchange })
        }
        Err(error) => Err(outbound::refusal(&server.name, &error)),
    }
}

async fn link_for(
    gateway: &Arc<Gateway>,
    cleared: &Clear,
    server: &Arc<Server>,
) -> Result<Arc<dyn Link>, Refusal> {
    let profile = profile(&cleared.call.caller, &cleared.client);
    gateway.link_of(server, &profile, &cleared.client).await
}

/// A stateless client that brings a state to a legacy server can only have it from a call the gateway held,
/// and such calls have been resumed before this point.
fn check_state(resolved: &Resolved, link: &dyn Link) -> Result<(), Refusal> {
    let brings_state = resolved.call.request.params().is_some_and(|p| p.get("requestState").is_some());
    let legacy_server = link.info().version.era() == Era::Legacy;
    if brings_state && legacy_server && resolved.client.era() == Era::Modern {
        return Err(crate::relay::gone());
    }
    Ok(())
}

fn translated(
    gateway: &Gateway,
    resolved: &Resolved,
    link: &dyn Link,
    timing: Timing,
) -> Result<Outbound, Refusal> {
    let call = &resolved.call;
    let (rename, mirrored): (Rename<'_>, _) = match &resolved.route {
        Route::Server { rename, entry, .. } => {
            let rename = rename.as_ref().map(|(path, name)| (*path, name.as_ref()));
            (rename, entry.as_ref().map(|e| e.mirrored.clone()))
        }
        Route::Local => (None, None),
    };
    let version = link.info().version;
    let body = match (resolved.client.era(), version.era()) {
        (Era::Legacy, Era::Modern) => {
            request::to_modern(&call.request, context(&resolved.client, version), rename)?
        }
        (Era::Modern, Era::Legacy) => request::to_legacy(&call.request, rename)?,
        (Era::Modern, Era::Modern) => {
            let body = request::unchanged(&call.request, rename)?;
            match gateway.opened_state(resolved, gateway.clock.now_ms())? {
                Some(state) => with_state(body, state)?,
                None => body,
            }
        }
        (Era::Legacy, Era::Legacy) => request::unchanged(&call.request, rename)?,
    };
    let body = carrying(resolved, body)?;
    let mirrored = mirrored.unwrap_or_else(|| Arc::from([]));
    let own_headers = resolved.carried.as_ref().map_or(&[][..], |carried| &carried.headers);
    if body.as_ptr() != call.request.bytes().as_ptr() {
        let mut outbound = outbound::outbound(body, version, &mirrored, timing)?;
        outbound.headers.extend_from_slice(own_headers);
        return Ok(outbound);
    }
    // The client's own bytes: what was inspected is what is sent, and nothing is parsed twice.
    let headers = match version.era() {
        Era::Modern => outbound::mirror(&call.request, &mirrored, version)?,
        Era::Legacy => Vec::new(),
    };
    Ok(Outbound {
        body,
        id: call.request.id().clone(),
        method: Arc::from(call.request.method()),
        headers,
        idle_timeout: timing.idle,
        total_timeout: timing.total,
    })
}

/// The body with the server's own state in place of the sealed one.
fn with_state(body: Bytes, state: Bytes) -> Result<Bytes, Refusal> {
    let document = Document::parse(body, &outbound::GENEROUS).map_err(|fault| broken(&fault.to_string()))?;
    let params = document.root().get("params").ok_or_else(|| broken("no params"))?;
    let mut patch = Patch::new(&document);
    patch.set(params, "requestState", state).map_err(defect)?;
    Ok(patch.apply())
}

/// The body with the gateway's span in place of the client's, and without baggage that must not travel.
fn carrying(resolved: &Resolved, body: Bytes) -> Result<Bytes, Refusal> {
    let Some(carried) = &resolved.carried else { return Ok(body) };
    let request = &resolved.call.request;
    if body.as_ptr() == request.bytes().as_ptr() {
        return carried.apply(request.document());
    }
    let document = Document::parse(body, &outbound::GENEROUS).map_err(|fault| broken(&fault.to_string()))?;
    carried.apply(&document)
}

fn context(client: &Client, version: portcullis_core::wire::Version) -> request::Context<'_> {
    request::Context {
        version,
        capabilities: &client.capabilities,
        client_info: &client.info,
        log_level: client.log_level,
    }
}

/// On the aggregate a task is known to the client by its server's name and id.
pub(crate) fn shown_task_ids(
    body: Bytes,
    response: &Response,
    resolved: &Resolved,
) -> Result<Bytes, Refusal> {
    let (None, Some(server)) = (&resolved.call.endpoint, &resolved.call.target.server) else {
        return Ok(body);
    };
    let has_task = response.result().is_some_and(|r| r.get("taskId").is_some() || r.get("task").is_some());
    if !has_task {
        return Ok(body);
    }
    let message = outbound::decode(body, &outbound::GENEROUS).map_err(|e| broken(&e))?;
    let document = message.document();
    let Some(result) = document.root().get("result") else { return Ok(document.bytes().clone()) };
    let mut patch = Patch::new(document);
    for holder in tasks::holders(result) {
        if let Some(id) = holder.get("taskId").and_then(|t| t.as_str()) {
            patch.set(holder, "taskId", quoted(&prefix::join(server, &id))).map_err(defect)?;
        }
    }
    Ok(patch.apply())
}

fn broken(what: &str) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").operator(format!("forward: {what}"))
}
