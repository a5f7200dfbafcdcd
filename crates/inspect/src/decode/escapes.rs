//! Percent signs, character references and backslashes.

/// The text with its escapes undone; nothing if there are none.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut undone) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let found = match byte {
            b'%' => hex(rest, 2).map(|code| (Piece::Byte(code as u8), 3)),
            b'\\' => backslash(rest),
            b'&' => reference(rest),
            _ => None,
        };
        match found {
            Some((Piece::Byte(byte), length)) => {
                out.push(byte);
                (at, undone) = (at + length, true);
            }
            Some((Piece::Character(c), length)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                (at, undone) = (at + length, true);
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    undone.then(|| String::from_utf8_lossy(&out).into_owned())
}

enum Piece {
    Byte(u8),
    Character(char),
}

fn hex(text: &[u8], digits: usize) -> Option<u32> {
    let text = text.get(..digits).filter(|text| !text.is_empty())?;
    text.iter().try_fold(0, |code, byte| Some(code * 16 + char::from(*byte).to_digit(16)?))
}

fn backslash(rest: &[u8]) -> Option<(Piece, usize)> {
    let digits = rest.get(1..)?;
    match rest.first()? {
        b'x' => hex(digits, 2).map(|code| (Piece::Byte(code as u8), 4)),
        b'U' => character(hex(digits, 8)?, 10),
        b'u' if digits.first() == Some(&b'{') => {
            let length = digits.iter().take(8).position(|byte| *byte == b'}')?;
            character(hex(digits.get(1..)?, length.checked_sub(1)?)?, length + 3)
        }
        b'u' => {
            let high = hex(digits, 4)?;
            let low = digits
                .get(4..)
                .filter(|rest| rest.starts_with(b"\\u"))
                .and_then(|rest| hex(rest.get(2..)?, 4));
            match (high, low) {
                (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) => {
                    character(0x1_0000 + ((high & 0x3FF) << 10) + (low & 0x3FF), 12)
                }
                _ => character(high, 6),
            }
        }
        _ => None,
    }
}

fn character(code: u32, length: usize) -> Option<(Piece, usize)> {
    char::from_u32(code).map(|c| (Piece::Character(c), length))
}

const NAMED: &[(&[u8], char)] =
    &[(b"lt;", '<'), (b"gt;", '>'), (b"amp;", '&'), (b"quot;", '"'), (b"apos;", '\''), (b"nbsp;", ' ')];

fn reference(rest: &[u8]) -> Option<(Piece, usize)> {
    if let Some((name, c)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
        return Some((Piece::Character(*c), name.len() + 1));
    }
    let digits = rest.strip_prefix(b"#")?;
    let (digits, radix, skip) = match digits.first()? {
        b'x' | b'X' => (digits.get(1..)?, 16, 3),
        _ => (digits, 10, 2),
    };
    let length = digits.iter().take(7).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let text = std::str::from_utf8(digits.get(..length)?).ok()?;
    let code = u32::from_str_radix(text, radix).ok()?;
    let semicolon = usize::from(digits.get(length) == Some(&b';'));
    character(code, skip + length + semicolon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_undone() {
        for (text, expected) in [
            ("%69%67nore %zz", Some("ignore %zz")),
            ("&#105;&#x67;&#78ore &lt;b&gt; &what;", Some("igNore <b> &what;")),
            (r"\u0069\u{67}n\x6fre \ud83d\ude00 \ud83d", Some("ignore \u{1F600} \\ud83d")),
            ("nothing here", None),
            ("\\", None),
            ("\\u{}", None),
            ("&#;", None),
        ] {
            assert_eq!(unescaped(text).as_deref(), expected, "{text}");
        }
    }
}
