//! Names that a reader which ignores case could confuse.
//!
//! Some JSON libraries, Go's `encoding/json` among them, match object members to fields regardless of case.
//! To such a reader `Path` and `path` are one member, and the last one wins.

use std::borrow::Cow;

use super::Node;

/// `name` in a form that is equal for names which differ only in case, by any of the simple case mappings of
/// Unicode.
pub fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(fold_char).collect())
}

/// Whether two names differ only in case.
pub(crate) fn folds_alike(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().map(fold_char).eq(b.chars().map(fold_char))
}

/// Upper case first, so that characters with a shared capital meet, such as long s with s.
fn fold_char(c: char) -> char {
    match c {
        // Its lower case is two characters, but some readers take the first for the whole.
        '\u{130}' => 'i',
        _ => single(single(c, char::to_uppercase), char::to_lowercase),
    }
}

/// The mapped character; `c` itself where the mapping gives several.
fn single<I: Iterator<Item = char>>(c: char, map: impl Fn(char) -> I) -> char {
    let mut mapped = map(c);
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

impl<'a> Node<'a> {
    /// A member whose name differs only in case from that of another member of the same object.
    pub fn case_collision(self) -> Option<Cow<'a, str>> {
        let mut names: Vec<_> = self.members().map(|(name, _)| name).collect();
        names.sort_by_cached_key(|name| fold(name).into_owned());
        let collides = |pair: &[Cow<'a, str>]| matches!(pair, [a, b] if folds_alike(a, b));
        names.windows(2).find(|pair| collides(pair)).and_then(|pair| pair.last().cloned())
    }
}
