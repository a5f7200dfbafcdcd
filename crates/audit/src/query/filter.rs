//! Which records are wanted.

use std::{collections::HashSet, fmt, str::FromStr};

use memchr::memmem;
use portcullis_core::Principal;
use serde_json::Value;

use crate::{LoggedRecord, read, time};

/// Records that are wanted. What is absent does not narrow them down.
///
/// Conditions on a decision also let its outcome through, so that what happened is not cut in half. Members of a
/// decision that an event lacks keep the event out.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// This very record, and the outcome of it.
    pub id: Option<String>,
    /// Written at this instant or later.
    pub since: Option<Instant>,
    /// Written before this instant.
    pub until: Option<Instant>,
    /// On whose authority.
    pub principal: Option<Principal>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// About this server; events about it too.
    pub server: Option<String>,
    /// Calls of this tool.
    pub tool: Option<String>,
    /// `allow` or `refuse`.
    pub verdict: Option<&'static str>,
    /// Refused by this control.
    pub control: Option<String>,
    /// Events of this kind.
    pub event: Option<String>,
    /// About the request that this commits to.
    pub request: Option<String>,
    /// Of this W3C trace.
    pub trace_id: Option<String>,
}

/// An instant as records write it, or as many of its first parts as are known: `2026-11-29`, `2026-11-29T10:15`,
/// `2026-11-29T10:15:00.042Z`. Compared as text, which for these is the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(String);

/// A text that names no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no time: write `2026-11-29`, `2026-11-29T10:15:00Z` (UTC) or how long ago, `15m`, `2h`, `7d`")]
pub struct FilterFault;

impl Instant {
    /// The instant `ms` milliseconds after the Unix epoch.
    pub fn at(ms: u64) -> Self {
        Self(time::rfc3339(ms).trim_end_matches('Z').to_owned())
    }

    /// Reads an instant, or a time that long before `now_ms`.
    ///
    /// # Errors
    /// [`FilterFault`] when the text is neither.
    pub fn read(text: &str, now_ms: u64) -> Result<Self, FilterFault> {
        match text.split_at_checked(text.len().saturating_sub(1)) {
            Some((number, unit)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                let unit_ms = match unit {
                    "s" => 1_000,
                    "m" => 60_000,
                    "h" => 3_600_000,
                    "d" => 86_400_000,
                    _ => return Err(FilterFault),
                };
                let ago = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms));
                Ok(Self::at(now_ms.saturating_sub(ago.ok_or(FilterFault)?)))
            }
            _ => text.parse(),
        }
    }
}

impl Instant {
    /// Milliseconds since the Unix epoch, of the first moment it may mean; none for a date there never was.
    pub fn milliseconds(&self) -> Option<u64> {
        let rest = "0000-01-01T00:00:00.000".get(self.0.len()..)?;
        time::read_rfc3339(&format!("{}{rest}Z", self.0))
    }
}

impl FromStr for Instant {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd.ddd";
        let bare = text.strip_suffix('Z').unwrap_or(text);
        let fits =
            |(byte, form): (u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == *form };
        let whole = [4, 7, 10, 13, 16, 19, 23].contains(&bare.len());
        if whole && bare.bytes().zip(FORM).all(fits) { Ok(Self(bare.to_owned())) } else { Err(FilterFault) }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A filter at work on lines in their order.
#[derive(Debug)]
pub struct Matcher {
    filter: Filter,
    /// Texts that a wanted line cannot be without.
    needles: Vec<memmem::Finder<'static>>,
    outcome: memmem::Finder<'static>,
    /// Decisions that matched and whose outcome has not come by.
    open: HashSet<String>,
}

impl Matcher {
    /// Starts with nothing seen.
    pub fn new(filter: Filter) -> Self {
        let texts = [
            &filter.id,
            &filter.tenant,
            &filter.server,
            &filter.tool,
            &filter.control,
            &filter.event,
            &filter.request,
            &filter.trace_id,
        ];
        let texts = texts.into_iter().flatten().map(String::as_str);
        let principal = filter.principal.as_ref().map(|who| &*who.id);
        let needles = texts.chain(principal).chain(filter.verdict);
        let needles = needles.map(|text| finder(&Value::from(text).to_string())).collect();
        Self { filter, needles, outcome: finder(r#""outcome""#), open: HashSet::new() }
    }

    /// The record in `line` when it is wanted; an error when it might be and is no record.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn wanted(&mut self, line: &[u8]) -> Result<Option<LoggedRecord>, read::ReadProblem> {
        let may_end = !self.open.is_empty() && self.outcome.find(line).is_some();
        if !may_end && self.needles.iter().any(|needle| needle.find(line).is_none()) {
            return Ok(None);
        }
        let record = read::parse(0, line)?;
        if let Some(decision) = record.concerns() {
            let known = self.open.remove(decision);
            let alone = self.filter.holds_of(&record);
            return Ok((known || alone).then_some(record));
        }
        if !self.filter.holds_of(&record) {
            return Ok(None);
        }
        if let Some(id) = record.id().filter(|_| record.allows()) {
            self.open.insert(id.to_owned());
        }
        Ok(Some(record))
    }
}

fn finder(needle: &str) -> memmem::Finder<'static> {
    memmem::Finder::new(needle).into_owned()
}

impl Filter {
    fn holds_of(&self, record: &LoggedRecord) -> bool {
        let text = |path: &[&str]| {
            let (first, rest) = path.split_first()?;
            rest.iter().try_fold(record.get(first)?, |value, name| value.get(name))?.as_str()
        };
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let written = text(&["time"]).unwrap_or_default().trim_end_matches('Z');
        let tool = text(&["item"]).filter(|_| text(&["item_kind"]) == Some("Tool"));
        self.since.as_ref().is_none_or(|since| written >= since.0.as_str())
            && self.until.as_ref().is_none_or(|until| written < until.0.as_str())
            && is(&self.id, record.id())
            && self.principal.as_ref().is_none_or(|who| record.principal().as_ref() == Some(who))
            && is(&self.tenant, text(&["caller", "tenant"]))
            && is(&self.server, text(&["server"]).or_else(|| text(&["subject"])))
            && is(&self.tool, tool)
            && self.verdict.is_none_or(|verdict| text(&["decision", "verdict"]) == Some(verdict))
            && is(&self.control, text(&["decision", "control"]))
            && is(&self.event, record.event())
            && is(&self.request, text(&["request"]))
            && is(&self.trace_id, text(&["trace_id"]))
    }
}
