//! Browsers on their way through the pages. A browser is known by a cookie that nobody else has, for some minutes.

use std::collections::HashMap;

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use portcullis_core::{Digest, Principal};

use super::Ticket;
use crate::PendingConnection;

/// `__Host-`: set by this very host, over TLS, for all of it (RFC 6265bis section 4.1.3.2).
const COOKIE: &str = "__Host-portcullis";
/// How long somebody may take for one step, in milliseconds.
const LASTING_MS: u64 = 10 * 60 * 1000;
/// Browsers at a time; the one that has waited longest makes room.
const MOST: usize = 1_000;

/// How far a browser has come.
pub(super) enum Stage {
    /// It was sent to the issuer.
    SigningIn(PendingConnection),
    /// Its person was asked, and this token is in the form.
    Asked { person: Principal, form: String },
    /// It was sent to the server's authorization server.
    Connecting(PendingConnection),
}

/// A browser.
pub(super) struct Browser {
    pub(super) ticket: Ticket,
    pub(super) stage: Stage,
    until_ms: u64,
}

/// All of them, by the digest of their cookies.
#[derive(Default)]
pub(super) struct Browsers(Mutex<HashMap<Digest, Browser>>);

impl Browsers {
    /// Remembers a browser and returns the cookie to set.
    pub(super) fn add(&self, ticket: Ticket, stage: Stage, now_ms: u64) -> Option<String> {
        let cookie = random()?;
        let mut browsers = self.0.lock();
        browsers.retain(|_, browser| now_ms < browser.until_ms);
        if browsers.len() >= MOST
            && let Some(oldest) = browsers.iter().min_by_key(|(_, it)| it.until_ms).map(|(key, _)| *key)
        {
            browsers.remove(&oldest);
        }
        let until_ms = now_ms.saturating_add(LASTING_MS);
        browsers.insert(Digest::of(cookie.as_bytes()), Browser { ticket, stage, until_ms });
        Some(format!(
            "{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
            LASTING_MS / 1000
        ))
    }

    /// Takes the browser with this cookie, when it is at a stage that fits: each step is taken once.
    pub(super) fn take(
        &self,
        cookies: &[&str],
        now_ms: u64,
        fits: impl FnOnce(&Stage) -> bool,
    ) -> Option<Browser> {
        let key = Digest::of(named(cookies)?.as_bytes());
        let mut browsers = self.0.lock();
        browsers.get(&key).filter(|it| now_ms < it.until_ms && fits(&it.stage))?;
        browsers.remove(&key)
    }
}

/// The cookie, given once.
fn named<'c>(cookies: &[&'c str]) -> Option<&'c str> {
    let pairs =
        cookies.iter().flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

/// 32 random bytes as text.
pub(super) fn random() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
