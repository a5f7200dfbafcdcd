//! Handles that clients keep for the gateway: sealed, so that nobody can make, read or change one, and bound to
//! where they are valid.
//!
//! The key is made at the first use and lives as long as the process; a handle of an earlier process is refused
//! like one that was never given.

use std::sync::OnceLock;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::{Digest, Refusal, RefusalKind};

/// Seals and opens handles (AES-256-GCM, random nonces).
#[derive(Default)]
pub(crate) struct Seals(OnceLock<RandomizedNonceKey>);

impl Seals {
    /// A handle that [`Self::open`] reads where it is given the same `bound`.
    ///
    /// # Errors
    /// [`RefusalKind::Internal`] when the system has no randomness.
    pub(crate) fn seal(&self, bound: &Digest, plain: &[u8]) -> Result<String, Refusal> {
        let mut sealed = plain.to_vec();
        let nonce = self.key()?.seal_in_place_append_tag(Aad::from(bound.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| no_randomness())?;
        let mut handle = nonce.as_ref().to_vec();
        handle.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(handle))
    }

    /// What a handle holds; none when it was not sealed here, or is bound to something else.
    pub(crate) fn open(&self, bound: &Digest, handle: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.0.get()?.open_in_place(nonce, Aad::from(bound.as_bytes()), sealed);
        plain.ok().map(|plain| plain.to_vec())
    }

    fn key(&self) -> Result<&RandomizedNonceKey, Refusal> {
        if let Some(key) = self.0.get() {
            return Ok(key);
        }
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| no_randomness())?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| no_randomness())?;
        Ok(self.0.get_or_init(|| key))
    }
}

fn no_randomness() -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error")
        .operator("no system randomness for a handle".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "test code")]

    use super::*;

    #[test]
    fn a_handle_opens_unchanged_and_where_it_belongs() {
        let (seals, here, there) = (Seals::default(), Digest::of(b"here"), Digest::of(b"there"));
        assert_eq!(seals.open(&here, "anything"), None);
        let handle = seals.seal(&here, b"plain").unwrap();
        assert_eq!(seals.open(&here, &handle).as_deref(), Some(&b"plain"[..]));
        assert_eq!(seals.open(&there, &handle), None);
        assert_eq!(Seals::default().open(&here, &handle), None);
        for at in 0..handle.len() {
            let mut changed = handle.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character of an encoding has bits that mean nothing; then it does not decode at all.
            assert_eq!(seals.open(&here, &changed), None, "{at}");
        }
        for short in ["", "AA", "AAAAAAAAAAAAAAAA", &handle[1..]] {
            assert_eq!(seals.open(&here, short), None, "{short}");
        }
        assert_ne!(seals.seal(&here, b"plain").unwrap(), handle);
    }
}
