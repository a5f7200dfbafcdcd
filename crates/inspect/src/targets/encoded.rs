//! What a text may become in the hands of whoever uses it: its encodings undone, layer by layer.

use unicode_normalization::UnicodeNormalization as _;

/// How often something may be encoded inside of itself. What still has an encoding below is hidden on purpose.
pub(super) const DEPTH: usize = 4;

/// Characters that some readers take for one of ASCII and that compatibility decomposition (UAX #15) does not map.
const TAKEN_FOR: &[(char, char)] = &[
    ('\u{2044}', '/'),
    ('\u{2215}', '/'),
    ('\u{29F8}', '/'),
    ('\u{2216}', '\\'),
    ('\u{29F5}', '\\'),
    ('\u{2212}', '-'),
    ('\u{2010}', '-'),
    ('\u{2013}', '-'),
];

/// The text with one layer undone at a time, at most [`DEPTH`] of them. Empty for a text that says what it is.
pub(super) fn layers(text: &str) -> impl Iterator<Item = String> {
    std::iter::successors(once(text), |layer| once(layer)).take(DEPTH)
}

/// Whether there is something below the last of [`layers`].
pub(super) fn is_deeper(text: &str) -> bool {
    layers(text).nth(DEPTH - 1).is_some_and(|last| once(&last).is_some())
}

/// `%2e`, `%u002e`, overlong UTF-8 behind `%`, characters that are compatible with others, and characters that have no
/// width, undone once; none if there is nothing to undo.
fn once(text: &str) -> Option<String> {
    let bare = |text: &str| text.is_ascii() && !text.contains('%');
    if bare(text) {
        return None;
    }
    let undone = plain(&percent_decoded(text));
    (undone != text).then_some(undone)
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let (length, escaped) = match byte {
            b'%' => escape(rest),
            _ => (0, None),
        };
        match escaped {
            Some(Escape::Byte(byte)) => out.push(byte),
            Some(Escape::Char(c)) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => out.push(*byte),
        }
        at += 1 + length;
    }
    lenient(&out)
}

enum Escape {
    Byte(u8),
    Char(char),
}

/// What follows a percent sign: how many bytes of it are an escape, and of what.
fn escape(rest: &[u8]) -> (usize, Option<Escape>) {
    let hex = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
    };
    if let [b'u' | b'U', digits @ ..] = rest
        && let Some(c) = digits.get(..4).and_then(hex).and_then(char::from_u32)
    {
        return (5, Some(Escape::Char(c)));
    }
    let byte = rest.get(..2).and_then(hex).and_then(|value| u8::try_from(value).ok());
    byte.map_or((0, None), |byte| (2, Some(Escape::Byte(byte))))
}

/// UTF-8 as careless readers take it: sequences that are longer than they need to be stand for their character.
fn lenient(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                break;
            }
            Err(error) => {
                let (good, bad) = rest.split_at_checked(error.valid_up_to()).unwrap_or((&[], rest));
                out.push_str(std::str::from_utf8(good).unwrap_or_default());
                let (length, c) = overlong(bad).unwrap_or((1, char::REPLACEMENT_CHARACTER));
                out.push(c);
                rest = bad.get(length..).unwrap_or_default();
            }
        }
    }
    out
}

fn overlong(bytes: &[u8]) -> Option<(usize, char)> {
    let low = |byte: &u8| (byte & 0xc0 == 0x80).then_some(u32::from(byte & 0x3f));
    let (length, bits) = match bytes {
        [first @ 0xc0..=0xc1, a, ..] => (2, u32::from(first & 0x1f) << 6 | low(a)?),
        [0xe0, a, b, ..] => (3, low(a)? << 6 | low(b)?),
        [0xf0, a, b, c, ..] => (4, low(a)? << 12 | low(b)? << 6 | low(c)?),
        _ => return None,
    };
    Some((length, char::from_u32(bits)?))
}

fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let known = |c: char| TAKEN_FOR.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
    text.chars().filter(|c| !has_no_width(*c)).map(known).nfkc().collect()
}

fn has_no_width(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_undone() {
        for (text, expected) in [
            ("plain/path.txt", &[][..]),
            ("100%", &[]),
            ("naïve", &[]),
            ("%2e%2E/x", &["../x"]),
            ("%252e%252e%252fx", &["%2e%2e%2fx", "../x"]),
            ("%u002e%u002e%u2215x", &["../x"]),
            ("%c0%ae%c0%ae%c0%afx", &["../x"]),
            ("%e0%80%afx", &["/x"]),
            ("..%c1%9cx", &["..\\x"]),
            ("．．／x", &["../x"]),
            ("‥∕x", &["../x"]),
            (".\u{200b}./x", &["../x"]),
            ("a；b", &["a;b"]),
            ("a\u{37e}b", &["a;b"]),
            ("%ff", &["\u{fffd}"]),
        ] {
            assert_eq!(layers(text).collect::<Vec<_>>(), expected, "{text}");
        }
        assert!(is_deeper("%2525252525") && !is_deeper("%252525"));
    }
}
