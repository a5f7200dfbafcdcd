//! Token scanners: from the first byte of a token to just past its last.

use wide::u8x16;

use super::MAX_NUMBER;
use super::fault::{FaultKind, Halt, halt, syntax};

/// Where a string ends. Two words of the walk's hottest result, so no wider than that.
pub(super) struct StringEnd {
    /// Offset of the closing quote.
    pub(super) quote: u32,
    /// Whether a backslash was met.
    pub(super) escaped: bool,
}

/// Scans a string whose opening quote is just before `from`. Control characters are not looked for
/// here: see [`has_control`].
#[inline]
pub(super) fn string(bytes: &[u8], from: usize) -> Result<StringEnd, Halt> {
    let at = next_special(bytes, from, from)?;
    if bytes.get(at) == Some(&b'"') {
        return Ok(StringEnd { quote: at as u32, escaped: false });
    }
    escaped_string(bytes, from, at).map(|quote| StringEnd { quote: quote as u32, escaped: true })
}

/// Bytes looked at together from the first escape of a string on: where there is one, more are near.
const BLOCK: usize = 64;

/// Offset of the closing quote of a string, scanning on from its first backslash.
fn escaped_string(bytes: &[u8], from: usize, backslash: usize) -> Result<usize, Halt> {
    let mut at = backslash;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let base = at;
        let mut found = specials(block);
        at = if found == 0 { next_special(bytes, from, base + BLOCK)? } else { base + BLOCK };
        while found != 0 {
            let special = base + found.trailing_zeros() as usize;
            if bytes.get(special) == Some(&b'"') {
                return Ok(special);
            }
            let past = escape(bytes, special)?;
            match past - base {
                within @ ..BLOCK => found &= u64::MAX << within,
                _ => (at, found) = (past, 0),
            }
        }
    }
    loop {
        while bytes.get(at) == Some(&b'\\') {
            at = escape(bytes, at)?;
        }
        at = next_special(bytes, from, at)?;
        if bytes.get(at) == Some(&b'"') {
            return Ok(at);
        }
    }
}

/// The quotes and backslashes of a block, a bit for each byte, the first byte lowest.
#[inline]
fn specials(block: &[u8; BLOCK]) -> u64 {
    let (quote, backslash) = (u8x16::splat(b'"'), u8x16::splat(b'\\'));
    let (lanes, _) = block.as_chunks::<16>();
    lanes.iter().rev().fold(0, |found, lane| {
        let lane = u8x16::new(*lane);
        found << 16 | u64::from((lane.simd_eq(quote) | lane.simd_eq(backslash)).to_bitmask())
    })
}

/// Offset of the next quote or backslash, in the string that starts at `from`.
#[inline]
fn next_special(bytes: &[u8], from: usize, at: usize) -> Result<usize, Halt> {
    match quote_or_backslash(bytes.get(at..).unwrap_or_default()) {
        Some(hop) => Ok(at + hop),
        None => Err(syntax("string is not closed", from.saturating_sub(1))),
    }
}

/// Distance to the first quote or backslash.
///
/// Most strings are short and most escapes are near each other, so the first words are looked at here;
/// the vectorised search takes over where its set-up pays.
#[inline]
fn quote_or_backslash(rest: &[u8]) -> Option<usize> {
    if let Some(word) = rest.first_chunk() {
        let found = special_bytes(*word);
        if found != 0 {
            return Some(found.trailing_zeros() as usize / 8);
        }
    }
    far_quote_or_backslash(rest)
}

#[inline(never)]
fn far_quote_or_backslash(rest: &[u8]) -> Option<usize> {
    const NEAR: usize = 4;
    let (words, _) = rest.as_chunks();
    for (position, word) in words.iter().take(NEAR).enumerate() {
        let found = special_bytes(*word);
        if found != 0 {
            return Some(position * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let near = NEAR.min(words.len()) * 8;
    memchr::memchr2(b'"', b'\\', rest.get(near..)?).map(|at| at + near)
}

/// The high bit of each byte that is a quote or a backslash; bytes after the first may be marked wrongly.
#[inline]
fn special_bytes(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    zero_bytes(word ^ repeat(b'"')) | zero_bytes(word ^ repeat(b'\\'))
}

/// The high bit of each byte of `word` that is zero. Bytes above the first zero may be marked wrongly.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeat(0x01)) & !word & repeat(0x80)
}

const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Checks the escape that starts at the backslash `at`; returns the offset just past it.
#[inline]
fn escape(bytes: &[u8], at: usize) -> Result<usize, Halt> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => unicode_escape(bytes, at),
        _ => Err(syntax("unknown escape", at)),
    }
}

fn unicode_escape(bytes: &[u8], at: usize) -> Result<usize, Halt> {
    let lone = || halt(FaultKind::LoneSurrogate, at);
    match hex4(bytes, at + 2).ok_or_else(|| syntax("expected four hexadecimal digits", at))? {
        0xD800..=0xDBFF if bytes.get(at + 6..at + 8) == Some(b"\\u") => match hex4(bytes, at + 8) {
            Some(0xDC00..=0xDFFF) => Ok(at + 12),
            _ => Err(lone()),
        },
        0xD800..=0xDFFF => Err(lone()),
        _ => Ok(at + 6),
    }
}

/// The value of four hexadecimal digits at `at`.
pub(super) fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}

/// Whether any byte is a control character, U+0000 to U+001F.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    // Whole blocks without an early exit, so that the compiler can use vector instructions.
    let mut blocks = bytes.chunks_exact(128);
    blocks.any(|block| block.iter().fold(false, |found, byte| found | (*byte < 0x20)))
        || blocks.remainder().iter().any(|byte| *byte < 0x20)
}

/// Scans the number that starts at `from`; returns the offset just past it.
#[inline]
pub(super) fn number(bytes: &[u8], from: usize) -> Result<usize, Halt> {
    let integer = from + usize::from(bytes.get(from) == Some(&b'-'));
    let mut at = match bytes.get(integer) {
        Some(b'0') => integer + 1,
        _ => digits(bytes, integer)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(bytes, at + 1 + usize::from(sign))?;
        // Without an exponent a number this short is always finite.
        if at - from > MAX_NUMBER || !is_finite(bytes.get(from..at).unwrap_or_default()) {
            return Err(halt(FaultKind::NumberForm, from));
        }
    }
    if at - from > MAX_NUMBER { Err(halt(FaultKind::NumberForm, from)) } else { Ok(at) }
}

/// Offset just past one or more digits.
#[inline]
fn digits(bytes: &[u8], from: usize) -> Result<usize, Halt> {
    let mut at = from;
    while matches!(bytes.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    if at == from { Err(syntax("expected a digit", at)) } else { Ok(at) }
}

fn is_finite(number: &[u8]) -> bool {
    std::str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
}

/// Offset of the first byte at or after `from` that is not JSON whitespace.
#[inline]
pub(super) fn space(bytes: &[u8], from: usize) -> usize {
    match bytes.get(from) {
        // Most messages have no whitespace at all.
        Some(byte) if *byte > b' ' => from,
        _ => long_space(bytes, from),
    }
}

fn long_space(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Offset just past the value that starts at `from`, in bytes that passed the strict walk.
pub(super) fn validated_value(bytes: &[u8], from: usize) -> usize {
    match bytes.get(from) {
        Some(b'"') => validated_string(bytes, from),
        Some(b'{' | b'[') => validated_container(bytes, from),
        _ => {
            let rest = bytes.get(from..).unwrap_or_default();
            from + rest
                .iter()
                .take_while(|b| matches!(b, b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'))
                .count()
        }
    }
}

/// Offset just past the string whose opening quote is at `from`, in validated bytes.
pub(super) fn validated_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    loop {
        let Some(hop) = quote_or_backslash(bytes.get(at..).unwrap_or_default()) else { return bytes.len() };
        at += hop;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
}

fn validated_container(bytes: &[u8], from: usize) -> usize {
    let mut open = 0usize;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = validated_string(bytes, at);
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            break;
        }
    }
    at
}
