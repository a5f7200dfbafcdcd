//! Words in place of values that can be put back.
//!
//! A word, `[kept: github-token bcdf…]`, holds nothing of its value: its letters are a keyed digest of it, so that one
//! value has one word, and whoever knows neither the key nor the value can make none.

use bytes::Bytes;
use memchr::memmem;
use portcullis_core::{
    Digest, Secret,
    wire::{Document, Node, json::Text},
};

use crate::content::Edits;

const BEGINS: &str = "[kept: ";
/// Letters of a word, four bits each.
const LETTERS: usize = 20;
/// Neither vowels nor digits: nobody who looks for text or numbers reads anything into them.
const ALPHABET: &[u8; 16] = b"bcdfghjklmnpqrst";
/// Longest kind of thing.
const LONGEST_KIND: usize = 32;

/// What words are made with. Words of another key are other words.
#[derive(Clone, Debug)]
pub struct TokenKey(Secret);

impl TokenKey {
    /// Random bytes, 32 of them or more.
    pub fn new(bytes: Secret) -> Self {
        Self(bytes)
    }

    pub(super) fn word(&self, what: &str, value: &str) -> String {
        let digest = Digest::of_parts([self.0.expose(), what.as_bytes(), value.as_bytes()]);
        let halves = digest.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let letter = |half: u8| ALPHABET.get(usize::from(half)).map_or('b', |letter| char::from(*letter));
        let letters: String = halves.take(LETTERS).map(letter).collect();
        format!("{BEGINS}{what} {letters}]")
    }
}

/// A document with values in place of the words for them in the strings below a node, names of members apart. None if
/// `value_of` knows none of them, or there would be more than `most` bytes of values.
pub fn put_back(
    document: &Document,
    below: Node<'_>,
    most: usize,
    mut value_of: impl FnMut(&str) -> Option<Secret>,
) -> Option<Bytes> {
    let mut edits = Edits::default();
    let mut room = Some(most);
    let mut value_of = |word: &str| {
        let value = value_of(word)?;
        room = room?.checked_sub(value.expose().len());
        room.map(|_| value)
    };
    for string in below.strings().filter(|string| !string.is_key) {
        if let Some(text) = filled(&string, &mut value_of) {
            edits.replace(string.span, &text);
        }
    }
    room.and_then(|_| edits.apply(document))
}

/// The text of a string with values in place of words; none if it has none that is known.
fn filled(string: &Text<'_>, value_of: &mut impl FnMut(&str) -> Option<Secret>) -> Option<String> {
    // No letter of a word is escaped in JSON, unless somebody takes the trouble.
    memmem::find(string.raw, BEGINS.as_bytes())?;
    let mut text = Vec::with_capacity(string.raw.len());
    string.append_to(&mut text);
    let text = String::from_utf8(text).ok()?;
    let (mut out, mut rest, mut known) = (String::new(), text.as_str(), false);
    while let Some(at) = rest.find(BEGINS) {
        let (before, from) = rest.split_at_checked(at)?;
        out.push_str(before);
        let word = word_at(from);
        let value = word.and_then(&mut *value_of);
        let value = value.as_ref().and_then(|value| std::str::from_utf8(value.expose()).ok());
        known |= value.is_some();
        let length = word.map_or(BEGINS.len(), str::len);
        let (word, after) = from.split_at_checked(length)?;
        out.push_str(value.unwrap_or(word));
        rest = after;
    }
    out.push_str(rest);
    known.then_some(out)
}

/// The word that a text begins with.
fn word_at(text: &str) -> Option<&str> {
    let inner = text.strip_prefix(BEGINS)?;
    let end = inner.bytes().take(LONGEST_KIND + LETTERS + 2).position(|byte| byte == b']')?;
    let (what, letters) = inner.get(..end)?.split_once(' ')?;
    let is_kind = !what.is_empty() && what.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_word = letters.len() == LETTERS && letters.bytes().all(|letter| ALPHABET.contains(&letter));
    (is_kind && is_word).then(|| text.get(..BEGINS.len() + end + 1))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use portcullis_core::wire::Limits;

    use super::*;

    fn key() -> TokenKey {
        TokenKey::new(Secret::new(vec![7; 32]))
    }

    #[test]
    fn one_value_has_one_word_that_says_what_it_is() {
        let word = key().word("github-token", "ghp_x");
        assert_eq!(word_at(&word), Some(word.as_str()));
        assert_eq!(word_at(&format!("{word} and more")), Some(word.as_str()));
        assert_eq!(word, key().word("github-token", "ghp_x"));
        for other in [key().word("jwt", "ghp_x"), key().word("github-token", "ghp_y")] {
            assert_ne!(word, other);
        }
        assert_ne!(word, TokenKey::new(Secret::new(vec![8; 32])).word("github-token", "ghp_x"));
        for no in [
            "",
            "[kept: ",
            "[kept: x]",
            "[kept: jwt bcd]",
            "[kept: JWT bcdfghjklmnpqrstbcdf]",
            "[redacted: jwt]",
        ] {
            assert_eq!(word_at(no), None, "{no}");
        }
    }

    #[test]
    fn values_are_put_in_place_of_known_words_only() {
        let (known, unknown) = (key().word("jwt", "a\"b"), key().word("jwt", "c"));
        for (text, expected) in [
            (
                format!(r#"{{"p":{{"x":"Bearer {known}, {unknown}"}}}}"#),
                Some(format!(r#"{{"p":{{"x":"Bearer a\"b, {unknown}"}}}}"#)),
            ),
            (format!(r#"{{"p":["{known}{known}"]}}"#), Some(r#"{"p":["a\"ba\"b"]}"#.to_owned())),
            (format!(r#"{{"p":"[kept: [kept: {known}"}}"#), Some(r#"{"p":"[kept: [kept: a\"b"}"#.to_owned())),
            (format!(r#"{{"p":{{"{known}":1}},"q":"{known}"}}"#), None),
            (format!(r#"{{"p":"{unknown}"}}"#), None),
            (r#"{"p":"[kept: é"}"#.to_owned(), None),
        ] {
            let document = Document::parse(Bytes::from(text.clone()), &Limits::default()).unwrap();
            let below = document.root().get("p").unwrap();
            let value_of = |word: &str| (word == known).then(|| Secret::new(b"a\"b".to_vec()));
            let filled = put_back(&document, below, 64, value_of);
            assert_eq!(put_back(&document, below, 2, value_of), None);
            assert_eq!(filled.as_deref(), expected.as_deref().map(str::as_bytes), "{text}");
        }
    }
}
