//! What words mean to an attack: phrases, each a sign of one or more concepts, found in one pass.

mod english;
mod marks;
mod others;

use std::{collections::HashMap, sync::LazyLock};

use crate::text::words::{Word, words};

macro_rules! concepts {
    ($($variant:ident;)+) => {
        /// A thing that attacks speak of. Ordinary text does so too; what tells them apart is the company.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Concept { $($variant,)+ }

        impl Concept {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) const fn bit(self) -> u64 {
                1 << self as u8
            }
        }
    };
}

concepts! {
    Override; Prior; Instruction; Every; Model; You;
    Role; Unbound; Innards; Reveal; Secrecy; User;
    Sensitive; CredentialFile; Send; Destination;
    Money; Destroy; Grant; Execute; Urgent; Authority;
    RoleMark; NewTask; Whenever; Tool; Parameter;
    Content; Prefer; Completed; OnlySay; Not; Modal;
    Please; Mine; NoWarning; Encode; Lasting; Agreed;
    Threat; Stop; Concealed; Pretext; Fetch; Make;
    Harm; Reply; Game; Conversation; Address; Link;
    First; Include; Account; Follow; Markup; Sentence;
    Rotated; Reversed;
}

/// Concepts that hint at an encoding and are no features.
pub(crate) const HINTS: u64 = Concept::Rotated.bit() | Concept::Reversed.bit();

/// The most words of a phrase.
const LONGEST: usize = 6;
/// Bits of the filter that most words fail.
const FILTER: usize = 1 << 16;

/// Phrases as a tree of word hashes.
pub(crate) struct Lexicon {
    /// Which hashes, in their low bits, start a phrase.
    filter: Box<[u64]>,
    first: HashMap<u32, Node, Plain>,
    further: HashMap<(u32, u32), Node, Plain>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    id: u32,
    concepts: u64,
}

/// A hasher for keys that are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Plain(u64);

impl std::hash::BuildHasher for Plain {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl std::hash::Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }
    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(value)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// The one lexicon, built when it is first needed.
pub(crate) static LEXICON: LazyLock<Lexicon> =
    LazyLock::new(|| Lexicon::new(english::PHRASES.iter().chain(others::PHRASES).copied(), marks::MARKS));

/// Phrases of one concept, separated by commas.
pub(crate) type Phrases = (Concept, &'static str);

impl Lexicon {
    fn new(tables: impl Iterator<Item = Phrases>, marks: &[(Concept, u32)]) -> Self {
        let mut lexicon = Self {
            filter: vec![0; FILTER / 64].into(),
            first: HashMap::default(),
            further: HashMap::default(),
        };
        let mut ids = 0;
        for (concept, list) in tables {
            for phrase in list.split(',') {
                let mut found = Vec::new();
                words(phrase.trim(), 0, LONGEST, &mut found);
                let hashes: Vec<u32> = found.iter().map(|word| word.hash).collect();
                lexicon.insert(&hashes, concept, &mut ids);
            }
        }
        for (concept, mark) in marks {
            lexicon.insert(&[*mark], *concept, &mut ids);
        }
        lexicon
    }

    fn insert(&mut self, hashes: &[u32], concept: Concept, ids: &mut u32) {
        let Some((first, rest)) = hashes.split_first() else { return };
        if let Some(slot) = self.filter.get_mut(*first as usize % FILTER / 64) {
            *slot |= 1 << (first % 64);
        }
        let mut fresh = || {
            *ids += 1;
            Node { id: *ids, concepts: 0 }
        };
        let mut node = self.first.entry(*first).or_insert_with(&mut fresh);
        for hash in rest {
            let id = node.id;
            node = self.further.entry((id, *hash)).or_insert_with(&mut fresh);
        }
        node.concepts |= concept.bit();
    }

    /// The concepts of every phrase that starts at the first of `words`.
    #[inline]
    pub(crate) fn at(&self, words: &[Word]) -> u64 {
        let Some((first, rest)) = words.split_first() else { return 0 };
        let slot = self.filter.get(first.hash as usize % FILTER / 64).copied().unwrap_or(0);
        if slot >> (first.hash % 64) & 1 == 0 {
            return 0;
        }
        self.walk(first.hash, rest)
    }

    fn walk(&self, first: u32, rest: &[Word]) -> u64 {
        let Some(mut node) = self.first.get(&first) else { return 0 };
        let mut concepts = node.concepts;
        for word in rest.iter().take(LONGEST) {
            match self.further.get(&(node.id, word.hash)) {
                Some(next) => node = next,
                None => break,
            }
            concepts |= node.concepts;
        }
        concepts
    }
}
