//! Changes to a text that leave every other byte of it alone.

use serde::{Deserialize, Serialize};

/// `removed` gives way to `inserted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    /// First byte concerned.
    pub(crate) at: usize,
    pub(crate) removed: String,
    pub(crate) inserted: String,
}

/// The text after all edits, which are in its order and do not overlap; `None` where it does not hold what they
/// remove.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    let mut from = 0;
    for edit in edits {
        changed.push_str(text.get(from..edit.at)?);
        changed.push_str(&edit.inserted);
        from = edit.at.checked_add(edit.removed.len())?;
        if text.get(edit.at..from)? != edit.removed {
            return None;
        }
    }
    changed.push_str(text.get(from..)?);
    Some(changed)
}

/// The same edits at their places in the text after them.
pub(crate) fn after(edits: &[Edit]) -> Option<Vec<Edit>> {
    let (mut added, mut removed) = (0_usize, 0_usize);
    let mut moved = Vec::with_capacity(edits.len());
    for edit in edits {
        let at = (edit.at + added).checked_sub(removed)?;
        moved.push(Edit { at, ..edit.clone() });
        added += edit.inserted.len();
        removed += edit.removed.len();
    }
    Some(moved)
}

/// What takes back edits that [`after`] gave, in a text that holds what they were counted from at `anchor`.
pub(crate) fn inverse(edits: &[Edit], anchor: usize) -> Option<Vec<Edit>> {
    let back = |edit: &Edit| {
        let at = edit.at.checked_add(anchor)?;
        Some(Edit { at, removed: edit.inserted.clone(), inserted: edit.removed.clone() })
    };
    edits.iter().map(back).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use proptest::prelude::*;

    use super::*;

    /// A text, and edits of it made of pieces that are kept or replaced.
    fn pieces() -> impl Strategy<Value = (String, String, Vec<Edit>)> {
        prop::collection::vec(("\\PC{0,6}", prop::option::of("\\PC{0,6}")), 0..8).prop_map(|pieces| {
            let (mut old, mut new, mut edits) = (String::new(), String::new(), Vec::new());
            for (piece, replacement) in pieces {
                new.push_str(replacement.as_ref().unwrap_or(&piece));
                if let Some(inserted) = replacement {
                    edits.push(Edit { at: old.len(), removed: piece.clone(), inserted });
                }
                old.push_str(&piece);
            }
            (old, new, edits)
        })
    }

    proptest! {
        #[test]
        fn edits_are_made_and_taken_back((old, new, edits) in pieces(), before in "\\PC{0,9}") {
            prop_assert_eq!(apply(&old, &edits).unwrap(), new.clone());
            let recorded = after(&edits).unwrap();
            let now = format!("{before}{new}");
            let undone = apply(&now, &inverse(&recorded, before.len()).unwrap()).unwrap();
            prop_assert_eq!(undone, format!("{before}{old}"));
        }
    }

    #[test]
    fn a_text_that_holds_something_else_is_not_touched() {
        let edit = |at, removed: &str| Edit { at, removed: removed.to_owned(), inserted: String::new() };
        for (text, edits) in [
            ("abc", vec![edit(1, "x")]),
            ("abc", vec![edit(2, "cd")]),
            ("abc", vec![edit(9, "")]),
            ("abc", vec![edit(0, "ab"), edit(1, "b")]),
            ("é", vec![edit(1, "")]),
        ] {
            assert_eq!(apply(text, &edits), None, "{text} {edits:?}");
        }
    }
}
