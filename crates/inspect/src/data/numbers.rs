//! Numbers with check digits: payment cards, bank accounts, numbers of persons.

use super::{DataClass, Hit};

/// A group of digits with single separators: `4111 1111-1111 1111`.
struct Group {
    digits: Vec<u8>,
    /// What separates, in order; empty if nothing does.
    separators: Vec<(u8, usize)>,
    end: usize,
}

/// Longest number that is looked at, in digits.
const LONGEST: usize = 19;

/// Finds numbers in `text`.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = next_digit(bytes, at) {
        let before = start.checked_sub(1).and_then(|before| bytes.get(before)).copied();
        let group = group(bytes, start);
        at = group.end;
        let inside = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        if inside {
            continue;
        }
        let after = bytes.get(group.end).copied();
        let goes_on = after.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let found = match after {
            Some(letter) if letter.is_ascii_uppercase() => dni(&group.digits, letter).then_some(("dni", 1)),
            _ if goes_on => None,
            _ => number(&group).map(|what| (what, 0)),
        };
        let class = |what: &str| if what == "card" { DataClass::Card } else { DataClass::NationalId };
        if let Some((what, more)) = found {
            hits.push(Hit { class: class(what), what, at: start..group.end + more });
        }
    }
}

/// The next digit; blocks without one are passed over whole.
fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let mut at = 0;
    for block in rest.chunks(64) {
        if block.iter().fold(false, |found, byte| found | byte.is_ascii_digit()) {
            return block.iter().position(u8::is_ascii_digit).map(|within| from + at + within);
        }
        at += block.len();
    }
    None
}

fn group(bytes: &[u8], start: usize) -> Group {
    let mut group = Group { digits: Vec::new(), separators: Vec::new(), end: start };
    let mut at = start;
    loop {
        match bytes.get(at) {
            Some(digit) if digit.is_ascii_digit() => {
                if group.digits.len() <= LONGEST {
                    group.digits.push(digit - b'0');
                }
                at += 1;
                group.end = at;
            }
            Some(separator @ (b' ' | b'-' | b'.')) if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                group.separators.push((*separator, group.digits.len()));
                at += 1;
            }
            _ => return group,
        }
    }
}

/// What a group of digits is.
fn number(group: &Group) -> Option<&'static str> {
    let digits = &group.digits;
    let separated: Vec<usize> = group.separators.iter().map(|(_, at)| *at).collect();
    let only = |separator: u8| group.separators.iter().all(|(own, _)| *own == separator);
    match (digits.len(), separated.as_slice()) {
        (9, [3, 5]) if only(b'-') && ssn(digits) => Some("us-ssn"),
        (11, [3, 6, 9]) if cpf(digits) => Some("cpf"),
        (12, [4, 8]) if only(b' ') && aadhaar(digits) => Some("aadhaar"),
        (15, []) if nir(digits) => Some("nir"),
        (15, [1, 3, 5, 7, 10, 13]) if nir(digits) => Some("nir"),
        (13..=19, []) if card(digits) => Some("card"),
        (14..=15, [4, 10]) if card(digits) => Some("card"),
        (16, [4, 8, 12]) if (only(b' ') || only(b'-')) && card(digits) => Some("card"),
        _ => None,
    }
}

fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

fn leading(digits: &[u8], count: usize) -> u64 {
    value(digits.get(..count).unwrap_or_default())
}

/// ISO/IEC 7812: a range in use, its length, and the Luhn digit.
fn card(digits: &[u8]) -> bool {
    let (length, two, four) = (digits.len(), leading(digits, 2), leading(digits, 4));
    let issued = match length {
        16 => {
            digits.first() == Some(&4)
                || matches!(two, 51..=55 | 65)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011 | 6440..=6499)
                || two == 62
        }
        15 => matches!(two, 34 | 37),
        14 => matches!(two, 36 | 38 | 39) || matches!(leading(digits, 3), 300..=305),
        _ => false,
    };
    let same = digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    issued && !same && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit) * 2) {
            (0, _) => u32::from(*digit),
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Form and the numbers that are never given (SSA). There is no check digit.
fn ssn(digits: &[u8]) -> bool {
    let (area, rest) = (leading(digits, 3), value(digits.get(3..).unwrap_or_default()));
    !matches!(area, 0 | 666 | 900..) && rest / 10_000 != 0 && rest % 10_000 != 0
}

fn cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let weights = (2..=count as u32 + 1).rev();
        let sum: u32 =
            digits.iter().take(count).zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum();
        let digit = (sum * 10) % 11 % 10;
        digits.get(count).is_some_and(|own| u32::from(*own) == digit)
    };
    let same = digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    !same && check(9) && check(10)
}

/// The letter is the number modulo 23.
fn dni(digits: &[u8], letter: u8) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    digits.len() == 8 && LETTERS.get((value(digits) % 23) as usize) == Some(&letter)
}

/// Sex, month, and a key of 97 less the rest (INSEE; Corsica, whose departments have letters, is not covered).
fn nir(digits: &[u8]) -> bool {
    let (number, key) = digits.split_at_checked(13).unwrap_or_default();
    let month = value(digits.get(3..5).unwrap_or_default());
    matches!(digits.first(), Some(1 | 2))
        && matches!(month, 1..=12 | 20..=42)
        && value(key) == 97 - value(number) % 97
}

/// Verhoeff's check digit (UIDAI); never begins with 0 or 1.
fn aadhaar(digits: &[u8]) -> bool {
    const MULTIPLY: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const PERMUTE: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let at = |table: &[[u8; 10]], row: usize, column: u8| {
        table.get(row).and_then(|row| row.get(usize::from(column))).copied().unwrap_or(1)
    };
    let check =
        digits.iter().rev().enumerate().fold(0, |check, (place, digit)| {
            at(&MULTIPLY, usize::from(check), at(&PERMUTE, place % 8, *digit))
        });
    check == 0 && digits.first().is_some_and(|first| *first > 1)
}

/// Countries and the length of their IBANs (SWIFT registry).
const IBANS: &[(&[u8; 2], usize)] = &[
    (b"AT", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"CH", 21),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"EE", 20),
    (b"ES", 24),
    (b"FI", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GR", 27),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"MC", 27),
    (b"MT", 31),
    (b"NL", 18),
    (b"NO", 15),
    (b"PL", 28),
    (b"PT", 25),
    (b"RO", 24),
    (b"SA", 24),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"TR", 26),
    (b"AE", 23),
];

/// The IBAN at the start of `bytes`, written together or in groups of four: its length as written.
pub(super) fn iban(bytes: &[u8]) -> Option<usize> {
    let country = bytes.first_chunk::<2>()?;
    let (_, length) = IBANS.iter().find(|(code, _)| *code == country)?;
    let mut letters = Vec::with_capacity(*length);
    let mut at = 0;
    while letters.len() < *length {
        match bytes.get(at)? {
            byte if byte.is_ascii_digit() || byte.is_ascii_uppercase() => letters.push(*byte),
            b' ' if letters.len().is_multiple_of(4) => {}
            _ => return None,
        }
        at += 1;
    }
    let ends = bytes.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let (head, tail) = letters.split_at_checked(4)?;
    let rest = tail.iter().chain(head).try_fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => Some((rest * 10 + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(byte - b'A') + 10) % 97),
        _ => None,
    })?;
    (ends && rest == 1).then_some(at)
}

/// Sixteen characters with a check letter (DM 23.12.1976).
pub(super) fn codice_fiscale(code: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let form = b"AAAAAA00A00A000A";
    let fits = code.len() == form.len()
        && code.iter().zip(form).all(|(byte, kind)| match kind {
            b'A' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit(),
        });
    let index =
        |byte: u8| if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte - b'A') };
    let sum: u32 = code
        .iter()
        .take(15)
        .enumerate()
        .filter(|_| fits)
        .map(|(place, byte)| match place % 2 {
            0 => ODD.get(index(*byte) as usize).copied().unwrap_or(0),
            _ => index(*byte),
        })
        .sum();
    fits && code.last().is_some_and(|last| index(*last) == sum % 26)
}

/// The letter is the number with its first letter as a digit, modulo 23.
pub(super) fn nie(code: &[u8]) -> bool {
    let [first @ b'X'..=b'Z', middle @ .., letter] = code else { return false };
    let mut digits = vec![first - b'X'];
    digits.extend(middle.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0'));
    middle.len() == 7 && dni(&digits, *letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let mut hits = Vec::new();
        find(text, &mut hits);
        let found: Vec<_> =
            hits.iter().map(|hit| (hit.what, text.get(hit.at.clone()).unwrap_or_default())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn numbers_are_found_by_form_and_check_digit() {
        check("pay 4111 1111 1111 1111 now", &[("card", "4111 1111 1111 1111")]);
        check(
            "5500-0055-5555-5559, 378282246310005",
            &[("card", "5500-0055-5555-5559"), ("card", "378282246310005")],
        );
        check("3782 822463 10005", &[("card", "3782 822463 10005")]);
        check("ssn 536-22-8726.", &[("us-ssn", "536-22-8726")]);
        check("cpf 529.982.247-25", &[("cpf", "529.982.247-25")]);
        check("dni 12345678Z", &[("dni", "12345678Z")]);
        check("2 55 08 14 168 025 38", &[("nir", "2 55 08 14 168 025 38")]);
        check("2341 2341 2346", &[("aadhaar", "2341 2341 2346")]);
    }

    #[test]
    fn other_numbers_are_not() {
        for text in [
            "4111 1111 1111 1112",
            "order 4111111111111111x",
            "id_4111111111111111",
            "0000 0000 0000 0000",
            "1731589200123456789",
            "000-12-3456 and 666-12-3456 and 912-12-3456 and 123-00-3456",
            "111.111.111-11",
            "12345678A",
            "2026-11-29 09:42:26.123456",
            "192.168.100.200",
            "v1.2.3-4",
            "3.141592653589793",
            "+49 30 901820",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn accounts_and_codes() {
        for (text, length) in [
            ("DE89370400440532013000", Some(22)),
            ("DE89 3704 0044 0532 0130 00 and more", Some(27)),
            ("GB82 WEST 1234 5698 7654 32", Some(27)),
            ("DE89370400440532013001", None),
            ("DE893704004405320130001", None),
            ("XX89370400440532013000", None),
        ] {
            assert_eq!(iban(text.as_bytes()), length, "{text}");
        }
        assert!(codice_fiscale(b"RSSMRA85T10A562S") && !codice_fiscale(b"RSSMRA85T10A562T"));
        assert!(nie(b"X1234567L") && !nie(b"X1234567T"));
    }
}
