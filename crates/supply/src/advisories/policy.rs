//! What is refused, what is noted, and what somebody accepted for a time.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Advisories, Match, Part, Severity, Vex, data, range,
    record::{Affected, Record},
    severity,
    vex::Dismissal,
};
use crate::admit::is_day;

/// What an advisory that does not say how bad it is counts as.
const UNSAID: Severity = Severity::High;

/// What becomes of vulnerable packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// This bad, and worse, is refused.
    pub refuse: Severity,
    /// Days after which advisories are old.
    pub max_age_days: u64,
    /// What is accepted nevertheless.
    pub exceptions: Exceptions,
    /// What those say who count.
    pub vex: Vex,
}

impl Default for Policy {
    fn default() -> Self {
        let (exceptions, vex) = (Exceptions::default(), Vex::default());
        Self { refuse: Severity::High, max_age_days: 14, exceptions, vex }
    }
}

/// Advisories that somebody accepts for some packages, each for a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    #[serde(default)]
    except: Vec<Exception>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Identifier of the advisory, or another name of it.
    pub id: String,
    /// Name of the package.
    pub package: String,
    /// Last day it holds, as YYYY-MM-DD.
    pub until: String,
    /// Why.
    pub reason: String,
}

/// Why exceptions cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ExceptionsFault {
    place: String,
    reason: String,
}

impl Exceptions {
    /// Reads `[[except]]` tables with `id`, `package`, `until` and `reason`.
    pub fn read(file: &Path) -> Result<Self, ExceptionsFault> {
        let fault = |reason: String| ExceptionsFault { place: file.display().to_string(), reason };
        let text = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
        let exceptions: Self = toml::from_str(&text).map_err(|error| fault(error.message().to_owned()))?;
        for Exception { id, package, until, reason } in &exceptions.except {
            if !is_day(until) {
                return Err(fault(format!("`{until}` is no day: write YYYY-MM-DD")));
            }
            if [id, package, reason].iter().any(|text| text.trim().is_empty()) {
                return Err(fault(format!("an exception from `{id}` needs an id, a package and a reason")));
            }
        }
        Ok(exceptions)
    }

    /// Those that hold no longer.
    pub fn expired<'e>(&'e self, today: &'e str) -> impl Iterator<Item = &'e Exception> {
        self.except.iter().filter(move |it| today > it.until.as_str())
    }

    fn of(&self, record: &Record, part: &Part, today: &str) -> Option<&Exception> {
        self.except.iter().find(|it| {
            (it.id == record.id || record.aliases.contains(&it.id))
                && it.package == part.name
                && today <= it.until.as_str()
        })
    }
}

/// What becomes of a package because of an advisory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// It is refused.
    Refused,
    /// It is told.
    Noted,
    /// Somebody accepted it.
    Excepted {
        /// Until this day.
        until: String,
        /// For this reason.
        reason: String,
    },
    /// Somebody whose word counts says that it does not concern the package.
    Dismissed {
        /// Who.
        author: String,
        /// The last day on which that counts.
        until: String,
        /// For this reason.
        reason: String,
    },
}

/// An advisory about a part of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Name of the package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Identifier of the advisory.
    pub id: String,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// How bad it is, where that is said.
    pub severity: Option<Severity>,
    /// Whether the package means harm.
    pub malicious: bool,
    /// Whether what the advisory says about versions could not be read, so that it may be about another one.
    pub undecided: bool,
    /// First version in which it is no more, where that is said.
    pub fixed: Option<String>,
    /// What it is.
    pub summary: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Longest summary that is kept, in characters. Advisories are written by anybody.
const MAX_SUMMARY: usize = 120;

impl Policy {
    /// Every advisory about one of the parts, worst first. `today` is a day, as YYYY-MM-DD.
    pub fn judge(&self, advisories: &Advisories, parts: &[Part], today: &str) -> Vec<Judged> {
        let own = parts.iter().find(|part| part.own);
        let about = |part| advisories.about(part).iter().filter_map(move |it| self.one(it, part, own, today));
        let mut judged: Vec<Judged> = parts.iter().flat_map(about).collect();
        judged.sort_by(|a, b| (b.rank(), &a.package, &a.id).cmp(&(a.rank(), &b.package, &b.id)));
        judged.dedup();
        judged
    }

    fn one(&self, record: &Record, part: &Part, own: Option<&Part>, today: &str) -> Option<Judged> {
        let named = (part.ecosystem, part.name.clone());
        let about = |it: &&Affected| it.package.as_ref().and_then(data::package).as_ref() == Some(&named);
        let entries = record.affected.iter().filter(about);
        let matched = entries.map(|it| (range::of(it, part.ecosystem, &part.version), it));
        let matched: Vec<_> = matched.filter(|(matched, _)| *matched != Match::NotAffected).collect();
        // The worst of all entries that may be about it; one that says nothing counts as what is unsaid.
        let severities = matched.iter().map(|(_, entry)| severity::of(record, entry));
        let severity = severities.max_by_key(|it| it.unwrap_or(UNSAID)).flatten();
        let (matched, entry) = *matched.iter().max_by_key(|(matched, _)| *matched)?;
        let malicious = record.is_malicious();
        let plain = |it: char| if it.is_control() { ' ' } else { it };
        Some(Judged {
            package: part.name.clone(),
            version: part.version.clone(),
            id: record.id.chars().take(MAX_SUMMARY).map(plain).collect(),
            aliases: record.aliases.clone(),
            severity,
            malicious,
            undecided: matched == Match::Undecided,
            fixed: range::fixed_in(entry, part.ecosystem, &part.version).map(str::to_owned),
            summary: record.summary.chars().take(MAX_SUMMARY).map(plain).collect(),
            verdict: self.verdict(record, part, own, severity, today),
        })
    }

    fn verdict(
        &self,
        record: &Record,
        part: &Part,
        own: Option<&Part>,
        severity: Option<Severity>,
        today: &str,
    ) -> Verdict {
        // There is no reason to run what means harm.
        if record.is_malicious() {
            return Verdict::Refused;
        }
        if let Some(Exception { until, reason, .. }) = self.exceptions.of(record, part, today) {
            return Verdict::Excepted { until: until.clone(), reason: reason.clone() };
        }
        match self.vex.dismisses(record, part, own, today) {
            Some(Dismissal { author, until, reason }) => Verdict::Dismissed { author, until, reason },
            None if severity.unwrap_or(UNSAID) >= self.refuse => Verdict::Refused,
            None => Verdict::Noted,
        }
    }
}

impl Judged {
    /// Whether it is refused.
    pub fn is_refused(&self) -> bool {
        self.verdict == Verdict::Refused
    }

    fn rank(&self) -> (bool, bool, Option<Severity>) {
        (self.malicious, self.is_refused(), self.severity)
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, version, id, .. } = self;
        let how = match (self.malicious, self.severity) {
            (true, _) => "malicious",
            (false, Some(severity)) => severity.as_str(),
            (false, None) => "severity not said",
        };
        write!(f, "{package}@{version}: {id} ({how})")?;
        if self.undecided {
            f.write_str(", which does not say for which versions in a way that can be read")?;
        }
        if !self.summary.is_empty() {
            write!(f, ": {}", self.summary)?;
        }
        if let Some(fixed) = &self.fixed {
            write!(f, "; fixed in {fixed}")?;
        }
        if let Verdict::Excepted { until, reason } = &self.verdict {
            write!(f, "; accepted until {until}: {reason}")?;
        }
        if let Verdict::Dismissed { author, until, reason } = &self.verdict {
            write!(f, "; {author} says it does not concern it, which counts until {until}: {reason}")?;
        }
        Ok(())
    }
}
