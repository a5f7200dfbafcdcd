//! Nonces that need no memory.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hmac::{HMAC_SHA256, Key, sign},
    rand::SystemRandom,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// How long a nonce is given out, in seconds; it is taken for as long again.
const PERIOD: u64 = 120;
/// Bytes of a nonce.
const SIZE: usize = 16;

/// Gives out nonces: the period it is, under a key that lives as long as the process.
pub(super) struct Nonces(Option<Key>);

impl Nonces {
    /// Without randomness there is no key, and no nonce is ever right.
    pub(super) fn new() -> Self {
        Self(Key::generate(HMAC_SHA256, &SystemRandom::new()).ok())
    }

    pub(super) fn at(&self, now: u64) -> String {
        self.of(now / PERIOD)
    }

    pub(super) fn knows(&self, nonce: &str, now: u64) -> bool {
        let period = now / PERIOD;
        let known = [period, period.saturating_sub(1)];
        self.0.is_some()
            && known
                .iter()
                .any(|it| verify_slices_are_equal(self.of(*it).as_bytes(), nonce.as_bytes()).is_ok())
    }

    fn of(&self, period: u64) -> String {
        let Some(key) = &self.0 else { return String::new() };
        let tag = sign(key, &period.to_be_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..SIZE).unwrap_or_default())
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_this_period_and_the_next() {
        let (nonces, others) = (Nonces::new(), Nonces::new());
        let nonce = nonces.at(PERIOD);
        for (now, good) in [(PERIOD, true), (3 * PERIOD - 1, true), (3 * PERIOD, false), (PERIOD - 1, false)]
        {
            assert_eq!(nonces.knows(&nonce, now), good, "{now}");
        }
        assert!(!others.knows(&nonce, PERIOD), "another process");
        assert!(!nonces.knows("", PERIOD));
    }
}
