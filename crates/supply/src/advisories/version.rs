//! Versions as npm and PyPI order them.

use std::cmp::Ordering;

use crate::admit::Ecosystem;

/// A version that can be compared with others of its ecosystem.
#[derive(Clone, Debug)]
pub(super) enum Version {
    Npm(semver::Version),
    PyPi(pep440_rs::Version),
}

impl Version {
    /// Reads a version; none when it is not one.
    pub(super) fn read(ecosystem: Ecosystem, text: &str) -> Option<Self> {
        match ecosystem {
            Ecosystem::Npm => npm(text).map(Self::Npm),
            Ecosystem::PyPi => text.trim().parse().ok().map(Self::PyPi),
            Ecosystem::File | Ecosystem::Mcpb => None,
        }
    }

    /// The order of a version that an advisory names and one that is installed. What is local about the latter decides
    /// nothing unless the former says what is local too (PEP 440, local version identifiers).
    pub(super) fn order_installed(&self, installed: &Self) -> Option<Ordering> {
        match (self, installed) {
            (Self::PyPi(named), Self::PyPi(installed)) if !named.is_local() && installed.is_local() => {
                Some(named.cmp(&installed.clone().without_local()))
            }
            _ => self.order(installed),
        }
    }

    /// The order of the ecosystem. Build metadata of npm versions, which decides nothing there, is left out.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Npm(one), Self::Npm(other)) => Some(one.cmp_precedence(other)),
            (Self::PyPi(one), Self::PyPi(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

/// What npm takes for a version is wider than SemVer: a `v` or `=` before it, blanks around it, and zeros before a
/// number (node-semver, "loose"). Advisories leave out trailing numbers as well.
fn npm(text: &str) -> Option<semver::Version> {
    let text = text.trim().trim_start_matches(['v', '=', ' ']);
    let (text, build) = text.split_once('+').map_or((text, ""), |(text, build)| (text, build));
    let (numbers, pre) = text.split_once('-').map_or((text, ""), |(numbers, pre)| (numbers, pre));
    let mut parts = numbers.split('.').map(number).collect::<Option<Vec<u64>>>()?;
    if parts.len() > 3 {
        return None;
    }
    parts.resize(3, 0);
    let [major, minor, patch] = parts.try_into().ok()?;
    let pre = pre.split('.').map(tidied).collect::<Vec<_>>().join(".");
    let pre = semver::Prerelease::new(&pre).ok()?;
    // Whatever is behind the `+` decides nothing, but has to be of its form.
    semver::BuildMetadata::new(build).ok()?;
    Some(semver::Version { major, minor, patch, pre, build: semver::BuildMetadata::EMPTY })
}

/// Ascii digits only: no sign, no blank.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A part of a prerelease; one that is a number has no zeros before it.
fn tidied(part: &str) -> &str {
    let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let short = part.trim_start_matches('0');
    match (is_number, short.is_empty()) {
        (true, true) => "0",
        (true, false) => short,
        (false, _) => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ecosystem: Ecosystem, one: &str, other: &str) -> Option<Ordering> {
        Version::read(ecosystem, one)?.order(&Version::read(ecosystem, other)?)
    }

    #[test]
    fn versions_have_the_order_of_their_ecosystem() {
        use Ecosystem::{Npm, PyPi};
        use Ordering::{Equal, Greater, Less};
        for (ecosystem, one, other, expected) in [
            (Npm, "1.0.0", "1.0.1", Some(Less)),
            (Npm, "1.10.0", "1.9.0", Some(Greater)),
            (Npm, "1.0.0-rc.1", "1.0.0", Some(Less)),
            (Npm, "1.0.0-rc.2", "1.0.0-rc.10", Some(Less)),
            (Npm, "1.0.0-alpha", "1.0.0-1", Some(Greater)),
            (Npm, "1.0.0+a", "1.0.0+b", Some(Equal)),
            (Npm, "v1.0.0", "=1.0.0", Some(Equal)),
            (Npm, "1.02.0", "1.2.0", Some(Equal)),
            (Npm, "1.0.0-01", "1.0.0-1", Some(Equal)),
            (Npm, "1.2", "1.2.0", Some(Equal)),
            (Npm, "1.2.3.4", "1.2.3", None),
            (Npm, "1.x", "1.2.3", None),
            (Npm, "", "1.2.3", None),
            (Npm, "1.-1.0", "1.2.3", None),
            (Npm, "99999999999999999999.0.0", "1.0.0", None),
            (PyPi, "1.0", "1.0.0", Some(Equal)),
            (PyPi, "1.0rc1", "1.0", Some(Less)),
            (PyPi, "1.0.dev1", "1.0a1", Some(Less)),
            (PyPi, "1.0.post1", "1.0", Some(Greater)),
            (PyPi, "1!0.1", "2.0", Some(Greater)),
            (PyPi, "1.0+local", "1.0", Some(Greater)),
            (PyPi, "2024.10", "2024.9", Some(Greater)),
            (PyPi, "v1.0", "1.0", Some(Equal)),
            (PyPi, "not a version", "1.0", None),
        ] {
            assert_eq!(order(ecosystem, one, other), expected, "{one} {other}");
        }
    }
}
