//! One proof (RFC 9449 section 4.2).

use portcullis_core::wire::json::Node;

use super::ProofFault;
use crate::jose::{Jws, VerifyingKey};

/// Longest identifier in a proof.
const MAX_ID: usize = 255;
/// Longest URL in a proof.
const MAX_URL: usize = 2_048;

/// A proof whose signature fits the key it brings. Whose key that is, and what it is for, has yet to be compared.
pub(super) struct Proof {
    pub(super) thumbprint: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) token: String,
    pub(super) id: String,
    pub(super) issued: u64,
    pub(super) nonce: Option<String>,
}

impl Proof {
    pub(super) fn parse(text: &str) -> Result<Self, ProofFault> {
        let jws = Jws::parse_with_key(text).map_err(ProofFault::Form)?;
        if jws.header.kind.as_deref() != Some("dpop+jwt") {
            return Err(ProofFault::Type);
        }
        let jwk = jws.header_json.root().get("jwk").ok_or(ProofFault::Key("is missing"))?;
        let (key, thumbprint) = VerifyingKey::of_proof(jwk, jws.header.algorithm).map_err(ProofFault::Key)?;
        key.verify(jws.header.algorithm, jws.signed, &jws.signature).map_err(ProofFault::Form)?;
        let claims = jws.claims.root();
        let issued = claims.get("iat").and_then(Node::as_u64).ok_or(ProofFault::Time)?;
        let text = |name: &str, most: usize| {
            let text = claims.get(name).and_then(|value| value.as_str());
            text.filter(|text| (1..=most).contains(&text.len())).map(String::from)
        };
        Ok(Self {
            thumbprint,
            method: text("htm", MAX_ID).ok_or(ProofFault::Method)?,
            url: text("htu", MAX_URL).ok_or_else(|| ProofFault::Url("which has none".to_owned()))?,
            token: text("ath", MAX_ID).ok_or(ProofFault::Token)?,
            id: text("jti", MAX_ID).ok_or(ProofFault::Replayed)?,
            issued,
            nonce: text("nonce", MAX_ID),
        })
    }
}
