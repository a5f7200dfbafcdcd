//! What a client is given to check later that a decision about it is in the log.

use serde::{Deserialize, Serialize};

use crate::{note::InclusionProof, note::VerifierKey, tree::TreeHash};

/// Names one record and the log it goes to. It is evidence for whoever holds it and authority for nobody: nothing the
/// gateway does asks for one.
///
/// The leaf is the hash of the record's line as an entry of the log (RFC 6962, section 2.1), so that a proof of
/// inclusion can be checked without being shown the record, and the record against the receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReceipt {
    /// The record of the decision.
    pub record: String,
    /// The origin of the transparency log; absent when there are only lines, or the record is in a spare log.
    pub log: Option<String>,
    /// The leaf, in base64.
    pub leaf: String,
}

/// Why a receipt is not borne out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Its leaf is no hash.
    #[error("`leaf` is no SHA-256 hash in base64")]
    Leaf,
    /// It names no log, or another.
    #[error("`log` is not the log of this key")]
    Log,
    /// The proof is of something else.
    #[error("the proof does not show that the record of this receipt is in the log of this key")]
    Proof,
}

impl LogReceipt {
    /// Checks that the record is in the log whose key is `key`. Its number there.
    ///
    /// # Errors
    /// [`ReceiptFault`] when the proof does not show it.
    pub fn check(&self, proof: &InclusionProof, key: &VerifierKey) -> Result<u64, ReceiptFault> {
        let leaf = TreeHash::parse(&self.leaf).ok_or(ReceiptFault::Leaf)?;
        if self.log.as_deref() != Some(key.name()) {
            return Err(ReceiptFault::Log);
        }
        proof.check_leaf(leaf, key).map(|_| proof.index).ok_or(ReceiptFault::Proof)
    }
}
