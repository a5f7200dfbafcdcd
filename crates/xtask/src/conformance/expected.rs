//! The differences that have a reason.

use serde::Deserialize;

use super::checks::{Difference, Key};
use crate::{failure::Failure, workspace};

pub(super) const PATH: &str = "testbed/conformance-expected.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    #[serde(default)]
    difference: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    suite: String,
    version: String,
    scenario: String,
    id: String,
    name: String,
    #[serde(default = "first")]
    nth: usize,
    reason: String,
}

fn first() -> usize {
    1
}

/// What was found, measured by what was expected.
#[derive(Debug)]
pub(super) struct Verdict<'a> {
    pub(super) expected: Vec<&'a Difference>,
    pub(super) unexpected: Vec<&'a Difference>,
    /// Entries that are no difference any more.
    pub(super) stale: Vec<String>,
}

impl Expected {
    pub(super) fn read() -> Result<Expected, Failure> {
        let path = workspace::root().join(PATH);
        let text = std::fs::read_to_string(&path).map_err(|e| Failure::broken(PATH, e))?;
        Self::parse(&text).map_err(|e| Failure::broken(PATH, e))
    }

    fn parse(text: &str) -> Result<Expected, String> {
        let expected: Expected = toml::from_str(text).map_err(|e| e.to_string())?;
        match expected.difference.iter().find(|entry| entry.reason.trim().is_empty()) {
            Some(entry) => Err(format!("`{}` of `{}` has no reason", entry.id, entry.scenario)),
            None => Ok(expected),
        }
    }

    /// `ran` tells which suites were run: an entry of another cannot be stale.
    pub(super) fn judge<'a>(&self, found: &'a [Difference], ran: impl Fn(&str) -> bool) -> Verdict<'a> {
        let (expected, unexpected) =
            found.iter().partition(|it| self.difference.iter().any(|entry| entry.is(&it.key)));
        let gone = |entry: &&Entry| ran(&entry.suite) && !found.iter().any(|it| entry.is(&it.key));
        let stale = self.difference.iter().filter(gone).map(Entry::label).collect();
        Verdict { expected, unexpected, stale }
    }
}

impl Entry {
    fn is(&self, key: &Key) -> bool {
        let Key { suite, version, scenario, id, name, nth } = key;
        (self.suite == *suite && self.version == *version && self.scenario == *scenario)
            && (self.id == *id && self.name == *name && self.nth == *nth)
    }

    fn label(&self) -> String {
        let Entry { suite, version, scenario, id, name, nth, .. } = self;
        format!("{suite} {version} {scenario} {id} {name} {nth}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn entry(id: &str, more: &str) -> String {
        format!(
            "[[difference]]\nsuite = \"server\"\nversion = \"v\"\nscenario = \"s\"\nid = \"{id}\"\nname = \"N\"\n{more}\n"
        )
    }

    fn difference(id: &str, nth: usize) -> Difference {
        let (version, scenario, name) = ("v".into(), "s".into(), "N".into());
        let key = Key { suite: "server", version, scenario, id: id.into(), name, nth };
        Difference { key, through: "FAILURE".into(), why: String::new() }
    }

    #[test]
    fn every_difference_needs_an_entry_and_every_entry_a_difference() {
        let text = entry("a", "reason = \"r\"") + &entry("b", "reason = \"r\"\nnth = 2");
        let expected = Expected::parse(&text).unwrap();
        for (found, (known, new, stale)) in [
            (vec![difference("a", 1), difference("b", 2)], (2, 0, 0)),
            (vec![difference("a", 1), difference("b", 1)], (1, 1, 1)),
            (vec![difference("c", 1)], (0, 1, 2)),
            (vec![], (0, 0, 2)),
        ] {
            let verdict = expected.judge(&found, |_| true);
            let seen = (verdict.expected.len(), verdict.unexpected.len(), verdict.stale.len());
            assert_eq!(seen, (known, new, stale), "{verdict:?}");
        }
        assert_eq!(expected.judge(&[], |suite| suite == "client").stale, Vec::<String>::new());
    }

    #[test]
    fn an_entry_has_a_reason_and_nothing_unknown() {
        assert!(Expected::parse("").is_ok());
        assert!(Expected::parse(&entry("a", "")).is_err());
        assert!(Expected::parse(&entry("a", "reason = \" \"")).unwrap_err().contains("no reason"));
        assert!(Expected::parse(&entry("a", "reason = \"r\"\nwhy = \"x\"")).is_err());
    }
}
