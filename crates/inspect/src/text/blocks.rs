//! Which bytes of a text are of a class, sixty-four at a time: where words and tokens end, without looking at each byte.

use wide::u8x16;

/// Bytes looked at together.
pub(crate) const BLOCK: usize = 64;

/// The block from `at` on. What is behind the end is zero, which is of no class.
#[inline]
pub(crate) fn block(bytes: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut padded = [0; BLOCK];
    if let Some(start) = padded.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    padded
}

/// A bit for each byte of a block that is of a class, the first byte lowest.
#[inline]
pub(crate) fn mask(block: &[u8; BLOCK], class: impl Fn(u8x16) -> u8x16) -> u64 {
    let (lanes, _) = block.as_chunks::<16>();
    lanes.iter().rev().fold(0, |mask, lane| mask << 16 | u64::from(class(u8x16::new(*lane)).to_bitmask()))
}

/// From `first` to `last`.
#[inline]
pub(crate) fn range(lane: u8x16, first: u8, last: u8) -> u8x16 {
    let above = lane - u8x16::splat(first);
    above.min(u8x16::splat(last - first)).simd_eq(above)
}

/// ASCII letters of one case; `first` is the first of them.
#[inline]
pub(crate) fn letters(lane: u8x16, first: u8) -> u8x16 {
    range(lane, first, first + 25)
}

/// ASCII digits.
#[inline]
pub(crate) fn digits(lane: u8x16) -> u8x16 {
    range(lane, b'0', b'9')
}

/// ASCII letters and digits.
#[inline]
pub(crate) fn alphanumeric(lane: u8x16) -> u8x16 {
    letters(lane | u8x16::splat(0x20), b'a') | digits(lane)
}

/// Exactly this byte.
#[inline]
pub(crate) fn is(lane: u8x16, byte: u8) -> u8x16 {
    lane.simd_eq(u8x16::splat(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(class: impl Fn(u8x16) -> u8x16, expected: impl Fn(u8) -> bool) {
        let all: Vec<u8> = (0..=255).collect();
        for at in (0..300).step_by(31) {
            let mask = mask(&block(&all, at), &class);
            for within in 0..BLOCK {
                let byte = all.get(at + within);
                assert_eq!(mask >> within & 1 == 1, byte.is_some_and(|byte| expected(*byte)), "{byte:?}");
            }
        }
    }

    #[test]
    fn classes_are_those_of_single_bytes() {
        check(alphanumeric, |byte| byte.is_ascii_alphanumeric());
        check(digits, |byte| byte.is_ascii_digit());
        check(|lane| letters(lane, b'a'), |byte| byte.is_ascii_lowercase());
        check(|lane| letters(lane, b'A'), |byte| byte.is_ascii_uppercase());
        check(|lane| is(lane, b'_'), |byte| byte == b'_');
    }
}
