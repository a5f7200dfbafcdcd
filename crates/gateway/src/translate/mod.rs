//! From one era's messages to the other's, as pure functions over documents.
//!
//! | client | server | request | result, error | what the server asks of the client |
//! |---|---|---|---|---|
//! | same era | | unchanged but for the item's name on the aggregate | unchanged | passed on |
//! | legacy | modern | [`request::to_modern`] | [`answer::to_legacy`] | `input_required` becomes requests: [`input`] |
//! | modern | legacy | [`request::to_legacy`] | [`answer::to_modern`] | requests become `input_required`: [`input`] |
//!
//! What has no counterpart is a [`portcullis_core::RefusalKind::Untranslatable`] refusal, never an empty
//! result.

pub mod answer;
pub mod capabilities;
pub mod content;
pub mod definition;
pub mod input;
pub mod request;

use portcullis_core::{Refusal, RefusalKind, wire::json::PatchFault};

/// Something one era says and the other cannot.
pub(crate) fn untranslatable(what: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Untranslatable, what.into())
}

/// A patch that does not fit its document is a defect of the translation.
pub(crate) fn defect(fault: PatchFault) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").operator(format!("translation: {fault}"))
}
