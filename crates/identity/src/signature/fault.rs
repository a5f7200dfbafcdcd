//! Why a request counts as unsigned.

use portcullis_core::{ControlId, Refusal, RefusalKind};

/// Why the signature of a request is not accepted. For the operator; the caller learns that it is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// No `Signature-Input` or no `Signature`.
    #[error("the request has no header `{0}`")]
    Missing(&'static str),
    /// Two readers could read two different ones.
    #[error("the request has more than one header `{0}`")]
    Several(&'static str),
    /// Not what RFC 8941 and RFC 9421 say it is.
    #[error("the header `{0}` is not in its form")]
    Form(&'static str),
    /// Which of several counts would be a guess.
    #[error("the request has {0} signatures instead of one, or they have different labels")]
    Labels(usize),
    /// Something is covered that is not known here, is not there, or is covered twice.
    #[error("the signature covers `{0}`, which is not known here, not there or covered twice")]
    Component(String),
    /// Something that matters is not covered.
    #[error("the signature does not cover `{0}`")]
    Uncovered(&'static str),
    /// A parameter is missing or out of its form.
    #[error("the signature has no `{0}` in its form")]
    Parameter(&'static str),
    /// No key of that name.
    #[error("`keyid` names none of the configured keys")]
    UnknownKey,
    /// The key is for something else.
    #[error("the key of that `keyid` is neither P-256 nor Ed25519, or not for `alg`")]
    WrongKey,
    /// Made too long ago, or in the future.
    #[error("the signature was not made within {0} s of now (`created`)")]
    Time(u64),
    /// Its own end is over.
    #[error("the signature has expired (`expires`)")]
    Expired,
    /// It does not fit.
    #[error("the signature is wrong")]
    Wrong,
    /// Seen before.
    #[error("the signature was used before (`nonce`)")]
    Replayed,
    /// So many are remembered that a replay could not be told.
    #[error("too many signatures are remembered to tell whether this one was used before")]
    Crowded,
    /// The body is another.
    #[error("the body is not the one that was signed (`Content-Digest`)")]
    Body,
}

impl SignatureFault {
    pub(super) fn refusal(&self) -> Refusal {
        let public = match self {
            Self::Missing(_) => "requests have to be signed here (RFC 9421)",
            _ => "the signature of the request is not accepted here",
        };
        Refusal::new(RefusalKind::Denied, public).by(ControlId::Net06).operator(self.to_string())
    }
}
