//! Every detector over one string.

use std::{borrow::Cow, ops::Range};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;

use super::{Canaries, DataClass, Hit, marked, numbers, tokens};
use crate::text::blocks::{self, BLOCK};

/// Strings that are shorter hold no secret but a canary.
pub(super) const SHORTEST: usize = 8;
/// Shortest run that can be the beginning of the number of an account.
const SHORTEST_ACCOUNT: usize = 4;
/// Shortest run that can be a token.
const SHORTEST_RUN: usize = 16;
/// Longest blob that is decoded, in characters of base64.
const LONGEST_BLOB: usize = 8 << 20;

/// Finds data in `text`, in order and without overlaps. `name` is that of the member whose value it is.
pub(super) fn scan(text: &str, name: Option<&[u8]>, canaries: &Canaries) -> Vec<Hit> {
    let mut hits = Vec::new();
    if text.len() >= SHORTEST {
        runs(text, &mut hits);
        numbers::find(text, &mut hits);
        marked::private_keys(text, &mut hits);
        marked::in_urls(text, &mut hits);
        marked::assigned(text, &mut hits);
        if name.is_some_and(marked::names_secret) && marked::is_secret(text.as_bytes()) {
            hits.push(Hit { class: DataClass::Password, what: "secret", at: 0..text.len() });
        }
    }
    for word in canaries.words() {
        let found = memmem::find_iter(text.as_bytes(), word);
        hits.extend(found.map(|at| Hit {
            class: DataClass::Canary,
            what: "canary",
            at: at..at + word.len(),
        }));
    }
    if hits.len() > 1 {
        disjoint(&mut hits);
    }
    hits
}

/// Long runs of the characters of tokens.
fn runs(text: &str, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for base in (0..bytes.len()).step_by(BLOCK) {
        let mut ends = !blocks::mask(&blocks::block(bytes, base), tokens::in_token_lanes);
        while ends != 0 {
            let at = base + ends.trailing_zeros() as usize;
            if at >= bytes.len() {
                break;
            }
            ends &= ends - 1;
            if at - start >= SHORTEST_ACCOUNT {
                run(text, start..at, hits);
            }
            start = at + 1;
        }
    }
    if bytes.len() - start >= SHORTEST_ACCOUNT {
        run(text, start..bytes.len(), hits);
    }
}

/// A run of the characters of tokens, as long as it can be.
fn run(text: &str, at: Range<usize>, hits: &mut Vec<Hit>) {
    let Some(run) = text.get(at.clone()) else { return };
    if at.len() >= SHORTEST_RUN {
        tokens::find(run, at.start, hits);
        marked::jwt(run, at.start, hits);
        person(run, at.start, hits);
    }
    if run.as_bytes().first().is_some_and(u8::is_ascii_uppercase) {
        account(text.as_bytes(), at.start, hits);
    }
    if (9..16).contains(&at.len()) && numbers::nie(run.as_bytes()) {
        hits.push(Hit { class: DataClass::NationalId, what: "nie", at });
    }
}

fn account(bytes: &[u8], start: usize, hits: &mut Vec<Hit>) {
    let found = bytes.get(start..).and_then(numbers::iban);
    if let Some(length) = found {
        hits.push(Hit { class: DataClass::Iban, what: "iban", at: start..start + length });
    }
}

fn person(run: &str, start: usize, hits: &mut Vec<Hit>) {
    if numbers::codice_fiscale(run.as_bytes()) {
        hits.push(Hit { class: DataClass::NationalId, what: "codice-fiscale", at: start..start + run.len() });
    }
}

/// Of hits that overlap, the more telling class covers all of it.
fn disjoint(hits: &mut Vec<Hit>) {
    hits.sort_by_key(|hit| (hit.at.start, hit.class));
    let mut kept: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits.drain(..) {
        match kept.last_mut().filter(|last| hit.at.start < last.at.end) {
            Some(last) => {
                if hit.class == DataClass::Canary || last.class != DataClass::Canary && hit.class < last.class
                {
                    (last.class, last.what) = (hit.class, hit.what);
                }
                last.at.end = last.at.end.max(hit.at.end);
            }
            None => kept.push(hit),
        }
    }
    *hits = kept;
}

/// The text of a string that is base64 of text as a whole.
pub(super) fn decoded(text: &str) -> Option<String> {
    let shaped = (24..=LONGEST_BLOB).contains(&text.len()) && text.len().is_multiple_of(4);
    if !shaped || !text.bytes().take(64).all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)) {
        return None;
    }
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

pub(super) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// The text with `with(hit)` in place of each hit that has one.
pub(super) fn replaced<'t>(
    text: &'t str,
    hits: &[Hit],
    mut with: impl FnMut(&Hit) -> Option<String>,
) -> Cow<'t, str> {
    let changes: Vec<(Range<usize>, String)> =
        hits.iter().filter_map(|hit| Some((hit.at.clone(), with(hit)?))).collect();
    if changes.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, word) in changes {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(&word);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}
