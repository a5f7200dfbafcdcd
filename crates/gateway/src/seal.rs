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
use portcullis_core::{Digest, Refusal, RefusalKind};

/// What handles are written with, a letter for four bits. Without vowels and digits, nobody who looks for text in a
/// message reads anything into one, whatever its bytes happen to be.
const LETTERS: &[u8; 16] = b"bcdfghjklmnpqrst";

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
        Ok(written(&handle))
    }

    /// What a handle holds; none when it was not sealed here, or is bound to something else.
    pub(crate) fn open(&self, bound: &Digest, handle: &str) -> Option<Vec<u8>> {
        let mut bytes = read(handle)?;
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

fn written(bytes: &[u8]) -> String {
    let letter = |bits: u8| LETTERS.get(usize::from(bits)).map_or('b', |letter| char::from(*letter));
    bytes.iter().flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]).collect()
}

fn read(handle: &str) -> Option<Vec<u8>> {
    let bits =
        |letter: u8| LETTERS.iter().position(|known| *known == letter).and_then(|at| u8::try_from(at).ok());
    let (pairs, []) = handle.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(bits(*high)? << 4 | bits(*low)?)).collect()
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
            changed[at] = if changed[at] == b'b' { b'c' } else { b'b' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(seals.open(&here, &changed), None, "{at}");
        }
        for short in ["", "bb", "bbbbbbbbbbbbbbbb", &handle[1..], &handle.to_uppercase()] {
            assert_eq!(seals.open(&here, short), None, "{short}");
        }
        assert_ne!(seals.seal(&here, b"plain").unwrap(), handle);
    }
}
