//! A client assertion (RFC 7523 section 3): a statement of a minute, for one authorization server, used once.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::Secret;
use serde_json::json;

use super::CredentialFault;
use crate::jose::SigningKey;

/// `client_assertion_type`.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds.
const LIFE: u64 = 60;

/// An assertion that the gateway is this client of this issuer, whose identifier is its audience: no other server
/// can use it.
pub(super) fn sign(
    key: &SigningKey,
    client_id: &str,
    issuer: &str,
    now: u64,
) -> Result<Secret, CredentialFault> {
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| CredentialFault::Request("the system has no randomness"))?;
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": issuer, "jti": URL_SAFE_NO_PAD.encode(id),
        "iat": now, "exp": now.saturating_add(LIFE),
    });
    let signed = key.sign("JWT", &claims.to_string());
    signed.map(|jwt| Secret::new(jwt.into_bytes())).ok_or(CredentialFault::Request("the key does not sign"))
}
