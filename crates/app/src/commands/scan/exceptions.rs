//! Findings that somebody knows and accepts, for a time.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use portcullis_inspect::lint::{Finding, RULES};
use serde::Deserialize;

use crate::exit::{Exit, Failure};

/// Every exception.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exceptions {
    #[serde(default)]
    except: Vec<Exception>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exception {
    rule: String,
    server: String,
    tool: Option<String>,
    /// The last day it holds, as `2026-12-31`.
    pub(super) until: String,
    pub(super) reason: String,
}

pub(super) fn read(file: &Path) -> Result<Exceptions, Failure> {
    let place = file.display();
    let unusable = |what: String| {
        Failure::new(Exit::Usage, format!("{place}: {what}"))
            .remedy("write `[[except]]` with `rule`, `server`, `until = \"2026-12-31\"` and `reason`")
    };
    let text = std::fs::read_to_string(file).map_err(|e| unusable(e.to_string()))?;
    let exceptions: Exceptions = toml::from_str(&text).map_err(|e| unusable(e.message().to_owned()))?;
    for Exception { rule, until, reason, .. } in &exceptions.except {
        if !RULES.iter().any(|known| known.id == rule) {
            return Err(unusable(format!("there is no rule `{rule}`")));
        }
        if !is_date(until) {
            return Err(unusable(format!("`{until}` is no date")));
        }
        if reason.trim().is_empty() {
            return Err(unusable(format!("the exception from `{rule}` has no reason")));
        }
    }
    Ok(exceptions)
}

impl Exceptions {
    /// The exception that covers a finding today.
    pub(super) fn of(&self, finding: &Finding, today: &str) -> Option<&Exception> {
        self.except.iter().find(|it| {
            it.rule == finding.rule
                && it.server == finding.server
                && (it.tool.is_none() || it.tool == finding.tool)
                && today <= it.until.as_str()
        })
    }

    /// Those that hold no longer, in words.
    pub(super) fn expired(&self, today: &str) -> impl Iterator<Item = String> {
        let over = self.except.iter().filter(move |it| today > it.until.as_str());
        over.map(|it| {
            let tool = it.tool.as_ref().map(|tool| format!("/{tool}")).unwrap_or_default();
            format!("the exception from `{}` for `{}{tool}` ({})", it.rule, it.server, it.until)
        })
    }
}

/// Whether a text is a date as RFC 3339 writes one, so that two of them compare as texts.
fn is_date(text: &str) -> bool {
    let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    let part = |range| text.get(range).and_then(|part: &str| part.parse::<u32>().ok()).unwrap_or(0);
    shape.eq(*b"0000-00-00") && (1..=12).contains(&part(5..7)) && (1..=31).contains(&part(8..10))
}

/// Today in UTC.
pub(super) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The date of a day counted from 1 January 1970, in the proleptic Gregorian calendar: eras of 400 years, which begin
/// in March, so that a leap day comes last.
fn date(day: u64) -> String {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (day, expected) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_786, "2026-11-29"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(day), expected);
        }
    }

    #[test]
    fn only_dates_are_dates() {
        assert!(is_date("2026-12-31"));
        for bad in ["", "2026-13-01", "2026-00-10", "2026-1-1", "31.12.2026", "2026-12-32", "2026-12-3x"] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
