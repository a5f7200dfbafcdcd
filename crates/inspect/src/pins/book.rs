//! All pins of one server, and what an operator decides about them.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{Hold, PinKind, PinNote};

use super::pin::{By, HeldVersion, Pin, Version};

pub(super) type Key = (PinKind, String);

/// The pins of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    pub(super) pins: BTreeMap<Key, Pin>,
    /// Kinds that have been looked at before.
    pub(super) listed: BTreeSet<PinKind>,
}

/// Why a decision cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionFault {
    /// Nothing of that name is pinned.
    #[error("there is no pin of {kind} `{name}`")]
    Unknown {
        /// The kind asked for.
        kind: PinKind,
        /// The name asked for.
        name: String,
    },
    /// Nothing is held back under that name.
    #[error("nothing is held back under {kind} `{name}`")]
    NothingHeld {
        /// The kind asked for.
        kind: PinKind,
        /// The name asked for.
        name: String,
    },
    /// Nothing was trusted before.
    #[error("{kind} `{name}` has no earlier version")]
    NoEarlier {
        /// The kind asked for.
        kind: PinKind,
        /// The name asked for.
        name: String,
    },
}

impl Book {
    /// Every pin, by kind and name.
    pub fn pins(&self) -> impl Iterator<Item = (PinKind, &str, &Pin)> {
        self.pins.iter().map(|((kind, name), pin)| (*kind, name.as_str(), pin))
    }

    /// The pin of that name.
    pub fn get(&self, kind: PinKind, name: &str) -> Option<&Pin> {
        self.pins.get(&(kind, name.to_owned()))
    }

    pub(super) fn of_kind(&self, kind: PinKind) -> impl Iterator<Item = (&Key, &Pin)> {
        self.pins.range((kind, String::new())..).take_while(move |((of, _), _)| *of == kind)
    }

    /// What may be used now and could not before, or the other way round.
    pub fn changes_since(&self, before: &Self) -> Vec<(PinKind, PinNote)> {
        let mut keys: Vec<&Key> = self.pins.keys().chain(before.pins.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let trusted = |book: &'_ Self, key: &Key| book.pins.get(key).and_then(|pin| pin.trusted.clone());
        let changed = |key: &&Key| {
            let digest = |version: Option<Version>| version.map(|it| it.digest);
            digest(trusted(self, key)) != digest(trusted(before, key))
        };
        let note = |key: &Key| {
            let (kind, name) = key;
            let detail = match trusted(self, key) {
                Some(now) => format!("{kind} `{name}` is trusted {}: {}", now.by, now.digest),
                None => format!("{kind} `{name}` is not trusted any more"),
            };
            (*kind, PinNote { held: trusted(self, key).is_none(), detail })
        };
        keys.into_iter().filter(changed).map(note).collect()
    }

    /// Trusts what is held back under this name.
    ///
    /// # Errors
    /// When nothing is.
    pub fn approve(&mut self, kind: PinKind, name: &str, uid: u32, now_ms: u64) -> Result<(), DecisionFault> {
        let pin = self.known(kind, name)?;
        let held = pin.held.take().ok_or(DecisionFault::NothingHeld { kind, name: name.to_owned() })?;
        pin.rejected.retain(|digest| *digest != held.digest);
        let HeldVersion { digest, definition, .. } = held;
        pin.trust(Version { digest, definition, since_ms: now_ms, by: By::Operator { uid } });
        Ok(())
    }

    /// Rejects what is held back under this name; when nothing is, what is trusted.
    ///
    /// # Errors
    /// When there is neither.
    pub fn reject(&mut self, kind: PinKind, name: &str, now_ms: u64) -> Result<(), DecisionFault> {
        let pin = self.known(kind, name)?;
        if let Some(held) = &mut pin.held {
            held.reason = Hold::Rejected;
            let digest = held.digest;
            pin.note_rejected(digest);
            return Ok(());
        }
        let trusted = pin.trusted.take().ok_or(DecisionFault::NothingHeld { kind, name: name.to_owned() })?;
        pin.note_rejected(trusted.digest);
        let (digest, definition) = (trusted.digest, trusted.definition.clone());
        pin.held =
            Some(HeldVersion { reason: Hold::Rejected, digest, definition, since_ms: now_ms, like: None });
        pin.earlier.push(trusted);
        Ok(())
    }

    /// Trusts again what was trusted before, and rejects what is trusted now.
    ///
    /// # Errors
    /// When there is no earlier version.
    pub fn roll_back(
        &mut self,
        kind: PinKind,
        name: &str,
        uid: u32,
        now_ms: u64,
    ) -> Result<(), DecisionFault> {
        let pin = self.known(kind, name)?;
        let earlier = pin.earlier.pop().ok_or(DecisionFault::NoEarlier { kind, name: name.to_owned() })?;
        pin.rejected.retain(|digest| *digest != earlier.digest);
        if let Some(now) = pin.trusted.take() {
            pin.note_rejected(now.digest);
            let Version { digest, definition, .. } = now;
            let held =
                HeldVersion { reason: Hold::Rejected, digest, definition, since_ms: now_ms, like: None };
            pin.held.get_or_insert(held);
        }
        pin.held = pin.held.take().filter(|held| held.digest != earlier.digest);
        pin.trusted = Some(Version { since_ms: now_ms, by: By::Operator { uid }, ..earlier });
        Ok(())
    }

    fn known(&mut self, kind: PinKind, name: &str) -> Result<&mut Pin, DecisionFault> {
        let unknown = DecisionFault::Unknown { kind, name: name.to_owned() };
        self.pins.get_mut(&(kind, name.to_owned())).ok_or(unknown)
    }
}
