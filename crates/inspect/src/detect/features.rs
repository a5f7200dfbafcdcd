//! From words to what the model weighs: concepts, the order they come in, and what stands together.
//!
//! A text is cut into *units*, sentences or lines of 6 to 40 words. A *window* is one unit, or two that
//! follow each other, about 500 characters at most. Windows are scored by themselves and the highest
//! counts, so that an attack is not diluted by the text it hides in.

use super::{
    lexicon::{Concept, HINTS, LEXICON},
    rules::{RULES, Rule},
};
use crate::text::words::{Word, flag, words};

/// Units are not cut shorter than this many words if the text goes on.
const SHORTEST: usize = 6;
/// Units are cut at this many words.
const LONGEST: usize = 40;
/// Words in the buffer.
const BUFFER: usize = 1024;
/// How far apart, in words, two concepts can be and still make an ordered pair.
const NEAR: u32 = 9;
/// Concepts remembered for pairs.
const RECENT: usize = 10;

const CONCEPTS: u32 = 64;
/// Layout of the feature space.
pub(crate) const PRESENT: u32 = 0;
pub(crate) const LEADING: u32 = PRESENT + CONCEPTS;
pub(crate) const SHAPE: u32 = LEADING + CONCEPTS;
pub(crate) const SHAPES: u32 = 64;
pub(crate) const RULE: u32 = SHAPE + SHAPES;
pub(crate) const MAX_RULES: u32 = 64;
pub(crate) const ORDERED: u32 = RULE + MAX_RULES;
pub(crate) const TOGETHER: u32 = ORDERED + CONCEPTS * CONCEPTS;
pub(crate) const WORD: u32 = TOGETHER + CONCEPTS * CONCEPTS;
/// Buckets for words and pairs of words.
pub(crate) const WORDS: u32 = 1 << 14;
/// How many features there are.
pub(crate) const FEATURES: usize = (WORD + WORDS) as usize;

const _: () = assert!(Concept::ALL.len() <= CONCEPTS as usize);
const _: () = assert!(RULES.len() <= MAX_RULES as usize);

/// Takes features as they are found.
pub(crate) trait Sink {
    /// A feature of the unit at hand.
    fn unit(&mut self, feature: u32);
    /// A feature of the window at hand.
    fn window(&mut self, feature: u32);
    /// Whether the unit, or the window of the last unit alone or of the last two, is worth going on with.
    /// Called when everything cheap about it has been reported.
    fn worth(&self, of: Part) -> bool;
    /// The unit is complete: the next features are of the next one.
    fn end_unit(&mut self);
    /// The window of the last unit alone, or of the last two, is complete.
    fn end_window(&mut self, window: Window);
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Unit,
    Window { double: bool },
}

/// Where a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// In bytes of the text.
    pub(crate) start: u32,
    /// Just behind the last word's first byte.
    pub(crate) end: u32,
    /// Its concepts, one bit each.
    pub(crate) concepts: u64,
    /// Whether it is two units.
    pub(crate) double: bool,
}

/// Which parts of a text show signs of being, or holding, an encoded one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    parts: [Vec<std::ops::Range<usize>>; Sign::ALL.len()],
}

/// A sign of an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Long runs of letters and digits, or bytes in hexadecimal.
    Run,
    /// Digits within words.
    Leet,
    /// Letters that stand alone.
    Single,
    /// Escapes.
    Escaped,
    /// Frequent words, moved by thirteen.
    Rotated,
    /// Frequent words, from right to left.
    Reversed,
}

impl Sign {
    pub(crate) const ALL: [Self; 6] =
        [Self::Run, Self::Leet, Self::Single, Self::Escaped, Self::Rotated, Self::Reversed];

    /// How many words of a unit have to show it.
    fn least(self) -> u32 {
        match self {
            Self::Run => 1,
            Self::Leet => 3,
            Self::Single => 6,
            Self::Escaped | Self::Rotated | Self::Reversed => 2,
        }
    }
}

impl Hints {
    /// The parts of a text that show `sign`.
    pub(crate) fn parts(&self, sign: Sign) -> &[std::ops::Range<usize>] {
        self.parts.get(sign as usize).map_or(&[], Vec::as_slice)
    }

    /// Notes a unit from `start` to `end` whose words show signs this often; `before` is where the unit
    /// before it started.
    fn note(&mut self, counts: &[u32; Sign::ALL.len()], before: usize, start: usize, end: usize) {
        for (sign, count) in Sign::ALL.into_iter().zip(counts) {
            if *count < sign.least() {
                continue;
            }
            let Some(parts) = self.parts.get_mut(sign as usize) else { continue };
            match parts.last_mut() {
                Some(last) if last.end >= before => last.end = end,
                _ => parts.push(start..end),
            }
        }
    }
}

/// How often the words of a unit show each sign.
#[derive(Default)]
struct Signs {
    counts: [u32; Sign::ALL.len()],
    pairs: u32,
}

impl Signs {
    #[inline]
    fn add(&mut self, word: &Word, concepts: u64) {
        const ANY: u16 = flag::LONG | flag::LEET | flag::SINGLE | flag::ESCAPED | flag::PAIR;
        if word.flags & ANY == 0 && concepts & HINTS == 0 {
            return;
        }
        let has = |bit| u32::from(word.flags & bit != 0);
        let means = |concept: Concept| u32::from(concepts & concept.bit() != 0);
        self.pairs += has(flag::PAIR);
        let more = [
            has(flag::LONG) + u32::from(self.pairs == BYTES),
            has(flag::LEET),
            has(flag::SINGLE),
            has(flag::ESCAPED),
            means(Concept::Rotated),
            means(Concept::Reversed),
        ];
        self.counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
    }
}

/// Words of two hexadecimal digits in a unit that may be bytes.
const BYTES: u32 = 6;

/// Reports the features of every unit and window of `text`.
pub(crate) fn extract(text: &str, sink: &mut impl Sink) -> Hints {
    let mut buffer = Vec::with_capacity(BUFFER);
    let (mut at, mut from) = (0, 0);
    let mut previous: Option<Window> = None;
    let mut pairs = Pairs::new();
    let mut hints = Hints::default();
    loop {
        if buffer.len() - from < LONGEST + 8 && at < text.len() {
            buffer.drain(..from);
            from = 0;
            at = words(text, at, BUFFER - buffer.len(), &mut buffer);
            continue;
        }
        let rest = buffer.get(from..).unwrap_or_default();
        if rest.is_empty() {
            return hints;
        }
        let last = at >= text.len();
        let (unit, after) = rest.split_at(length(rest));
        let ends = last && after.is_empty();
        let place = Place { first: previous.is_none(), last: ends };
        let (window, signs) = unit_features(unit, place, &mut pairs, sink);
        let end = after.first().map_or(at, |word| word.start as usize);
        let before = previous.map_or(0, |previous| previous.start as usize);
        hints.note(&signs.counts, before, window.start as usize, end);
        windows(window, previous, sink);
        previous = Some(window);
        from += unit.len();
    }
}

/// How many of `words` are the next unit.
fn length(words: &[Word]) -> usize {
    let longest = words.len().min(LONGEST);
    let starts = |word: &Word| word.flags & flag::SENTENCE != 0;
    let cut = words.iter().take(longest).skip(SHORTEST).position(starts);
    cut.map_or(longest, |position| position + SHORTEST)
}

fn windows(window: Window, previous: Option<Window>, sink: &mut impl Sink) {
    if sink.worth(Part::Window { double: false }) {
        together(window.concepts, sink);
    }
    sink.end_window(window);
    if let Some(previous) = previous {
        let concepts = window.concepts | previous.concepts;
        if sink.worth(Part::Window { double: true }) {
            together(concepts, sink);
        }
        sink.end_window(Window { start: previous.start, concepts, double: true, ..window });
    }
}

fn together(concepts: u64, sink: &mut impl Sink) {
    let mut rest = concepts;
    while rest != 0 {
        let first = rest.trailing_zeros();
        rest &= rest - 1;
        let mut others = rest;
        while others != 0 {
            sink.window(TOGETHER + first * CONCEPTS + others.trailing_zeros());
            others &= others - 1;
        }
    }
    for (rule, number) in RULES.iter().zip(0..) {
        if rule.holds(concepts) {
            sink.window(RULE + number);
        }
    }
}

/// The rules that hold for a set of concepts.
pub(crate) fn holding(concepts: u64) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| rule.holds(concepts))
}

/// The concepts of a unit in their order, and which came shortly before which.
struct Pairs {
    /// Position in the unit and concepts, of the words that have any.
    seen: Vec<(u32, u64)>,
    rows: [u64; CONCEPTS as usize],
}

impl Pairs {
    fn new() -> Self {
        Self { seen: Vec::with_capacity(LONGEST), rows: [0; CONCEPTS as usize] }
    }

    fn add(&mut self, position: u32, concepts: u64) {
        self.seen.push((position, concepts));
    }

    /// Reports every ordered pair once, if the unit is worth it, and forgets the unit.
    fn report(&mut self, concepts: u64, sink: &mut impl Sink) {
        if sink.worth(Part::Unit) {
            self.order();
            self.tell(concepts, sink);
        }
        self.seen.clear();
    }

    fn order(&mut self) {
        for (at, (position, concepts)) in self.seen.iter().enumerate() {
            let earlier = self.seen.get(at.saturating_sub(RECENT)..at).unwrap_or_default();
            for (before, earlier) in earlier {
                let mut rest = if position - before > NEAR { 0 } else { *earlier };
                while rest != 0 {
                    if let Some(row) = self.rows.get_mut(rest.trailing_zeros() as usize) {
                        *row |= concepts;
                    }
                    rest &= rest - 1;
                }
            }
        }
    }

    fn tell(&mut self, concepts: u64, sink: &mut impl Sink) {
        let mut rest = concepts;
        while rest != 0 {
            let first = rest.trailing_zeros();
            rest &= rest - 1;
            let Some(row) = self.rows.get_mut(first as usize) else { continue };
            let mut seconds = std::mem::take(row);
            while seconds != 0 {
                sink.unit(ORDERED + first * CONCEPTS + seconds.trailing_zeros());
                seconds &= seconds - 1;
            }
        }
    }
}

/// Where a unit is in its text.
#[derive(Clone, Copy)]
struct Place {
    first: bool,
    last: bool,
}

fn unit_features(unit: &[Word], place: Place, pairs: &mut Pairs, sink: &mut impl Sink) -> (Window, Signs) {
    let mut all = 0_u64;
    let mut leading = 0_u64;
    let mut shape = Shape::default();
    let mut signs = Signs::default();
    let mut before = 0_u32;
    let mut lead = 0_u32;
    let lexicon = &*LEXICON;
    for (position, word) in (0_u32..).zip(unit) {
        let rest = unit.get(position as usize..).unwrap_or_default();
        let concepts = lexicon.at(rest);
        signs.add(word, concepts);
        let concepts = concepts & !HINTS;
        // Most words have none.
        if word.flags != 0 {
            shape.add(word);
            if word.flags & (flag::SENTENCE | flag::LINE | flag::COLON | flag::QUOTED) != 0 {
                lead = position;
            }
        }
        if concepts != 0 {
            if position - lead < 2 {
                leading |= concepts;
            }
            pairs.add(position, concepts);
            all |= concepts;
        }
        sink.unit(WORD + bucket(word.hash));
        if position > 0 {
            sink.unit(WORD + bucket(before.rotate_left(5) ^ word.hash));
        }
        before = word.hash;
    }
    bits(all, PRESENT, sink);
    bits(leading, LEADING, sink);
    shape.report(unit.len(), all.count_ones(), place, sink);
    pairs.report(all, sink);
    sink.end_unit();
    let start = unit.first().map_or(0, |word| word.start);
    let end = unit.last().map_or(start, |word| word.start + 1);
    (Window { start, end, concepts: all, double: false }, signs)
}

fn bucket(hash: u32) -> u32 {
    hash.wrapping_mul(0x9E37_79B1) >> (32 - WORDS.trailing_zeros())
}

fn bits(set: u64, base: u32, sink: &mut impl Sink) {
    let mut rest = set;
    while rest != 0 {
        sink.unit(base + rest.trailing_zeros());
        rest &= rest - 1;
    }
}

/// How a unit is written.
#[derive(Default)]
struct Shape {
    capitals: u32,
    mixed: u32,
    marks: u32,
    identifiers: u32,
    sentences: u32,
    lines: u32,
    shouted: bool,
    quoted: bool,
    colon: bool,
}

impl Shape {
    fn add(&mut self, word: &Word) {
        let has = |bit| u32::from(word.flags & bit != 0);
        self.capitals += has(flag::CAPITALS);
        self.mixed += has(flag::MIXED);
        self.marks += has(flag::MARK);
        self.identifiers += has(flag::IDENTIFIER);
        self.sentences += has(flag::SENTENCE);
        self.lines += has(flag::LINE);
        self.shouted |= word.flags & flag::SHOUTED != 0;
        self.quoted |= word.flags & flag::QUOTED != 0;
        self.colon |= word.flags & flag::COLON != 0;
    }

    fn report(&self, words: usize, concepts: u32, place: Place, sink: &mut impl Sink) {
        let step = |count: u32, steps: &[u32]| steps.iter().filter(|step| count >= **step).count() as u32;
        let words = words as u32;
        let groups = [
            (0, step(words, &[4, 8, 14, 20, 30])),
            (6, step(self.capitals, &[1, 2, 4, 8])),
            (11, step(self.marks, &[1, 2, 4, 8])),
            (16, step(self.identifiers, &[1, 2, 4, 8])),
            (21, step(concepts, &[1, 3, 5, 7, 9, 11, 14])),
            (29, step(self.sentences, &[1, 2, 3, 5])),
            (34, step(self.lines, &[1, 2, 3, 5])),
            (39, u32::from(place.first) + 2 * u32::from(place.last)),
            (43, u32::from(self.shouted)),
            (45, u32::from(self.quoted)),
            (47, u32::from(self.colon)),
            (49, u32::from(self.mixed > 0)),
        ];
        for (base, value) in groups {
            sink.unit(SHAPE + base + value);
        }
    }
}
