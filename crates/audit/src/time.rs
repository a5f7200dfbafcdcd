//! Timestamps as text: RFC 3339 in UTC with milliseconds.

/// 9999-12-31T23:59:59.999Z, the last instant RFC 3339 can write.
const LAST_MS: u64 = 253_402_300_799_999;
const MS_PER_DAY: u64 = 86_400_000;

/// Appends `now_ms` (milliseconds since the Unix epoch) as `2026-11-22T10:15:00.042Z`.
///
/// Instants after the year 9999 are written as its last millisecond: a wrong clock must not make a
/// record unreadable.
pub(crate) fn push_rfc3339(out: &mut Vec<u8>, now_ms: u64) {
    let now_ms = now_ms.min(LAST_MS);
    let (year, month, day) = civil(now_ms / MS_PER_DAY);
    let in_day = now_ms % MS_PER_DAY;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let fields = [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, in_day / 3_600_000),
        (14..16, in_day / 60_000 % 60),
        (17..19, in_day / 1_000 % 60),
        (20..23, in_day % 1_000),
    ];
    for (place, mut value) in fields {
        for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
        }
    }
    out.extend_from_slice(&text);
}

/// An instant as records write it: RFC 3339 in UTC with milliseconds. `now_ms` is in milliseconds since the Unix epoch.
pub fn rfc3339(now_ms: u64) -> String {
    let mut text = Vec::with_capacity(24);
    push_rfc3339(&mut text, now_ms);
    String::from_utf8_lossy(&text).into_owned()
}

/// `now_ms` in a form fit for file names: `20261122T101500Z`.
pub(crate) fn compact(now_ms: u64) -> String {
    rfc3339(now_ms / 1_000 * 1_000).replace(".000", "").replace(['-', ':'], "")
}

/// The instant that [`push_rfc3339`] wrote as `text`; none for anything else.
pub(crate) fn read_rfc3339(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let in_day = ((number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?) * 1_000 + number(20, 23)?;
    let ms = days.checked_mul(MS_PER_DAY)?.checked_add(in_day)?;
    (rfc3339(ms) == text).then_some(ms)
}

/// The number of days from 1970-01-01 to a date, the inverse of [`civil`].
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let march_year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (march_year / 400, march_year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// Year, month and day of the `days`-th day after 1970-01-01 in the proleptic Gregorian calendar.
///
/// Counts years from 1 March, so that the leap day is the last of its year and month lengths follow one
/// linear formula.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days + DAYS_TO_1970_FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_rfc_3339() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (1_795_342_500_042, "2026-11-22T10:15:00.042Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), expected);
            assert_eq!(read_rfc3339(expected), Some(ms.min(LAST_MS)));
        }
        for bad in [
            "",
            "1970-01-01",
            "1970-13-01T00:00:00.000Z",
            "2026-02-30T00:00:00.000Z",
            "é970-01-01T00:00:00.000Z",
        ] {
            assert_eq!(read_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut previous = civil(0);
        for day in 1..=146_097 {
            let (y, m, d) = civil(day);
            let leap = previous.0.is_multiple_of(4)
                && (!previous.0.is_multiple_of(100) || previous.0.is_multiple_of(400));
            let length = match previous.1 {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = match previous {
                (y, m, d) if d < length => (y, m, d + 1),
                (y, 12, _) => (y + 1, 1, 1),
                (y, m, _) => (y, m + 1, 1),
            };
            assert_eq!((y, m, d), expected, "day {day}");
            previous = (y, m, d);
        }
    }

    #[test]
    fn file_names_carry_seconds() {
        assert_eq!(compact(1_795_342_500_042), "20261122T101500Z");
    }
}
