//! What a caller is given to open in a browser: sealed, so that nobody can make, read or change one.

use std::sync::LazyLock;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// How long a link can be opened, in milliseconds.
const LASTING_MS: u64 = 10 * 60 * 1000;
/// Longest ticket that is looked at, in bytes.
const LONGEST: usize = 4 * 1024;

/// Lives as long as the process, through every reload.
static KEY: LazyLock<Option<RandomizedNonceKey>> = LazyLock::new(|| {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()
});
const PURPOSE: &[u8] = b"consent ticket";

/// Who may connect to what, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// Whose connection it will be.
    pub(crate) owner: String,
    /// The client that is to use it.
    pub(crate) client: String,
    /// The server, by its name.
    pub(crate) server: String,
    /// When it ends, in milliseconds since 1970.
    until_ms: u64,
}

impl Ticket {
    pub(crate) fn new(owner: &str, client: &str, server: &str, now_ms: u64) -> Self {
        let until_ms = now_ms.saturating_add(LASTING_MS);
        Self { owner: owner.to_owned(), client: client.to_owned(), server: server.to_owned(), until_ms }
    }

    /// As it stands in a link; none when the system has no randomness.
    pub(crate) fn sealed(&self) -> Option<String> {
        let mut text = serde_json::to_vec(self).ok()?;
        let nonce = KEY.as_ref()?.seal_in_place_append_tag(Aad::from(PURPOSE), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &text].concat()))
    }

    /// A ticket of this gateway's that is not over.
    pub(super) fn open(text: &str, now_ms: u64) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = KEY.as_ref()?.open_in_place(nonce, Aad::from(PURPOSE), sealed).ok()?;
        let ticket: Self = serde_json::from_slice(plain).ok()?;
        (now_ms < ticket.until_ms).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use super::*;

    #[test]
    fn a_ticket_is_good_unchanged_and_for_a_while() {
        let ticket = Ticket::new("oauth:corp:alice", "https://as.test editor", "notes", 1_000);
        let sealed = ticket.sealed().unwrap();
        assert!(!sealed.contains("alice"));
        assert_eq!(Ticket::open(&sealed, 1_000), Some(ticket.clone()));
        assert_eq!(Ticket::open(&sealed, 1_000 + LASTING_MS), None, "over");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_ne!(Ticket::open(&changed, 1_000).as_ref(), Some(&ticket), "{at}");
        }
        for nonsense in ["", "A", &"A".repeat(LONGEST + 1)] {
            assert_eq!(Ticket::open(nonsense, 1_000), None);
        }
    }
}
