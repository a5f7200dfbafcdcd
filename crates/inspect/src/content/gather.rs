//! The strings of a part as one text.

use std::{cell::RefCell, ops::Range};

use portcullis_core::wire::json::{Span, Text};

use super::{fence, part::Part};
use crate::{
    detect::{self, Assessment},
    text::lossy,
};

/// Longest name of a member that is taken for a name and not for text.
const LONGEST_NAME: usize = 48;
/// Strings up to this length that have no letter say nothing.
const SHORT: usize = 8;
/// Words of the protocol and of schemas, which stand between the texts of a message and belong to none.
const WORDS: [&str; 17] = [
    "array",
    "assistant",
    "audio",
    "boolean",
    "complete",
    "image",
    "integer",
    "null",
    "number",
    "object",
    "prompt",
    "resource",
    "resource_link",
    "string",
    "text",
    "tool_output",
    "user",
];
const LONGEST_WORD: usize = "resource_link".len();
/// How much memory a thread keeps for the next message.
const KEPT: usize = 64 << 10;

thread_local! {
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Assesses a part; none if it has no text.
pub(super) fn assess(part: &Part<'_>) -> Option<Assessment> {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        for string in readable(part) {
            string.append_to(text);
            text.push(b'\n');
        }
        let assessment = (!text.is_empty()).then(|| detect::assess_bytes(text, part.surface));
        text.shrink_to(KEPT);
        assessment
    })
}

/// A string that was read.
pub(super) struct Piece {
    pub(super) text: String,
    /// Where it is in the document.
    pub(super) span: Span,
    /// Where it is in the text of the part.
    pub(super) at: Range<usize>,
}

/// The same strings, by themselves.
pub(super) fn pieces(part: &Part<'_>) -> Vec<Piece> {
    let mut start = 0;
    let piece = |string: Text<'_>| {
        let mut text = Vec::with_capacity(string.raw.len());
        string.append_to(&mut text);
        let text = lossy(text);
        let at = start..start + text.len();
        start = at.end + 1;
        Piece { text, span: string.span, at }
    };
    readable(part).map(piece).collect()
}

/// The piece that has the most of a range of the text of the part.
pub(super) fn most_of<'p>(pieces: &'p [Piece], range: &Range<usize>) -> Option<&'p Piece> {
    let shared = |piece: &&Piece| piece.at.end.min(range.end).saturating_sub(piece.at.start.max(range.start));
    let meets = |piece: &&Piece| piece.at.start < range.end && range.start <= piece.at.end;
    // Of equals the first, so that an empty range has one too.
    pieces.iter().filter(meets).rev().max_by_key(shared).or(pieces.first())
}

/// Strings that can say something: not the names of members, words of the protocol, short numbers, nor what is
/// fenced off already.
fn readable<'p>(part: &'p Part<'_>) -> impl Iterator<Item = Text<'p>> {
    part.node.strings().filter(|string| !is_silent(string) && !part.leaves_out(string.span))
}

fn is_silent(string: &Text<'_>) -> bool {
    let raw = string.raw;
    string.is_key && is_name(raw)
        || raw.len() <= SHORT && !raw.iter().any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
        || raw.len() <= LONGEST_WORD && WORDS.iter().any(|word| word.as_bytes() == raw)
        || fence::encloses(string)
}

fn is_name(raw: &[u8]) -> bool {
    raw.len() <= LONGEST_NAME
        && raw.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:$@".contains(byte))
}
