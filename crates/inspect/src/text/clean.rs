//! Removing what is hidden.

use std::borrow::Cow;

use super::{
    hidden,
    scan::{Scan, harmless, plain},
};

/// Rounds after which everything invisible goes: what is left when something is removed can look hidden.
const ROUNDS: usize = 4;

/// The text without what [`scan`](super::scan) finds hidden in it, and without terminal sequences. Letters
/// that look like others stay: they are on the screen.
pub fn clean(text: &str) -> Cow<'_, str> {
    if plain(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        match once(&text) {
            Some(shorter) => text = Cow::Owned(shorter),
            None => return text,
        }
    }
    let stripped = |c: &char| !hidden::invisible(*c) && (!c.is_control() || harmless(*c));
    Cow::Owned(text.chars().filter(stripped).collect())
}

fn once(text: &str) -> Option<String> {
    let mut scan = Scan::new(text);
    scan.run();
    if scan.spans.is_empty() {
        return None;
    }
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for span in &scan.spans {
        kept.push_str(text.get(at..span.start).unwrap_or_default());
        at = span.end.max(at);
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    Some(kept)
}

/// What tag characters and variation selectors spell, if it can be read.
pub fn smuggled(text: &str) -> Option<String> {
    let mut tags = String::new();
    let mut bytes = Vec::new();
    for c in text.chars() {
        match c as u32 {
            code @ 0xE_0020..=0xE_007E => tags.extend(char::from_u32(code - 0xE_0000)),
            0xE_000A => tags.push('\n'),
            code @ 0xFE00..=0xFE0F => bytes.push((code - 0xFE00) as u8),
            code @ 0xE_0100..=0xE_01EF => bytes.push((code - 0xE_0100 + 16) as u8),
            _ => {}
        }
    }
    if bytes.len() >= 4
        && let Ok(text) = std::str::from_utf8(&bytes)
    {
        tags.push('\n');
        tags.push_str(text);
    }
    (tags.len() >= 4).then_some(tags)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::scan;

    #[test]
    fn what_is_hidden_goes_and_what_is_shown_stays() {
        for (text, expected) in [
            ("i\u{200B}g\u{200B}nore", "ignore"),
            ("x\u{202E}y", "xy"),
            ("\x1b[31mred\x1b[0m\x07", "red"),
            ("a\u{E0041}\u{E0042}b", "ab"),
            ("\u{2764}\u{FE0F} \u{1F468}\u{200D}\u{1F469}", "\u{2764}\u{FE0F} \u{1F468}\u{200D}\u{1F469}"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
    }

    #[test]
    fn tags_and_selectors_are_read() {
        let tags: String = "do it".chars().filter_map(|c| char::from_u32(0xE_0000 + c as u32)).collect();
        assert_eq!(smuggled(&tags).as_deref(), Some("do it"));
        assert_eq!(smuggled("\u{2764}\u{FE0F}"), None);
    }

    /// Mostly characters that matter here.
    fn peculiar() -> impl Strategy<Value = String> {
        let special = prop::sample::select(vec![
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{FE0F}',
            '\u{E0041}',
            '\u{E007F}',
            '\u{1F3F4}',
            '\u{202E}',
            '\u{202B}',
            '\u{2067}',
            '\x1b',
            '[',
            'm',
            '8',
            ']',
            '\x07',
            'a',
            '\u{0430}',
            '\u{0645}',
            '\u{1F468}',
            '\u{E0101}',
            '\u{AD}',
            ' ',
            '\n',
        ]);
        prop::collection::vec(prop_oneof![4 => special, 1 => any::<char>()], 0..40)
            .prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in peculiar()) {
            let once = clean(&text).into_owned();
            prop_assert_eq!(clean(&once), once.as_str());
        }

        #[test]
        fn nothing_removable_is_left(text in peculiar()) {
            let once = clean(&text).into_owned();
            let left = scan(&once);
            prop_assert!(left.iter().all(|sighting| sighting.family == hidden::Hidden::Lookalike), "{:?}", left);
        }
    }
}
