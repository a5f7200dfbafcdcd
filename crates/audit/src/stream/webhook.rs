//! Signatures of what goes to a webhook (Standard Webhooks 1.0, symmetric).

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::Digest;

/// Shortest and longest secret, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret a webhook shares with its sender. Unprintable.
pub struct WebhookKey(hmac::Key);

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not `whsec_` and 24 to 64 bytes in base64")]
pub struct WebhookKeyFault;

/// The headers that prove where a body comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `webhook-id`: the same for the same body, so that a receiver knows what it has.
    pub id: String,
    /// `webhook-timestamp`: seconds since the Unix epoch.
    pub timestamp: u64,
    /// `webhook-signature`.
    pub value: String,
}

impl WebhookKey {
    /// Reads a secret as files hold it.
    ///
    /// # Errors
    /// [`WebhookKeyFault`] when it is none.
    pub fn parse(text: &[u8]) -> Result<Self, WebhookKeyFault> {
        let encoded = text.trim_ascii().strip_prefix(b"whsec_").ok_or(WebhookKeyFault)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| WebhookKeyFault)?;
        let bytes = zeroize::Zeroizing::new(bytes);
        if !LENGTHS.contains(&bytes.len()) {
            return Err(WebhookKeyFault);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Signs a body sent at `now_s`.
    pub fn sign(&self, body: &[u8], now_s: u64) -> Signature {
        let digest = Digest::of(body).to_string();
        let id = format!("msg_{}", digest.rsplit(':').next().unwrap_or_default());
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{now_s}.").as_bytes());
        context.update(body);
        let value = format!("v1,{}", STANDARD.encode(context.sign()));
        Signature { id, timestamp: now_s, value }
    }
}

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookKey")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn secrets() {
        for (text, is_one) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", true),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
            ("whsec_c2hvcnQ=", false),
            ("whsec_!", false),
            ("", false),
        ] {
            assert_eq!(WebhookKey::parse(text.as_bytes()).is_ok(), is_one, "{text}");
        }
    }

    #[test]
    fn the_same_body_has_the_same_id_and_no_other_signature() {
        let key = WebhookKey::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (one, same, other) = (key.sign(b"a", 1), key.sign(b"a", 2), key.sign(b"b", 1));
        assert_eq!((&one.id, &one.value), (&same.id, &key.sign(b"a", 1).value));
        assert!(one.id != other.id && one.value != same.value && one.value != other.value);
        assert!(one.value.starts_with("v1,") && one.value.len() == 3 + 44, "{one:?}");
    }
}
