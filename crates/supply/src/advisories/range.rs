//! Whether a version is among those an advisory is about, by the algorithm of the OSV schema.

use std::cmp::Ordering;

use super::{
    record::{Affected, Event, Range},
    version::Version,
};
use crate::admit::Ecosystem;

/// What an advisory says about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// Nothing.
    NotAffected,
    /// Nothing that can be read, so it may be about it.
    Undecided,
    /// It is about it.
    Affected,
}

/// The first of all versions, in events.
const BEGINNING: &str = "0";

/// What an entry about a package says about one version of it.
pub(super) fn of(affected: &Affected, ecosystem: Ecosystem, version: &str) -> Match {
    if affected.versions.iter().any(|listed| same(ecosystem, listed, version)) {
        return Match::Affected;
    }
    // Commits say nothing about versions.
    let told: Vec<&Range> = affected.ranges.iter().filter(|range| range.kind != "GIT").collect();
    if told.is_empty() && affected.versions.is_empty() {
        return Match::Undecided;
    }
    told.iter().map(|range| within(range, ecosystem, version)).max().unwrap_or(Match::NotAffected)
}

/// Whether two spellings name the same version.
fn same(ecosystem: Ecosystem, one: &str, other: &str) -> bool {
    let read = |text| Version::read(ecosystem, text);
    one == other
        || read(one)
            .zip(read(other))
            .is_some_and(|(one, other)| one.order_installed(&other) == Some(Ordering::Equal))
}

fn within(range: &Range, ecosystem: Ecosystem, version: &str) -> Match {
    let Some(version) = Version::read(ecosystem, version) else { return Match::Undecided };
    let Some(mut changes) = changes(range, ecosystem) else { return Match::Undecided };
    changes.retain(|change| change.happened_at_or_before(&version));
    // The last of them decides. At one version, what begins comes after what ends: it is affected again.
    let last = changes.iter().max_by(|one, other| one.order(other));
    match last {
        Some(change) if change.begins && !is_past_limits(range, ecosystem, &version) => Match::Affected,
        _ => Match::NotAffected,
    }
}

/// A point at which versions begin to be affected, or cease to be.
struct Change {
    /// None is the beginning of everything.
    at: Option<Version>,
    begins: bool,
    /// Whether the version it names is the last of the old state, not the first of the new one.
    after: bool,
}

impl Change {
    fn happened_at_or_before(&self, version: &Version) -> bool {
        match self.at.as_ref().map(|at| at.order_installed(version)) {
            None => true,
            Some(Some(Ordering::Less)) => true,
            Some(Some(Ordering::Equal)) => !self.after,
            Some(Some(Ordering::Greater) | None) => false,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let place = match (&self.at, &other.at) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => one.order(other).unwrap_or(Ordering::Equal),
        };
        place.then(self.after.cmp(&other.after)).then(self.begins.cmp(&other.begins))
    }
}

/// The events as changes; none when one of them cannot be read.
fn changes(range: &Range, ecosystem: Ecosystem) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    for event in &range.events {
        let (text, begins, after) = match event {
            Event { introduced: Some(text), .. } => (text, true, false),
            Event { fixed: Some(text), .. } => (text, false, false),
            Event { last_affected: Some(text), .. } => (text, false, true),
            Event { limit: Some(_), .. } => continue,
            _ => return None,
        };
        let at = match (text.as_str(), begins) {
            (BEGINNING, true) => None,
            _ => Some(Version::read(ecosystem, text)?),
        };
        changes.push(Change { at, begins, after });
    }
    changes.iter().any(|change| change.begins).then_some(changes)
}

/// Limits bound a range from above: a version has to be before one of them. A limit that cannot be read bounds nothing.
fn is_past_limits(range: &Range, ecosystem: Ecosystem, version: &Version) -> bool {
    let mut limits = range.events.iter().filter_map(|event| event.limit.as_deref()).peekable();
    limits.peek().is_some()
        && limits.all(|limit| {
            let limit = Version::read(ecosystem, limit);
            limit.is_some_and(|limit| limit.order_installed(version) != Some(Ordering::Greater))
        })
}

/// The first version that an entry says is fixed, for somebody who has `version`.
pub(super) fn fixed_in<'a>(affected: &'a Affected, ecosystem: Ecosystem, version: &str) -> Option<&'a str> {
    let version = Version::read(ecosystem, version)?;
    let events = affected.ranges.iter().filter(|range| range.kind != "GIT").flat_map(|range| &range.events);
    let fixes = events.filter_map(|event| {
        let text = event.fixed.as_deref()?;
        let read = Version::read(ecosystem, text)?;
        (read.order(&version) == Some(Ordering::Greater)).then_some((read, text))
    });
    fixes.min_by(|one, other| one.0.order(&other.0).unwrap_or(Ordering::Equal)).map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use serde_json::{Value, json};

    use super::*;

    fn affected(ranges: Value, versions: &[&str]) -> Affected {
        serde_json::from_value(json!({ "ranges": ranges, "versions": versions })).unwrap()
    }

    fn range(kind: &str, events: Value) -> Value {
        json!([{ "type": kind, "events": events }])
    }

    #[test]
    fn versions_are_in_ranges_or_not() {
        use Ecosystem::{Npm, PyPi};
        use Match::{Affected as Yes, NotAffected as No, Undecided};
        let fixed = || range("SEMVER", json!([{ "introduced": "1.0.0" }, { "fixed": "1.2.3" }]));
        let all = || range("SEMVER", json!([{ "introduced": "0" }]));
        let last = || range("SEMVER", json!([{ "introduced": "0" }, { "last_affected": "2.0.0" }]));
        // In no order, and with two stretches.
        let twice = || {
            range(
                "SEMVER",
                json!([{ "fixed": "3.1.0" }, { "introduced": "3.0.0" }, { "fixed": "1.1.0" }, { "introduced": "1.0.0" }]),
            )
        };
        let again = || {
            range("SEMVER", json!([{ "introduced": "0" }, { "fixed": "2.0.0" }, { "introduced": "2.0.0" }]))
        };
        let limited =
            || range("SEMVER", json!([{ "introduced": "0" }, { "limit": "2.0.0" }, { "limit": "1.0.0" }]));
        let python = || range("ECOSYSTEM", json!([{ "introduced": "0" }, { "fixed": "2.0" }]));
        for (ecosystem, ranges, versions, version, expected) in [
            (Npm, fixed(), &[][..], "1.0.0", Yes),
            (Npm, fixed(), &[], "1.2.2", Yes),
            (Npm, fixed(), &[], "1.2.3", No),
            (Npm, fixed(), &[], "0.9.9", No),
            // A prerelease comes before its release: of the fix it is still affected, of the first it is not yet.
            (Npm, fixed(), &[], "1.2.3-rc.1", Yes),
            (Npm, fixed(), &[], "1.0.0-rc.1", No),
            (Npm, fixed(), &[], "v1.1.0+build", Yes),
            (Npm, all(), &[], "0.0.0-alpha", Yes),
            (Npm, all(), &[], "999.0.0", Yes),
            (Npm, last(), &[], "2.0.0", Yes),
            (Npm, last(), &[], "2.0.1", No),
            (Npm, twice(), &[], "1.0.5", Yes),
            (Npm, twice(), &[], "2.0.0", No),
            (Npm, twice(), &[], "3.0.5", Yes),
            (Npm, twice(), &[], "3.1.0", No),
            (Npm, again(), &[], "2.0.0", Yes),
            (Npm, limited(), &[], "1.5.0", Yes),
            (Npm, limited(), &[], "2.0.0", No),
            (Npm, json!([]), &["1.0.0"], "1.0.0", Yes),
            (Npm, json!([]), &["1.0.0"], "1.0.1", No),
            (Npm, fixed(), &["5.0.0"], "5.0.0", Yes),
            (PyPi, python(), &[], "2.0rc1", Yes),
            (PyPi, python(), &[], "1.9.post3", Yes),
            (PyPi, python(), &[], "2.0.post1", No),
            (PyPi, python(), &[], "0.dev1", Yes),
            (PyPi, python(), &[], "1!0.1", No),
            (PyPi, json!([]), &["1.0"], "1.0.0", Yes),
            // What cannot be read may well be about it.
            (Npm, json!([]), &[], "1.0.0", Undecided),
            (Npm, range("GIT", json!([{ "introduced": "0" }])), &[], "1.0.0", Undecided),
            (Npm, range("SEMVER", json!([{ "introduced": "one" }])), &[], "1.0.0", Undecided),
            (Npm, range("SEMVER", json!([{ "fixed": "2.0.0" }])), &[], "1.0.0", Undecided),
            (Npm, range("SEMVER", json!([{}])), &[], "1.0.0", Undecided),
            (Npm, fixed(), &[], "not a version", Undecided),
            (PyPi, python(), &[], "not a version", Undecided),
        ] {
            let seen = of(&affected(ranges.clone(), versions), ecosystem, version);
            assert_eq!(seen, expected, "{ranges} {versions:?} {version}");
        }
        let entry = affected(twice(), &[]);
        assert_eq!(fixed_in(&entry, Npm, "1.0.5"), Some("1.1.0"));
        assert_eq!(fixed_in(&entry, Npm, "3.0.5"), Some("3.1.0"));
        assert_eq!(fixed_in(&entry, Npm, "9.0.0"), None);
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_without_harm(
            version in ".{0,20}", at in proptest::collection::vec("[0-9a-z.+!-]{0,12}", 0..6), npm: bool,
        ) {
            let words = ["introduced", "fixed", "last_affected", "limit"];
            let events = at.iter().enumerate().map(|(index, at)| json!({ words[index % 4]: at }));
            let entry = affected(range("ECOSYSTEM", events.collect()), &[]);
            let ecosystem = if npm { Ecosystem::Npm } else { Ecosystem::PyPi };
            let matched = of(&entry, ecosystem, &version);
            // Nothing is affected that cannot be read, and nothing that cannot be read is cleared.
            proptest::prop_assert!(Version::read(ecosystem, &version).is_some() || matched == Match::Undecided);
        }

        #[test]
        fn versions_have_one_order(one in "v?[0-9]{1,3}(\\.[0-9]{1,3}){0,2}(-[a-z0-9.]{1,6})?", other in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}((a|b|rc|\\.post|\\.dev)[0-9]{1,2})?") {
            for ecosystem in [Ecosystem::Npm, Ecosystem::PyPi] {
                let read = |text: &str| Version::read(ecosystem, text);
                if let (Some(a), Some(b)) = (read(&one), read(&other)) {
                    proptest::prop_assert_eq!(a.order(&b), b.order(&a).map(Ordering::reverse));
                    proptest::prop_assert_eq!(a.order(&a), Some(Ordering::Equal));
                }
            }
        }
    }
}
