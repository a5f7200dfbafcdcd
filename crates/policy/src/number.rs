//! JSON numbers as Cedar sees them.

/// A JSON number. Cedar has integers of 64 bits and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// Every number whose value is such an integer, however it is written: `5`, `5.0`, `50e-1`.
    Long(i64),
    /// Any other number, in its only form, so that a value cannot be spelled past a comparison.
    Text(String),
}

/// Longest run of digits written out; beyond it the exponent is written.
const PLAIN_DIGITS: i64 = 40;

/// Reads a number that JSON's grammar allows.
pub(crate) fn number(raw: &str) -> Number {
    let (negative, unsigned) = match raw.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, raw),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let trimmed = all.trim_end_matches('0');
    let digits = trimmed.trim_start_matches('0');
    if digits.is_empty() {
        return Number::Long(0);
    }
    let dropped = all.len() - trimmed.len();
    let length = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    // The value is `digits` times ten to the power of `scale`.
    let scale =
        parse_exponent(exponent).saturating_add(length(dropped)).saturating_sub(length(fraction.len()));
    let sign = if negative { "-" } else { "" };
    long(sign, digits, scale).map_or_else(|| Number::Text(text(sign, digits, scale)), Number::Long)
}

/// An exponent too large for 64 bits is as good as the largest.
fn parse_exponent(text: &str) -> i64 {
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 })
}

fn long(sign: &str, digits: &str, scale: i64) -> Option<i64> {
    let zeros = usize::try_from(scale).ok().filter(|zeros| *zeros < 20)?;
    format!("{sign}{digits}{:0<zeros$}", "").parse().ok()
}

fn text(sign: &str, digits: &str, scale: i64) -> String {
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    // Digits before the decimal point, less than one if there are zeros behind it.
    let point = length.saturating_add(scale);
    if !(-PLAIN_DIGITS..=PLAIN_DIGITS).contains(&point) {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        let dot = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{dot}{rest}e{}", point.saturating_sub(1));
    }
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or(0));
    match usize::try_from(point) {
        Ok(point) if point > 0 => match digits.split_at_checked(point) {
            Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
            _ => format!("{sign}{digits}{}", zeros(scale)),
        },
        _ => format!("{sign}0.{}{digits}", zeros(-point)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, number};

    #[test]
    fn integers_are_longs_however_they_are_written() {
        let table: &[(&str, i64)] = &[
            ("0", 0),
            ("-0", 0),
            ("0.000", 0),
            ("0e99999999999999999999", 0),
            ("5", 5),
            ("-5", -5),
            ("5.0", 5),
            ("5e0", 5),
            ("50e-1", 5),
            ("0.05E+2", 5),
            ("120", 120),
            ("1.2e2", 120),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9.223372036854775808e18", i64::MIN),
        ];
        for (raw, value) in table {
            assert_eq!(number(raw), Number::Long(*value), "{raw}");
        }
    }

    #[test]
    fn other_numbers_have_one_form() {
        let table: &[(&str, &str)] = &[
            ("0.1", "0.1"),
            ("1e-1", "0.1"),
            ("0.100", "0.1"),
            ("-12.50", "-12.5"),
            ("-1250e-2", "-12.5"),
            ("0.00012", "0.00012"),
            ("9223372036854775808", "9223372036854775808"),
            ("-9223372036854775809", "-9223372036854775809"),
            ("1e19", "10000000000000000000"),
            ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
            ("1e40", "1e40"),
            ("12e300", "1.2e301"),
            ("1e-300", "1e-300"),
            ("1e-99999999999999999999", "1e-4611686018427387904"),
        ];
        for (raw, text) in table {
            assert_eq!(number(raw), Number::Text((*text).to_owned()), "{raw}");
        }
    }
}
