//! How bad it is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::{Affected, Record, Score};

/// Levels of the Common Vulnerability Scoring System.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Up to 3.9.
    Low,
    /// Up to 6.9.
    Medium,
    /// Up to 8.9.
    High,
    /// 9.0 and more.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = text.to_ascii_lowercase();
        // GitHub's word for the middle.
        let word = if word == "moderate" { "medium" } else { &word };
        let known = Self::ALL.into_iter().find(|severity| severity.as_str() == word);
        known.ok_or_else(|| "is not `low`, `medium`, `high` or `critical`".to_owned())
    }
}

/// The worst that is said about a package, by a score or by a word; none when nothing that can be read is.
pub(super) fn of(record: &Record, affected: &Affected) -> Option<Severity> {
    let scores = record.severity.iter().chain(&affected.severity).filter_map(scored);
    let specific = [&record.database_specific, &affected.database_specific, &affected.ecosystem_specific];
    let words = specific.into_iter().filter_map(|it| it.get("severity").and_then(Value::as_str));
    scores.chain(words.filter_map(|word| word.parse().ok())).max()
}

fn scored(score: &Score) -> Option<Severity> {
    use cvss::Severity as Cvss;

    match score.score.parse::<cvss::Cvss>().ok()?.severity() {
        Cvss::None | Cvss::Low => Some(Severity::Low),
        Cvss::Medium => Some(Severity::Medium),
        Cvss::High => Some(Severity::High),
        Cvss::Critical => Some(Severity::Critical),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_that_is_said_counts() {
        let score = |text: &str| json!([{ "type": "CVSS", "score": text }]);
        let critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        let low = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N";
        let newest = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N";
        for (record, affected, expected) in [
            (json!({ "severity": score(critical) }), json!({}), Some(Severity::Critical)),
            (json!({ "severity": score(low) }), json!({}), Some(Severity::Low)),
            (json!({ "severity": score(newest) }), json!({}), Some(Severity::Critical)),
            (json!({ "database_specific": { "severity": "MODERATE" } }), json!({}), Some(Severity::Medium)),
            (
                json!({ "severity": score(low) }),
                json!({ "database_specific": { "severity": "HIGH" } }),
                Some(Severity::High),
            ),
            (json!({}), json!({ "severity": score(critical) }), Some(Severity::Critical)),
            (json!({ "severity": score("bad") }), json!({ "ecosystem_specific": { "severity": 3 } }), None),
            (json!({}), json!({}), None),
        ] {
            let mut record = record;
            record.as_object_mut().unwrap().insert("id".to_owned(), "X-1".into());
            let seen = of(
                &serde_json::from_value(record.clone()).unwrap(),
                &serde_json::from_value(affected).unwrap(),
            );
            assert_eq!(seen, expected, "{record}");
        }
        assert_eq!("Moderate".parse(), Ok(Severity::Medium));
        assert!("bad".parse::<Severity>().is_err());
    }
}
