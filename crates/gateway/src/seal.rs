//! Handles that clients keep for the gateway: sealed, so that nobody can make, read or change one, and bound to
//! where they are valid.
//!
//! Keys are made at the first use and live as long as the process, or are kept for the next one and replaced from time
//! to time. A handle of a key that is gone is refused like one that was never given.

use std::sync::Arc;

use arc_swap::ArcSwap;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use portcullis_core::{Digest, Refusal, RefusalKind, Secret};

/// What handles are written with, a letter for four bits. Without vowels and digits, nobody who looks for text in a
/// message reads anything into one, whatever its bytes happen to be.
const LETTERS: &[u8; 16] = b"bcdfghjklmnpqrst";

/// Seals and opens handles (AES-256-GCM, random nonces).
#[derive(Default)]
pub(crate) struct Seals(ArcSwap<Vec<RandomizedNonceKey>>);

impl Seals {
    /// Seals with the first of these keys from now on, and opens with each.
    pub(crate) fn put(&self, keys: &[Secret]) {
        let keys = keys.iter().filter_map(|key| RandomizedNonceKey::new(&AES_256_GCM, key.expose()).ok());
        let keys: Vec<_> = keys.collect();
        if !keys.is_empty() {
            self.0.store(Arc::new(keys));
        }
    }

    /// A handle that [`Self::open`] reads where it is given the same `bound`.
    ///
    /// # Errors
    /// [`RefusalKind::Internal`] when the system has no randomness.
    pub(crate) fn seal(&self, bound: &Digest, plain: &[u8]) -> Result<String, Refusal> {
        let mut sealed = plain.to_vec();
        let keys = self.keys()?;
        let key = keys.first().ok_or_else(no_randomness)?;
        let nonce = key.seal_in_place_append_tag(Aad::from(bound.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| no_randomness())?;
        let mut handle = nonce.as_ref().to_vec();
        handle.append(&mut sealed);
        Ok(written(&handle))
    }

    /// What a handle holds; none when it was not sealed here, or is bound to something else.
    pub(crate) fn open(&self, bound: &Digest, handle: &str) -> Option<Vec<u8>> {
        let bytes = read(handle)?;
        let open = |key: &RandomizedNonceKey| {
            // A key that does not fit leaves nothing of what it was tried on.
            let mut bytes = bytes.clone();
            let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let plain = key.open_in_place(nonce, Aad::from(bound.as_bytes()), sealed);
            plain.ok().map(|plain| plain.to_vec())
        };
        self.0.load().iter().find_map(open)
    }

    fn keys(&self) -> Result<Arc<Vec<RandomizedNonceKey>>, Refusal> {
        let keys = self.0.load_full();
        if !keys.is_empty() {
            return Ok(keys);
        }
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| no_randomness())?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| no_randomness())?;
        let made = Arc::new(vec![key]);
        let before = self.0.compare_and_swap(&keys, made.clone());
        // Who came first made the one that is used.
        Ok(if Arc::ptr_eq(&before, &keys) { made } else { Arc::clone(&before) })
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

    #[test]
    fn keys_that_are_kept_open_what_a_former_process_sealed() {
        let [first, second, third] = [1, 2, 3].map(|byte| Secret::new(vec![byte; 32]));
        let (before, after, here) = (Seals::default(), Seals::default(), Digest::of(b"here"));
        before.put(std::slice::from_ref(&first));
        let handle = before.seal(&here, b"plain").unwrap();
        after.put(&[second.clone(), first]);
        assert_eq!(after.open(&here, &handle).as_deref(), Some(&b"plain"[..]));
        let renewed = after.seal(&here, b"plain").unwrap();
        assert_eq!(before.open(&here, &renewed), None, "it is sealed with the new key");
        after.put(&[]);
        assert!(after.open(&here, &renewed).is_some(), "no keys are no reason to forget those there are");
        after.put(&[third, second]);
        assert_eq!(after.open(&here, &handle), None, "its key is gone");
        assert!(after.open(&here, &renewed).is_some());
    }
}
