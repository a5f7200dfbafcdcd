//! IPv4 addresses as lenient software reads them.

use std::net::Ipv4Addr;

/// Whether readers take the last label of a name for a number, and so the whole of it for an IPv4 address
/// (WHATWG URL, "ends in a number").
pub(super) fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        || hexadecimal(last).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The address that `inet_aton` and browsers read: one to four numbers, each decimal, octal after `0` or
/// hexadecimal after `0x`, the last one filling what is left. `text` is lower-case ASCII.
pub(super) fn lenient(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    let (last, bytes) = parts.split_last()?;
    let mut value: u32 = 0;
    for byte in bytes {
        value = value << 8 | u32::from(u8::try_from(number(byte)?).ok()?);
    }
    let left = 4_u32.checked_sub(u32::try_from(bytes.len()).ok()?).filter(|left| *left > 0)?;
    let last = number(last).filter(|last| u64::from(*last) < 1_u64 << (8 * left))?;
    let above = value.checked_shl(8 * left).unwrap_or(0);
    Some(Ipv4Addr::from_bits(above | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match (hexadecimal(text), text.strip_prefix('0')) {
        (Some(""), _) => return Some(0),
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (text, 10),
    };
    // `from_str_radix` would take a sign.
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, radix).ok())?
}

fn hexadecimal(text: &str) -> Option<&str> {
    text.strip_prefix("0x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (text, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("127.1", Some("127.0.0.1")),
            ("127.0.1", Some("127.0.0.1")),
            ("2130706433", Some("127.0.0.1")),
            ("0x7f000001", Some("127.0.0.1")),
            ("0x7f.1", Some("127.0.0.1")),
            ("0177.0.0.01", Some("127.0.0.1")),
            ("017700000001", Some("127.0.0.1")),
            ("0", Some("0.0.0.0")),
            ("0x", Some("0.0.0.0")),
            ("1.0xffff", Some("1.0.255.255")),
            ("4294967295", Some("255.255.255.255")),
            ("4294967296", None),
            ("256.1", None),
            ("1.2.3.256", None),
            ("1.2.3.4.5", None),
            ("1..4", None),
            ("+1", None),
            ("08", None),
            ("1.2.65536", None),
        ] {
            assert_eq!(lenient(text).map(|a| a.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_ends_in_a_number_is_no_name() {
        for (text, expected) in [
            ("a.1", true),
            ("1", true),
            ("a.0x1f", true),
            ("0x", true),
            ("09", true),
            ("1.a", false),
            ("127.0.0.1.evil.test", false),
            ("0xg", false),
            ("", false),
            ("a1", false),
        ] {
            assert_eq!(ends_in_number(text), expected, "{text}");
        }
    }
}
