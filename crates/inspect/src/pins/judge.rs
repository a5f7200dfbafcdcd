//! Comparing what a server offers with its book.

use std::collections::HashSet;

use portcullis_core::{Digest, Hold, Offer, PinKind, PinNote, Review, Standing};
use serde::{Deserialize, Serialize};

use super::{
    book::{Book, Key},
    canonical::canonical,
    diff::diff,
    manifest::Manifest,
    pin::{By, HeldVersion, Pin, Version},
    rename::Likeness,
};
use crate::lint::look_of;

/// Pins one server may have. More would be remembered at a cost it decides.
const MOST: usize = 20_000;
/// Places told in a record.
const TOLD: usize = 12;

/// What is trusted without an operator's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Whatever is first seen under a name.
    #[default]
    FirstUse,
    /// What the first list of a server has on it; what is added later is held back.
    FirstList,
    /// Nothing.
    Approved,
    /// Nothing, nor on an operator's word: only what is in a signed list.
    Signed,
}

/// What a comparison came to. The book is not changed until [`Book::apply`].
#[derive(Clone, Debug)]
pub struct Judgement {
    pub(super) review: Review,
    pub(super) kind: PinKind,
    pub(super) updates: Vec<(Key, Pin)>,
    pub(super) first: bool,
}

impl Judgement {
    /// Whether applying it would change the book.
    pub fn changes_the_book(&self) -> bool {
        self.first || !self.updates.is_empty()
    }

    /// What became of the offers.
    pub fn into_review(self) -> Review {
        self.review
    }
}

/// A definition on offer in canonical form.
struct Offered {
    definition: String,
    digest: Digest,
}

impl Offered {
    fn held(self, reason: Hold, now_ms: u64, like: Option<String>) -> HeldVersion {
        let Self { definition, digest } = self;
        HeldVersion { reason, digest, definition, since_ms: now_ms, like }
    }
}

impl Book {
    /// Compares everything of one kind on offer with the book.
    ///
    /// What `signed` vouches for is trusted, whatever `trust` says; the signature has been verified.
    pub fn judge(
        &self,
        kind: PinKind,
        offers: &[Offer],
        trust: Trust,
        signed: Option<&Manifest>,
        now_ms: u64,
    ) -> Judgement {
        let first = !self.listed.contains(&kind);
        let names: HashSet<&str> = offers.iter().map(|offer| &*offer.name).collect();
        let mut bench =
            Bench { book: self, kind, trust, signed, first, now_ms, names: &names, missing: None, added: 0 };
        let mut review = Review::default();
        let mut updates = Vec::new();
        for offer in offers {
            let (standing, update, note) = bench.offer(offer);
            review.standings.push(standing);
            updates.extend(update.map(|pin| ((kind, offer.name.to_string()), pin)));
            review.notes.extend(note);
        }
        for (key, pin) in self.of_kind(kind).filter(|(key, pin)| pin.offered && !names.contains(&*key.1)) {
            let gone = Pin { offered: false, ..pin.clone() };
            updates.push((key.clone(), gone));
        }
        Judgement { review, kind, updates, first }
    }

    /// Writes a judgement into the book.
    pub fn apply(&mut self, judgement: Judgement) -> Review {
        self.listed.insert(judgement.kind);
        self.pins.extend(judgement.updates);
        judgement.review
    }
}

/// One comparison.
struct Bench<'b> {
    book: &'b Book,
    kind: PinKind,
    trust: Trust,
    signed: Option<&'b Manifest>,
    first: bool,
    now_ms: u64,
    names: &'b HashSet<&'b str>,
    /// Likenesses of what is pinned and not on offer any more, or not trusted; made when first needed.
    missing: Option<Vec<(String, Likeness)>>,
    added: usize,
}

type Answer = (Standing, Option<Pin>, Option<PinNote>);

impl Bench<'_> {
    fn offer(&mut self, offer: &Offer) -> Answer {
        let Ok(definition) = canonical(self.kind, &offer.raw) else {
            let detail = format!("{} `{}` is not strict JSON and is held back", self.kind, offer.name);
            return (Standing::Held(Hold::Unapproved), None, Some(PinNote { held: true, detail }));
        };
        let offered = Offered { digest: Digest::of(definition.as_bytes()), definition };
        let known = self.book.pins.get(&(self.kind, offer.name.to_string()));
        if self.signed.is_some_and(|it| it.vouches(self.kind, &offer.name, offered.digest)) {
            return self.vouched(offer, known, offered);
        }
        // Resources come and go with the data they stand for, and are in no list.
        if self.trust == Trust::Signed && self.kind != PinKind::Resource {
            return self.unsigned(offer, known, offered);
        }
        match known {
            Some(pin) => self.known(offer, pin, offered),
            None => self.unknown(offer, offered),
        }
    }

    /// In the signed list: trusted at once.
    fn vouched(&self, offer: &Offer, known: Option<&Pin>, offered: Offered) -> Answer {
        let before = known.cloned().unwrap_or_default();
        let same = before.trusted.as_ref().is_some_and(|it| it.digest == offered.digest);
        if same && before.offered && before.held.is_none() {
            return (Standing::Trusted, None, None);
        }
        let detail = format!("{} `{}` is in the signed list: {}", self.kind, offer.name, offered.digest);
        let Offered { digest, definition } = offered;
        let mut pin = Pin { held: None, offered: true, ..before };
        if !same {
            pin.trust(Version { digest, definition, since_ms: self.now_ms, by: By::Manifest });
        }
        (Standing::Trusted, Some(pin), Some(PinNote { held: false, detail }))
    }

    /// Not in it, where nothing else may be used.
    fn unsigned(&self, offer: &Offer, known: Option<&Pin>, offered: Offered) -> Answer {
        let standing = Standing::Held(Hold::Unsigned);
        let before = known.cloned().unwrap_or_default();
        let same = |held: &HeldVersion| held.digest == offered.digest && held.reason == Hold::Unsigned;
        if before.offered && before.held.as_ref().is_some_and(same) {
            return (standing, None, None);
        }
        let note = PinNote { held: true, detail: self.change(offer, &before, &offered) };
        let held = Some(offered.held(Hold::Unsigned, self.now_ms, None));
        (standing, Some(Pin { held, offered: true, ..before }), Some(note))
    }

    fn known(&self, offer: &Offer, pin: &Pin, offered: Offered) -> Answer {
        if pin.trusted.as_ref().is_some_and(|it| it.digest == offered.digest) {
            if pin.held.is_none() && pin.offered {
                return (Standing::Trusted, None, None);
            }
            let detail =
                format!("{} `{}` is what was trusted again: {}", self.kind, offer.name, offered.digest);
            let note = pin.held.is_some().then_some(PinNote { held: false, detail });
            return (Standing::Trusted, Some(Pin { held: None, offered: true, ..pin.clone() }), note);
        }
        let reason = match (&pin.trusted, &pin.held) {
            _ if pin.rejected.contains(&offered.digest) => Hold::Rejected,
            (Some(_), _) => Hold::Changed,
            (None, Some(held)) if matches!(held.reason, Hold::Renamed | Hold::Confusable) => held.reason,
            (None, _) => Hold::Unapproved,
        };
        let standing = Standing::Held(reason);
        let same = |held: &HeldVersion| held.digest == offered.digest && held.reason == reason;
        if pin.offered && pin.held.as_ref().is_some_and(same) {
            return (standing, None, None);
        }
        let note = PinNote { held: true, detail: self.change(offer, pin, &offered) };
        let like = pin.held.as_ref().and_then(|held| held.like.clone());
        let held = Some(offered.held(reason, self.now_ms, like));
        (standing, Some(Pin { held, offered: true, ..pin.clone() }), Some(note))
    }

    /// What changed and where, for the record.
    fn change(&self, offer: &Offer, pin: &Pin, offered: &Offered) -> String {
        let what = format!("{} `{}`", self.kind, offer.name);
        let Some(trusted) = &pin.trusted else {
            return format!("{what} is held back: {}", offered.digest);
        };
        let mut places: Vec<String> =
            diff(&trusted.definition, &offered.definition).into_iter().map(|it| it.pointer).collect();
        let more = places.len().saturating_sub(TOLD);
        places.truncate(TOLD);
        if more > 0 {
            places.push(format!("{more} more places"));
        }
        let at = places.iter().map(|place| if place.is_empty() { "the whole" } else { place });
        let at = at.collect::<Vec<_>>().join(", ");
        format!("{what} changed at {at}: {} was trusted, {} is held back", trusted.digest, offered.digest)
    }

    fn unknown(&mut self, offer: &Offer, offered: Offered) -> Answer {
        if self.book.pins.len().saturating_add(self.added) >= MOST {
            let detail =
                format!("{} `{}` is one more than the {MOST} pins a server may have", self.kind, offer.name);
            return (Standing::Held(Hold::Full), None, Some(PinNote { held: true, detail }));
        }
        self.added = self.added.saturating_add(1);
        let like = if self.first { None } else { self.like(&offered) };
        let hold = match &like {
            Some(_) => Some(Hold::Renamed),
            None if self.is_confusable(&offer.name) => Some(Hold::Confusable),
            None if self.trusts() => None,
            None => Some(Hold::Unapproved),
        };
        let what = format!("{} `{}`", self.kind, offer.name);
        let detail = match (&like, hold) {
            (Some(like), _) => {
                format!("{what} looks like `{like}` renamed and is held back: {}", offered.digest)
            }
            (None, Some(Hold::Confusable)) => {
                format!("{what} has a name that looks like another one and is held back: {}", offered.digest)
            }
            (None, Some(_)) => format!("{what} is new and held back: {}", offered.digest),
            (None, None) => format!("{what} is trusted on first use: {}", offered.digest),
        };
        // A whole first list is one record, that of the list.
        let note = (hold.is_some() || !self.first).then_some(PinNote { held: hold.is_some(), detail });
        let mut pin = Pin { offered: true, ..Pin::default() };
        match hold {
            Some(reason) => pin.held = Some(offered.held(reason, self.now_ms, like)),
            None => {
                let Offered { digest, definition } = offered;
                pin.trusted = Some(Version { digest, definition, since_ms: self.now_ms, by: By::FirstUse });
            }
        }
        (hold.map_or(Standing::Trusted, Standing::Held), Some(pin), note)
    }

    /// Whether a tool's or prompt's name is written with letters that only look like those of another one. Names in
    /// plain letters are compared by people who can see the difference, and by `portcullis scan`.
    fn is_confusable(&self, name: &str) -> bool {
        let named = matches!(self.kind, PinKind::Tool | PinKind::Prompt);
        if !named || name.is_ascii() {
            return false;
        }
        let look = look_of(name);
        let pinned = self.book.of_kind(self.kind).map(|(key, _)| key.1.as_str());
        self.names.iter().copied().chain(pinned).any(|other| other != name && look_of(other) == look)
    }

    fn trusts(&self) -> bool {
        match (self.trust, self.kind) {
            // Resources come and go with the data they stand for.
            (_, PinKind::Resource) | (Trust::FirstUse, _) => true,
            (Trust::FirstList, _) => self.first,
            (Trust::Approved | Trust::Signed, _) => false,
        }
    }

    /// The name of what this is another name for: something trusted that is not on offer any more, or something
    /// held back. Otherwise a new name would be all it takes to leave a quarantine.
    fn like(&mut self, offered: &Offered) -> Option<String> {
        if !matches!(self.kind, PinKind::Tool | PinKind::Prompt) {
            return None;
        }
        let (book, kind, names) = (self.book, self.kind, self.names);
        let missing = self.missing.get_or_insert_with(|| {
            let away = book.of_kind(kind).filter(|(key, pin)| pin.held.is_some() || !names.contains(&*key.1));
            away.flat_map(|(key, pin)| {
                let texts = pin.trusted.iter().map(|it| &it.definition);
                let texts = texts.chain(pin.held.iter().map(|it| &it.definition));
                texts.map(|text| (key.1.clone(), Likeness::of(text))).collect::<Vec<_>>()
            })
            .collect()
        });
        let own = Likeness::of(&offered.definition);
        missing.iter().find(|(_, likeness)| likeness.is_like(&own)).map(|(name, _)| name.clone())
    }
}
