//! From a text to the words that detection compares: folded, in lower case, hashed.

use super::{
    blocks::{self, BLOCK},
    fold::{Folded, fold},
};

/// One word, or a mark that stands for something with a shape of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) hash: u32,
    /// Where it starts in the text, in bytes.
    pub(crate) start: u32,
    /// Bits of [`flag`].
    pub(crate) flags: u16,
}

/// What stands before a word, and how it is written.
pub(crate) mod flag {
    /// First word after a line end.
    pub(crate) const LINE: u16 = 1;
    /// First word of a sentence.
    pub(crate) const SENTENCE: u16 = 1 << 1;
    /// Two letters or more, all of them capitals.
    pub(crate) const CAPITALS: u16 = 1 << 2;
    /// First word after a quote or bracket.
    pub(crate) const QUOTED: u16 = 1 << 3;
    /// First word after a colon.
    pub(crate) const COLON: u16 = 1 << 4;
    /// Part of an identifier: after `_`.
    pub(crate) const IDENTIFIER: u16 = 1 << 5;
    /// A mark, not a word.
    pub(crate) const MARK: u16 = 1 << 6;
    /// Letters of two alphabets that look alike.
    pub(crate) const MIXED: u16 = 1 << 7;
    /// The byte before it is an exclamation mark, possibly with blanks between.
    pub(crate) const SHOUTED: u16 = 1 << 8;
    /// So long that it may be an encoding of something.
    pub(crate) const LONG: u16 = 1 << 9;
    /// Letters with digits among them that can stand for letters.
    pub(crate) const LEET: u16 = 1 << 10;
    /// One character alone.
    pub(crate) const SINGLE: u16 = 1 << 11;
    /// An escape stands before it: `%41`, `&#65;`, `\\u0041`.
    pub(crate) const ESCAPED: u16 = 1 << 12;
    /// Two characters that can be a byte in hexadecimal.
    pub(crate) const PAIR: u16 = 1 << 13;
}

/// Marks: the words of the lexicon that no letters spell. Each is the hash of its name.
pub(crate) mod mark {
    use super::hash_of;

    pub(crate) const ADDRESS: u32 = hash_of(b"@address");
    pub(crate) const LINK: u32 = hash_of(b"@link");
    pub(crate) const HOME: u32 = hash_of(b"@home");
    pub(crate) const VARIABLE: u32 = hash_of(b"@variable");
    pub(crate) const NUMBER: u32 = hash_of(b"@number");
    pub(crate) const TAG: u32 = hash_of(b"@tag");
    pub(crate) const COMMENT: u32 = hash_of(b"@comment");
    pub(crate) const BRACKET: u32 = hash_of(b"@bracket");
    pub(crate) const HEADING: u32 = hash_of(b"@heading");
    pub(crate) const RULE: u32 = hash_of(b"@rule");
    pub(crate) const BAR: u32 = hash_of(b"@bar");
    pub(crate) const IMAGE: u32 = hash_of(b"@image");
    pub(crate) const DOTFILE: u32 = hash_of(b"@dotfile");
}

/// Letters and digits in a row from which they may be an encoding of something.
const LONG_WORD: u32 = 20;

const SEED: u32 = 0x811C_9DC5;
const PRIME: u32 = 0x0100_0193;

const fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(PRIME)
}

/// The hash of a word in the form [`words`] gives it: lower case, folded.
pub(crate) const fn hash_of(word: &[u8]) -> u32 {
    let mut hash = SEED;
    let mut rest = word;
    while let [first, tail @ ..] = rest {
        hash = step(hash, *first);
        rest = tail;
    }
    hash
}

/// Bytes of a word that are hashed together.
const SHORT: usize = 8;

/// The hash of ASCII letters and digits as if in lower case; `rest` is the text from the word on.
///
/// The hashes of every beginning of a short word cost less than finding out, byte by byte, that it has ended.
#[inline]
fn lower_hash(word: &[u8], rest: Option<&[u8]>) -> u32 {
    // Digits have the bit that tells a small letter from a capital one already.
    let lower = |hash, byte: &u8| step(hash, byte | 0x20);
    let Some(first) = rest.and_then(<[u8]>::first_chunk::<SHORT>) else {
        return word.iter().fold(SEED, lower);
    };
    let mut beginnings = [SEED; SHORT + 1];
    let mut hash = SEED;
    for (slot, byte) in beginnings.iter_mut().skip(1).zip(first) {
        hash = lower(hash, byte);
        *slot = hash;
    }
    match word.get(SHORT..) {
        Some(more) => more.iter().fold(hash, lower),
        None => beginnings.get(word.len()).copied().unwrap_or(hash),
    }
}

/// Letters and digits in lower case; 0 for what ends a word.
static LETTERS: [u8; 256] = letters();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn letters() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let letter = byte as u8;
        if letter.is_ascii_alphanumeric() {
            table[byte] = letter.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
}

fn letter(byte: u8) -> u8 {
    LETTERS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Reads `text` from byte `at` and appends up to `most` words to `out`; gives back where it stopped.
pub(crate) fn words(text: &str, at: usize, most: usize, out: &mut Vec<Word>) -> usize {
    let mut reader = Reader::new(text, at);
    let full = out.len() + most;
    while out.len() < full && reader.next(out) {}
    reader.at
}

/// Of what a word is written.
struct Written {
    digits: u32,
    letters: u32,
    /// Whether a letter is small.
    small: bool,
}

struct Reader<'t> {
    bytes: &'t [u8],
    text: &'t str,
    at: usize,
    flags: u16,
    near: Near,
}

/// What the bytes of a block are, a bit each.
struct Near {
    /// Where the block starts.
    from: usize,
    letters: u64,
    digits: u64,
    small: u64,
}

impl Near {
    #[inline]
    fn of(bytes: &[u8], from: usize) -> Self {
        let block = blocks::block(bytes, from);
        Self {
            from,
            letters: blocks::mask(&block, blocks::alphanumeric),
            digits: blocks::mask(&block, blocks::digits),
            small: blocks::mask(&block, |lane| blocks::letters(lane, b'a')),
        }
    }

    /// How many letters and digits there are in a row at `at`: [`BLOCK`] and more if that is not known here.
    #[inline]
    fn run(&self, at: usize) -> usize {
        let within = at.wrapping_sub(self.from);
        if within >= BLOCK {
            return BLOCK;
        }
        let run = (!(self.letters >> within)).trailing_zeros() as usize;
        if within + run < BLOCK { run } else { BLOCK }
    }

    /// Those of `bits` that are of the `run` bytes at `at`.
    #[inline]
    fn bits(&self, bits: u64, at: usize, run: usize) -> u64 {
        bits >> (at - self.from) & ((1 << run) - 1)
    }
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, at: usize) -> Self {
        let bytes = text.as_bytes();
        Self { bytes, text, at, flags: flag::LINE | flag::SENTENCE, near: Near::of(bytes, at) }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// Reads one word or what is between words. False at the end.
    #[inline]
    fn next(&mut self, out: &mut Vec<Word>) -> bool {
        let Some(first) = self.bytes.get(self.at).copied() else { return false };
        if letter(first) != 0 {
            self.word(out);
        } else if first < 128 {
            self.between(first, out);
        } else {
            self.foreign(out);
        }
        true
    }

    fn push(&mut self, hash: u32, start: usize, more: u16, out: &mut Vec<Word>) {
        out.push(Word { hash, start: start as u32, flags: self.flags | more });
        self.flags = 0;
    }

    fn mark(&mut self, hash: u32, out: &mut Vec<Word>) {
        out.push(Word { hash, start: self.at as u32, flags: flag::MARK });
    }

    /// A word that ends within a block, at something that cannot be part of it: nearly all of them.
    #[inline]
    fn word(&mut self, out: &mut Vec<Word>) {
        let start = self.at;
        let mut run = self.near.run(start);
        if run == BLOCK {
            self.near = Near::of(self.bytes, start);
            run = self.near.run(start);
        }
        let after = self.byte(start + run);
        if run == BLOCK || after >= 128 || after == b'\'' {
            return self.any_word(out);
        }
        let digits = self.near.bits(self.near.digits, start, run).count_ones();
        let small = self.near.bits(self.near.small, start, run);
        // A single blank says nothing.
        self.at = start + run + usize::from(after == b' ');
        let Some(word) = self.bytes.get(start..start + run) else { return };
        let hash = lower_hash(word, self.bytes.get(start..));
        self.push_word(hash, start, Written { digits, letters: run as u32 - digits, small: small != 0 }, out);
    }

    /// Any word, byte by byte.
    fn any_word(&mut self, out: &mut Vec<Word>) {
        let start = self.at;
        let (mut hash, mut at) = (SEED, start);
        let (mut small, mut digits, mut letters) = (0_u8, 0_u32, 0_u32);
        loop {
            let byte = self.byte(at);
            let lower = letter(byte);
            if lower == 0 {
                // An apostrophe within a word does not end it.
                if byte == b'\'' && letter(self.byte(at + 1)) > b'9' {
                    at += 1;
                    continue;
                }
                if byte < 128 {
                    break;
                }
                return self.mixed(start, out);
            }
            hash = step(hash, lower);
            if byte > b'9' {
                small |= byte & 0x20;
                letters += 1;
            } else {
                digits += 1;
            }
            at += 1;
        }
        self.at = at;
        self.push_word(hash, start, Written { digits, letters, small: small != 0 }, out);
    }

    #[inline]
    fn push_word(&mut self, hash: u32, start: usize, written: Written, out: &mut Vec<Word>) {
        let Written { digits, letters, small } = written;
        let length = letters + digits;
        let mut more = if length == 1 { flag::SINGLE } else { 0 };
        if length >= LONG_WORD {
            more |= flag::LONG;
        }
        if length == 2 && digits > 0 {
            more |= flag::PAIR;
        }
        if letters == 0 {
            return self.push(mark::NUMBER, start, more, out);
        }
        if !small && letters > 1 {
            more |= flag::CAPITALS;
        }
        if digits > 0 && length > 2 {
            more |= flag::LEET;
        }
        self.push(hash, start, more, out);
    }

    /// A byte that ends a word: what it says about the next one.
    #[inline]
    fn between(&mut self, byte: u8, out: &mut Vec<Word>) {
        let next = self.byte(self.at + 1);
        match byte {
            b' ' | b'\t' | b'\r' => {}
            b'\n' => self.flags |= flag::LINE | flag::SENTENCE,
            b'.' | b'?' | b';' if !next.is_ascii_alphanumeric() => self.flags |= flag::SENTENCE,
            b'.' => {
                let before = self.at.checked_sub(1).map_or(b' ', |at| self.byte(at));
                if !before.is_ascii_alphanumeric() && next.is_ascii_alphabetic() {
                    self.mark(mark::DOTFILE, out);
                }
            }
            b'!' if next == b'[' => self.mark(mark::IMAGE, out),
            b'!' => self.flags |= flag::SENTENCE | flag::SHOUTED,
            b':' if next == b'/' && self.byte(self.at + 2) == b'/' => self.mark(mark::LINK, out),
            b':' => self.flags |= flag::COLON,
            b'@' if next.is_ascii_alphanumeric() && self.at > 0 && letter(self.byte(self.at - 1)) != 0 => {
                self.mark(mark::ADDRESS, out);
            }
            b'~' if next == b'/' => self.mark(mark::HOME, out),
            b'$' if next.is_ascii_alphabetic() || next == b'{' => self.mark(mark::VARIABLE, out),
            b'<' if next == b'!' => self.mark(mark::COMMENT, out),
            b'<' if next == b'|' => self.mark(mark::BAR, out),
            b'<' if next.is_ascii_alphabetic() || next == b'/' => {
                self.mark(mark::TAG, out);
                self.flags |= flag::SENTENCE | flag::QUOTED;
            }
            b'[' => {
                self.mark(mark::BRACKET, out);
                self.flags |= flag::QUOTED;
            }
            b'>' | b']' => self.flags |= flag::SENTENCE,
            b'"' | b'\'' => {
                // A string that starts or ends in a document of strings is a sentence of its own.
                let bounds = |byte: u8| matches!(byte, b',' | b':' | b'[' | b'{' | b'}' | b']' | b'(' | b'=');
                let before = self.before();
                self.flags |= flag::QUOTED;
                if bounds(before) || bounds(next) {
                    self.flags |= flag::SENTENCE;
                }
            }
            b'(' | b'{' | b'`' => self.flags |= flag::QUOTED,
            b'#' if next == b'#' || next == b' ' => self.run(byte, mark::HEADING, out),
            b'=' | b'-' | b'*' | b'_' if next == byte && self.byte(self.at + 2) == byte => {
                self.run(byte, mark::RULE, out);
            }
            b'_' => self.flags |= flag::IDENTIFIER,
            b'\\' if next == b'n' || next == b'r' => {
                self.flags |= flag::LINE | flag::SENTENCE;
                self.at += 1;
            }
            b'\\' if next == b'u' || next == b'x' || next == b'U' => self.flags |= flag::ESCAPED,
            b'%' if next.is_ascii_hexdigit() => self.flags |= flag::ESCAPED,
            b'&' if next == b'#' || next.is_ascii_alphabetic() => self.flags |= flag::ESCAPED,
            _ => {}
        }
        self.at += 1;
    }

    /// A run of the same byte is one mark.
    fn run(&mut self, byte: u8, mark: u32, out: &mut Vec<Word>) {
        self.mark(mark, out);
        while self.byte(self.at + 1) == byte {
            self.at += 1;
        }
    }

    /// At a character that is not ASCII.
    fn foreign(&mut self, out: &mut Vec<Word>) {
        let Some(character) = self.character(self.at) else {
            self.at += 1;
            return;
        };
        match fold(character) {
            Folded::Break => {
                let ends = matches!(character, '。' | '！' | '？' | '\u{2028}' | '\u{2029}' | '…' | '।');
                self.flags |= if ends { flag::SENTENCE } else { 0 };
                self.at += character.len_utf8();
            }
            Folded::Nothing => self.at += character.len_utf8(),
            Folded::Ideograph(character) => {
                let hash = hash_of(character.encode_utf8(&mut [0; 4]).as_bytes());
                self.push(hash, self.at, 0, out);
                self.at += character.len_utf8();
            }
            Folded::Plain(_) | Folded::Foreign(..) => self.mixed(self.at, out),
        }
    }

    /// The byte before this one that is not a blank.
    fn before(&self) -> u8 {
        let seen = self.bytes.get(..self.at).unwrap_or_default();
        seen.iter().rev().take(3).copied().find(|byte| *byte != b' ').unwrap_or(b' ')
    }

    fn character(&self, at: usize) -> Option<char> {
        self.text.get(at..).and_then(|rest| rest.chars().next())
    }

    /// A word with characters outside ASCII. Two hashes are kept: as spelled, and as it looks. A word that
    /// mixes alphabets is taken for what it looks like.
    #[cold]
    fn mixed(&mut self, start: usize, out: &mut Vec<Word>) {
        let (mut spelled, mut looks) = (SEED, SEED);
        let (mut ascii, mut foreign, mut alike) = (0_u32, 0_u32, 0_u32);
        let mut at = start;
        while let Some(character) = self.character(at) {
            let folded = match character {
                '\'' | '\u{2019}' if at > start => Folded::Nothing,
                c if c.is_ascii() => match letter(c as u8) {
                    0 => Folded::Break,
                    lower => Folded::Plain(lower),
                },
                c => fold(c),
            };
            match folded {
                Folded::Plain(byte) => {
                    (spelled, looks) = (step(spelled, byte), step(looks, byte));
                    ascii += 1;
                }
                Folded::Foreign(own, likeness) => {
                    for byte in own.encode_utf8(&mut [0; 4]).bytes() {
                        spelled = step(spelled, byte);
                    }
                    looks = step(looks, if likeness == 0 { b'?' } else { likeness });
                    (foreign, alike) = (foreign + 1, alike + u32::from(likeness != 0));
                }
                Folded::Nothing => {}
                Folded::Ideograph(_) | Folded::Break => break,
            }
            at += character.len_utf8();
        }
        self.at = at.max(start + 1);
        if ascii + foreign == 0 {
            return;
        }
        let alike = alike > 0 && alike == foreign;
        let mixed = alike && (ascii > 0 || out.last().is_some_and(|word| word.flags & flag::MIXED != 0));
        let more = if mixed { flag::MIXED } else { 0 };
        self.push(if mixed { looks } else { spelled }, start, more, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The words of a text, each read byte by byte.
    fn byte_by_byte(text: &str) -> Vec<Word> {
        let mut reader = Reader::new(text, 0);
        let mut out = Vec::new();
        while let Some(first) = reader.bytes.get(reader.at) {
            match letter(*first) {
                0 => drop(reader.next(&mut out)),
                _ => reader.any_word(&mut out),
            }
        }
        out
    }

    fn check(text: &str) {
        let mut found = Vec::new();
        assert_eq!(words(text, 0, usize::MAX >> 1, &mut found), text.len(), "{text}");
        assert_eq!(found, byte_by_byte(text), "{text}");
    }

    proptest! {
        #[test]
        fn words_are_the_same_however_they_are_read(
            text in "\\PC{0,40}",
            words in prop::collection::vec("[A-Za-z0-9]{1,90}|[a-z]{1,9}|[ .'_@é\n-]{1,2}", 0..40),
        ) {
            check(&text);
            check(&words.concat());
        }
    }
}
