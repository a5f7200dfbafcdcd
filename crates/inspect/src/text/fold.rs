//! Folding of characters that a reader, or a model, takes for another one.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// Characters below this have a row in the table: every alphabet with letters that look Latin.
const TABLE: usize = 0x0600;

/// Where the Latin alphabet with its extensions ends and Greek begins.
const FIRST_FOREIGN: char = '\u{370}';

/// What a character becomes before words are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folded {
    /// An ASCII letter or digit in lower case, with the form it only looks like.
    Plain(u8),
    /// A letter of another alphabet, in lower case, and the ASCII letter it can be taken for, or 0.
    Foreign(char, u8),
    /// A letter that is a word of its own: scripts written without blanks.
    Ideograph(char),
    /// Nothing: it leaves no trace in the text, or only marks the letter before it.
    Nothing,
    /// Ends a word.
    Break,
}

static FOLDS: LazyLock<Box<[Folded]>> = LazyLock::new(|| {
    (0..TABLE as u32).map(|code| char::from_u32(code).map_or(Folded::Break, slow)).collect()
});

/// Folds one character that is not ASCII.
pub(crate) fn fold(character: char) -> Folded {
    match FOLDS.get(character as usize) {
        Some(folded) => *folded,
        None => beyond(character),
    }
}

/// The characters above the table that are worth telling apart; the rest by their class.
fn beyond(character: char) -> Folded {
    match character as u32 {
        // Kana, Han, Hangul syllables, Thai, Lao, Khmer, Burmese: no blanks between words.
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF => Folded::Ideograph(character),
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7AF | 0x2_0000..=0x3_FFFF => {
            Folded::Ideograph(character)
        }
        _ => slow(character),
    }
}

fn slow(character: char) -> Folded {
    if super::hidden::invisible(character) || super::hidden::combining(character) {
        return Folded::Nothing;
    }
    let base = character.nfkd().next().unwrap_or(character);
    if base.is_ascii() {
        return if base.is_ascii_alphanumeric() {
            Folded::Plain(base.to_ascii_lowercase() as u8)
        } else {
            Folded::Break
        };
    }
    if !base.is_alphanumeric() {
        return Folded::Break;
    }
    let lower = base.to_lowercase().next().unwrap_or(base);
    match likeness(base).or_else(|| likeness(lower)) {
        // The dotless i and its like belong to words as much as the letter does.
        Some(letter) if base < FIRST_FOREIGN => Folded::Plain(letter),
        likeness => Folded::Foreign(lower, likeness.unwrap_or(0)),
    }
}

/// The one ASCII letter this character can be taken for (UTS #39).
fn likeness(character: char) -> Option<u8> {
    let mut buffer = [0; 4];
    let mut seen = skeleton(character.encode_utf8(&mut buffer));
    let first = seen.next().filter(|first| first.is_ascii_alphabetic() && seen.next().is_none())?;
    Some(first.to_ascii_lowercase() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_letter_becomes_it() {
        for (character, expected) in [
            ('é', Folded::Plain(b'e')),
            ('ı', Folded::Plain(b'i')),
            ('Ａ', Folded::Plain(b'a')),
            ('𝐢', Folded::Plain(b'i')),
            ('ⓖ', Folded::Plain(b'g')),
            ('\u{430}', Folded::Foreign('\u{430}', b'a')),
            ('\u{3bf}', Folded::Foreign('\u{3bf}', b'o')),
            ('\u{416}', Folded::Foreign('\u{436}', 0)),
            ('前', Folded::Ideograph('前')),
            ('\u{200b}', Folded::Nothing),
            ('\u{301}', Folded::Nothing),
            ('—', Folded::Break),
        ] {
            assert_eq!(fold(character), expected, "{character:?}");
        }
    }
}
