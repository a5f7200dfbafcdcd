//! Browsers on their way through the pages. A browser is known by a cookie that nobody else has, for some minutes.

use std::{collections::HashMap, net::IpAddr};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use portcullis_core::Digest;

use super::Ticket;
use crate::{Authenticated, PendingConnection};

/// `__Host-`: set by this very host, over TLS, for all of it (RFC 6265bis section 4.1.3.2).
const COOKIE: &str = "__Host-portcullis";
/// How long somebody may take for one step, in milliseconds.
const LASTING_MS: u64 = 10 * 60 * 1000;
/// Browsers at a time. Of whoever has most of them the one that has waited longest makes room.
const MOST: usize = 1_000;
/// Browsers of one owner of tickets; the one that has waited longest makes room. A ticket is its owner's to open, so nobody
/// can push out anybody else's.
const MOST_OF_OWNER: usize = 8;
/// Browsers from one address, which may be that of many people. Beyond it nobody from there gets a place.
const MOST_OF_ADDRESS: usize = 256;

/// How far a browser has come.
pub(super) enum Stage {
    /// It was sent to the issuer.
    SigningIn(PendingConnection),
    /// Its person was asked, and this token is in the form.
    Asked { person: Authenticated, form: String },
    /// It was sent to the server's authorization server.
    Connecting { person: Authenticated, pending: PendingConnection },
}

/// A browser.
pub(super) struct Browser {
    pub(super) ticket: Ticket,
    pub(super) stage: Stage,
    address: Option<IpAddr>,
    until_ms: u64,
}

/// All of them, by the digest of their cookies.
#[derive(Default)]
pub(super) struct Browsers(Mutex<HashMap<Digest, Browser>>);

impl Browsers {
    /// Remembers a browser and returns the cookie to set; none where there is no place for it.
    pub(super) fn add(
        &self,
        ticket: Ticket,
        stage: Stage,
        address: Option<IpAddr>,
        now_ms: u64,
    ) -> Option<String> {
        let cookie = random()?;
        let mut browsers = self.0.lock();
        browsers.retain(|_, browser| now_ms < browser.until_ms);
        let from_there = browsers.values().filter(|it| address.is_some() && it.address == address).count();
        if from_there >= MOST_OF_ADDRESS {
            return None;
        }
        if browsers.values().filter(|it| it.ticket.owner == ticket.owner).count() >= MOST_OF_OWNER {
            drop_oldest(&mut browsers, &ticket.owner);
        } else if browsers.len() >= MOST {
            let greediest = greediest(&browsers)?;
            drop_oldest(&mut browsers, &greediest);
        }
        let until_ms = now_ms.saturating_add(LASTING_MS);
        browsers.insert(Digest::of(cookie.as_bytes()), Browser { ticket, stage, address, until_ms });
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

/// The owner with the most browsers.
fn greediest(browsers: &HashMap<Digest, Browser>) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    browsers.values().for_each(|it| *counts.entry(&it.ticket.owner).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(owner, _)| owner.to_owned())
}

fn drop_oldest(browsers: &mut HashMap<Digest, Browser>, owner: &str) {
    let of_owner = browsers.iter().filter(|(_, it)| it.ticket.owner == owner);
    if let Some(oldest) = of_owner.min_by_key(|(_, it)| it.until_ms).map(|(key, _)| *key) {
        browsers.remove(&oldest);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use portcullis_core::{AuthMethod, Caller, Principal, PrincipalKind};

    use super::*;

    fn add(browsers: &Browsers, owner: &str, address: u8, now_ms: u64) -> Option<String> {
        let principal = Principal { kind: PrincipalKind::Oauth, id: owner.into() };
        let method = AuthMethod::BearerToken;
        let caller = Caller { principal, actor: None, tenant: None, method, grant: None };
        let stage = Stage::Asked { person: Authenticated::new(caller), form: "f".to_owned() };
        let cookie = browsers.add(
            Ticket::new(owner, "c", "s", now_ms),
            stage,
            Some([10, 0, 0, address].into()),
            now_ms,
        )?;
        cookie.split(';').next().map(str::to_owned)
    }

    fn is_there(browsers: &Browsers, cookie: &str) -> bool {
        // Looked at, not taken.
        browsers.0.lock().contains_key(&Digest::of(named(&[cookie]).unwrap().as_bytes()))
    }

    #[test]
    fn whoever_keeps_opening_links_pushes_out_nobody_else() {
        let browsers = Browsers::default();
        let alice = add(&browsers, "alice", 1, 0).unwrap();
        let first = add(&browsers, "mallory", 2, 1).unwrap();
        for n in 0..2_000 {
            assert!(add(&browsers, "mallory", 2, 2 + n).is_some());
        }
        assert!(is_there(&browsers, &alice) && !is_there(&browsers, &first));
        assert_eq!(browsers.0.lock().len(), 1 + MOST_OF_OWNER);
    }

    #[test]
    fn when_there_is_no_room_whoever_has_most_makes_some() {
        let browsers = Browsers::default();
        let alice = add(&browsers, "alice", 0, 0).unwrap();
        let crowd =
            |n: usize| add(&browsers, &format!("m{}", n / MOST_OF_OWNER), (n % 200) as u8, 1 + n as u64);
        (1..MOST).for_each(|n| assert!(crowd(n).is_some()));
        assert!(add(&browsers, "bob", 250, 5_000).is_some());
        assert!(is_there(&browsers, &alice), "she has one");
        assert_eq!(browsers.0.lock().len(), MOST);
    }

    #[test]
    fn one_address_does_not_take_every_place() {
        let browsers = Browsers::default();
        for n in 0..MOST_OF_ADDRESS {
            assert!(add(&browsers, &format!("m{n}"), 7, 0).is_some());
        }
        assert!(add(&browsers, "another", 7, 0).is_none());
        assert!(add(&browsers, "another", 8, 0).is_some());
        assert!(add(&browsers, "another", 7, LASTING_MS).is_some(), "places become free");
    }
}
