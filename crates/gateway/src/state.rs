//! A server's own `requestState` on its way through a client and back (control ST-03).
//!
//! The client gets it sealed: it can neither read nor change it, and nobody but the caller that got it can bring it,
//! for the item it was given for and as long as a client is waited for. The server gets back what it gave, byte for
//! byte. Calls that are held here for a legacy server have states of their own, see [`crate::relay`].

use bytes::Bytes;
use portcullis_core::{
    Call, Digest, Refusal, RefusalKind,
    wire::{Document, Patch},
};

use crate::{
    gateway::Gateway,
    outbound,
    relay::gone,
    resolve::Resolved,
    translate::{answer::quoted, defect},
};

/// What a sealed state begins with; those of held calls do not.
const MARK: &str = "p1.";

impl Gateway {
    /// The state as its server gave it; none where the request brings none, or that of a held call.
    ///
    /// # Errors
    /// When it was not given to this caller for this call, or too long ago.
    pub(crate) fn opened_state(&self, resolved: &Resolved, now_ms: u64) -> Result<Option<Bytes>, Refusal> {
        if resolved.client.session.as_ref().is_some_and(|session| session.terms().is_some()) {
            return Ok(None);
        }
        let params = resolved.call.request.params();
        let Some(state) = params.and_then(|params| params.get("requestState")) else { return Ok(None) };
        let state = state.as_str().ok_or_else(gone)?;
        let Some(handle) = state.strip_prefix(MARK) else {
            return if self.parked.holds(&state, resolved, now_ms) { Ok(None) } else { Err(gone()) };
        };
        let plain = self.seals.open(&bound(&resolved.call)?, handle).ok_or_else(gone)?;
        let (expires, given) = plain.split_first_chunk().ok_or_else(gone)?;
        if u64::from_be_bytes(*expires) <= now_ms {
            return Err(gone());
        }
        Ok(Some(Bytes::copy_from_slice(given)))
    }

    /// A stateless server's `input_required` result with its state sealed.
    pub(crate) fn sealed_state(
        &self,
        body: Bytes,
        resolved: &Resolved,
        expires_ms: u64,
    ) -> Result<Bytes, Refusal> {
        let document = Document::parse(body, &outbound::GENEROUS).map_err(|fault| {
            Refusal::new(RefusalKind::Internal, "internal error").operator(format!("a state: {fault}"))
        })?;
        let result = document.root().get("result");
        let Some((result, given)) = result.and_then(|it| Some((it, it.get("requestState")?))) else {
            return Ok(document.bytes().clone());
        };
        let plain = [&expires_ms.to_be_bytes()[..], given.raw()].concat();
        let handle = self.seals.seal(&bound(&resolved.call)?, &plain)?;
        let mut patch = Patch::new(&document);
        patch.set(result, "requestState", quoted(&format!("{MARK}{handle}"))).map_err(defect)?;
        Ok(patch.apply())
    }
}

/// Where a state is valid: for one caller with one grant, and one item.
fn bound(call: &Call) -> Result<Digest, Refusal> {
    let caller = &call.caller;
    let grant = caller.grant.as_deref().map(|it| {
        let details: Vec<_> = it.details.iter().map(|detail| &*detail.json).collect();
        (&it.issuer, &it.client, &it.scopes, details)
    });
    let whose = serde_json::to_vec(&(&caller.principal, &caller.actor, &caller.tenant, grant));
    let whose = whose.map_err(|e| {
        Refusal::new(RefusalKind::Internal, "internal error").operator(format!("a caller's name: {e}"))
    })?;
    let server = call.target.server.as_ref().map_or("", |name| name.as_str());
    let (kind, name) = (call.target.item.kind(), call.target.item.name());
    let parts = ["request state", server, call.request.method(), kind, name].map(str::as_bytes);
    Ok(Digest::of_parts(parts.into_iter().chain([&*whose])))
}
