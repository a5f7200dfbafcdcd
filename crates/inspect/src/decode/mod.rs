//! Undoing encodings before detection: what a model reads in a text that a pattern does not.
//!
//! Bounded: [`MAX_DEPTH`] encodings within each other, [`MAX_VIEWS`] decoded texts, and a budget of bytes
//! that grows with the text. What is beyond is not looked at and does not raise a score.

mod escapes;
mod runs;
mod turns;

use crate::detect::{Hints, Sign};

/// Encodings within each other.
pub(crate) const MAX_DEPTH: u8 = 3;
/// Decoded texts for one text.
pub(crate) const MAX_VIEWS: usize = 48;
/// Decoded bytes: this much and twice the text.
const FREE_BYTES: usize = 64 << 10;

/// How a text was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// Base64, either alphabet.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// `%41`, `&#65;`, `\u0041`, `\x41`.
    Escapes,
    /// Letters moved by thirteen.
    Rot13,
    /// Right to left.
    Reversed,
    /// Digits for letters.
    Leet,
    /// Blanks between the letters.
    Spaced,
    /// Tag characters or variation selectors.
    Hidden,
}

impl Encoding {
    /// The name in reasons and records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Escapes => "escapes",
            Self::Rot13 => "rot13",
            Self::Reversed => "reversed",
            Self::Leet => "digits for letters",
            Self::Spaced => "spaced letters",
            Self::Hidden => "hidden characters",
        }
    }
}

/// Where a decoded text came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'o> {
    pub(crate) encoding: Encoding,
    /// Where the encoded text starts, in bytes of the text it was found in.
    pub(crate) at: usize,
    /// The encoding around it.
    pub(crate) outer: Option<&'o Self>,
}

/// Shows `visit` the text and everything decoded from it; `visit` gives back what the words hint at.
/// `hidden` says that the text has hidden characters.
pub(crate) fn explore(text: &str, hidden: bool, visit: &mut dyn FnMut(&str, Option<&Origin<'_>>) -> Hints) {
    let mut budget = Budget::for_text(text.len());
    view(text, 0, None, &mut budget, visit);
    if !hidden {
        return;
    }
    let cleaned = crate::text::clean(text);
    if cleaned != text {
        view(&cleaned, 1, None, &mut budget, visit);
    }
    if let Some(written) = crate::text::smuggled(text) {
        let origin = Origin { encoding: Encoding::Hidden, at: 0, outer: None };
        view(&written, 1, Some(&origin), &mut budget, visit);
    }
}

fn view(
    text: &str,
    depth: u8,
    origin: Option<&Origin<'_>>,
    budget: &mut Budget,
    visit: &mut dyn FnMut(&str, Option<&Origin<'_>>) -> Hints,
) {
    let hints = visit(text, origin);
    if depth == MAX_DEPTH {
        return;
    }
    for found in views(text, &hints, budget) {
        let origin = Origin { encoding: found.encoding, at: found.at, outer: origin };
        view(&found.text, depth + 1, Some(&origin), budget, visit);
    }
}

/// A decoded text.
#[derive(Debug, PartialEq, Eq)]
struct View {
    encoding: Encoding,
    text: String,
    at: usize,
}

/// What may still be spent on one text and everything decoded from it.
#[derive(Debug)]
struct Budget {
    bytes: usize,
    views: usize,
}

impl Budget {
    fn for_text(length: usize) -> Self {
        Self { bytes: FREE_BYTES + 2 * length, views: MAX_VIEWS }
    }

    /// Whether a text of this length may be made.
    fn spend(&mut self, length: usize) -> bool {
        let affordable = self.views > 0 && length <= self.bytes;
        if affordable {
            self.views -= 1;
            self.bytes -= length;
        }
        affordable
    }
}

/// How a part of a text that shows a sign is decoded.
type Decode = fn(&str) -> Option<String>;

const PARTS: [(Sign, Encoding, Decode); 5] = [
    (Sign::Escaped, Encoding::Escapes, escapes::unescaped),
    (Sign::Rotated, Encoding::Rot13, turns::rotated),
    (Sign::Reversed, Encoding::Reversed, turns::reversed),
    (Sign::Leet, Encoding::Leet, turns::unleeted),
    (Sign::Single, Encoding::Spaced, turns::joined),
];

/// What the words of `text` hint at, decoded.
fn views(text: &str, hints: &Hints, budget: &mut Budget) -> Vec<View> {
    let mut views = Vec::new();
    for (sign, encoding, decode) in PARTS {
        // The parts together are one text: how many there are does not matter, how long they are does.
        let parts = hints.parts(sign);
        let length = parts.iter().map(|part| part.len() + 1).sum();
        let Some(first) = parts.first().filter(|_| budget.spend(length)) else { continue };
        let decoded: Vec<String> = parts.iter().filter_map(|part| decode(text.get(part.clone())?)).collect();
        if !decoded.is_empty() {
            views.push(View { encoding, text: decoded.join("\n"), at: first.start });
        }
    }
    for part in hints.parts(Sign::Run) {
        if let Some(encoded) = text.get(part.clone()) {
            runs::decode(encoded, part.start, budget, &mut views);
        }
    }
    views
}
