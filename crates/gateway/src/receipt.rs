//! Receipts for clients: `_meta` of a result, for those that ask in `_meta` of their request.
//!
//! A receipt says which record a decision is and how to find it in the log. Nothing here or elsewhere takes one: it
//! is evidence, and opens nothing.

use bytes::Bytes;
use portcullis_audit::Ticket;
use portcullis_core::{
    Refusal,
    wire::{
        Document, Patch, Request, Response,
        json::{Kind, write},
        meta::RECEIPT,
    },
};

use crate::{outbound::GENEROUS, translate::defect};

/// Whether a request asks for a receipt.
pub(crate) fn is_asked(request: &Request) -> bool {
    request.meta().and_then(|meta| meta.get(RECEIPT)).and_then(|asked| asked.as_bool()) == Some(true)
}

/// Whether the result of a server claims to have one, which only the gateway gives.
pub(crate) fn is_claimed(response: &Response) -> bool {
    let meta = response.result().and_then(|result| result.get("_meta"));
    meta.is_some_and(|meta| meta.get(RECEIPT).is_some())
}

/// A response with the receipt of `ticket` in its result, or without any.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Internal`] on a defect.
pub(crate) fn in_response(body: &Bytes, ticket: Option<&Ticket>) -> Result<Bytes, Refusal> {
    let document = Document::parse(body.clone(), &GENEROUS).map_err(broken)?;
    let Some(result) = document.root().get("result").filter(|result| result.kind() == Kind::Object) else {
        return Ok(body.clone());
    };
    let mut patch = Patch::new(&document);
    let receipt = ticket.and_then(Ticket::receipt).and_then(|it| serde_json::to_vec(&it).ok());
    match (result.get("_meta").filter(|meta| meta.kind() == Kind::Object), receipt) {
        (Some(meta), Some(receipt)) => patch.set(meta, RECEIPT, receipt).map_err(defect)?,
        (Some(meta), None) => patch.remove(meta, RECEIPT).map_err(defect)?,
        (None, Some(receipt)) => patch.set(result, "_meta", only(&receipt)).map_err(defect)?,
        (None, None) => return Ok(body.clone()),
    };
    Ok(patch.apply())
}

/// A `_meta` of nothing else.
fn only(receipt: &[u8]) -> Vec<u8> {
    let mut meta = vec![b'{'];
    write::push_str(&mut meta, RECEIPT);
    meta.push(b':');
    meta.extend_from_slice(receipt);
    meta.push(b'}');
    meta
}

fn broken(fault: impl std::fmt::Display) -> Refusal {
    Refusal::new(portcullis_core::RefusalKind::Internal, "internal error")
        .operator(format!("receipt: {fault}"))
}
